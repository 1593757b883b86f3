/// An average that an optimiser keeps, in 8 bits: of every block of 256 elements the largest magnitude, and of each element
/// one of 256 numbers that it is multiplied with (block-wise dynamic quantisation, Dettmers et al. 2022).
///
/// The state of `bitsandbytes` is laid out so: `codes` are its `state1` or `state2`, `scales` its `absmax1` or `absmax2`.
public struct BlockwiseMoment: Sendable {
    /// Elements that share a scale.
    public static let blockLength = 256

    /// U8, of the parameter's shape.
    public let codes: Tensor
    /// F32, one for each block of the parameter's elements in row-major order; the last one may be shorter.
    public let scales: Tensor
    /// Whether the average has negative elements: a first moment has, a second one has not.
    public let isSigned: Bool

    /// An average that is zero.
    public init(shape: Shape, isSigned: Bool) throws(TensorError) {
        let blocks = Self.blockCount(shape.elementCount)
        self.init(
            codes: try Tensor.zeros(shape, dtype: .uint8), scales: try Tensor.zeros([blocks]), isSigned: isSigned)
    }

    public init(codes: Tensor, scales: Tensor, isSigned: Bool) {
        (self.codes, self.scales, self.isSigned) = (codes, scales, isSigned)
    }

    package static func blockCount(_ elements: Int) -> Int { (elements + blockLength - 1) / blockLength }

    /// Bytes that an average of so many elements takes.
    public static func byteCount(_ elements: Int) -> Int { elements + 4 * blockCount(elements) }

    /// The 256 numbers, rising. Seven decades from 1e-7 to 1; with a sign the largest decade has 64 numbers, each below it
    /// half as many, and the same below zero; without a sign each has twice as many. Each number is the middle of its
    /// part of the decade; beside them there are 0 and 1.
    package static func numbers(isSigned: Bool) -> [Float] {
        var numbers: [Float] = [0, 1], decade = 1e-6
        for exponent in 0..<7 {
            let parts = 1 << (isSigned ? exponent : exponent + 1)
            for part in 0..<parts {
                let middle = 0.1 + 0.9 * (Double(part) + 0.5) / Double(parts)
                numbers.append(Float(middle * decade))
                if isSigned { numbers.append(-Float(middle * decade)) }
            }
            decade *= 10
        }
        return numbers.sorted()
    }

    /// The values that are stood for, of the parameter's shape.
    public func values() throws -> Tensor {
        let numbers = Self.numbers(isSigned: isSigned)
        let codes = try codes.toArray(as: UInt8.self), scales = try scales.toArray(as: Float.self)
        return try Tensor(
            codes.enumerated().map { numbers[Int($1)] * scales[$0 / Self.blockLength] }, shape: self.codes.shape)
    }
}
