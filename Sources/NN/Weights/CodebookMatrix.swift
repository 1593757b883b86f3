import MartletTensor

/// W[o, i] = scale[b] · levels[code]: codes of four bits that stand for 16 numbers, and a scale for each run of neighbouring
/// weights of the flattened matrix. NF4 and FP4 of bitsandbytes (Dettmers et al. 2023, QLoRA), NVFP4 and MXFP4.
public struct CodebookMatrix: DecodedMatrix {
    /// Where in its byte the first of two codes lies.
    public enum FirstHalf: Sendable {
        case upper
        case lower

        /// The code of the weight `index`, of the byte it lies in.
        func code(_ byte: UInt8, _ index: Int) -> UInt8 { (index % 2 == 0) == (self == .upper) ? byte >> 4 : byte & 15 }
    }

    public let shape: Shape
    public let storedType: String
    /// uint8, two codes a byte.
    private let codes: Tensor
    private let firstHalf: FirstHalf
    private let levels: [Float]
    private let scales: [Float]
    private let runLength: Int
    private let parameters: [Tensor]

    /// - Parameters:
    ///   - levels: 16 numbers.
    ///   - scales: one for each run of `runLength` weights.
    /// - Throws: `TensorError` for lists of other lengths, and for levels and scales that are no numbers.
    public init(
        _ codes: Tensor, shape: Shape, storedType: String, levels: [Float], scales: [Float], runLength: Int,
        firstHalf: FirstHalf = .upper, parameters: [Tensor]
    ) throws(TensorError) {
        let count = shape.elementCount
        guard codes.dtype == .uint8, codes.isContiguous, codes.elementCount == (count + 1) / 2, levels.count == 16,
            runLength > 0, scales.count == (count + runLength - 1) / runLength, shape.rank == 2
        else {
            throw TensorError(
                .shape, "codebook",
                "\(codes.dtype.name) \(codes.shape), \(levels.count) levels and \(scales.count) scales do not make a matrix "
                    + "\(shape) in runs of \(runLength)")
        }
        guard levels.allSatisfy(\.isFinite), scales.allSatisfy(\.isFinite) else {
            throw TensorError(.argument, "codebook", "a level or a scale is no finite number")
        }
        self.shape = shape
        self.storedType = storedType
        self.codes = codes
        self.levels = levels
        self.scales = scales
        self.runLength = runLength
        self.firstHalf = firstHalf
        self.parameters = parameters
    }

    /// Whether some run has the scale 0 and weights that are none: its numbers are lost.
    package var losesNumbers: Bool {
        var isLost = false
        codes.forEachHostRun { bytes in
            for run in scales.indices where scales[run] == 0 {
                let weights = run * runLength..<min((run + 1) * runLength, shape.elementCount)
                isLost = isLost || weights.contains { levels[Int(firstHalf.code(bytes[$0 / 2], $0))] != 0 }
            }
        }
        return isLost
    }

    public var storedTensors: [Tensor] { [codes] + parameters }

    public func packed(exact: Bool) throws(TensorError) -> PackedMatrix {
        // A row is cut into runs that lie in one run of the flattened matrix.
        let inputs = shape[1], run = Self.largestDivisor(of: inputs, and: runLength), eighths = floatCodes
        // Runs too short for the products of codes of four bits: as floats of eight bits, where these are the levels.
        let isShort = run % 32 != 0
        guard !exact, !isShort || (run >= 16 && eighths != nil && scales.allSatisfy { abs($0) < 0x1p40 }) else {
            return try PackedMatrix(float32Matrix(), exact: true)
        }
        let table = isShort ? eighths ?? [] : (0..<16).map { UInt8($0) }
        var packed: PackedMatrix?
        codes.forEachHostRun { bytes in
            nonisolated(unsafe) let bytes = bytes
            let fill: PackedMatrix.RowFill = { row, codes, factors in
                for input in 0..<inputs {
                    let index = row * inputs + input
                    codes[input] = table[Int(firstHalf.code(bytes[index / 2], index))]
                }
                for part in factors.indices { factors[part] = scales[(row * inputs + part * run) / runLength] }
            }
            packed =
                isShort
                ? PackedMatrix(.e4m3, rows: shape[0], columns: inputs, run: run, fill: fill)
                : PackedMatrix(levels: levels, rows: shape[0], columns: inputs, run: run, fill: fill)
        }
        if let packed { return packed }
        return try PackedMatrix(float32Matrix(), exact: true)
    }

    /// The levels as floats of eight bits (E4M3); nil where some level is none.
    private var floatCodes: [UInt8]? {
        let values = Float8Matrix.Format.e4m3.values
        let codes = levels.compactMap { level in values.firstIndex(of: level).map { UInt8($0) } }
        return codes.count == levels.count ? codes : nil
    }

    private static func largestDivisor(of a: Int, and b: Int) -> Int { b == 0 ? a : largestDivisor(of: b, and: a % b) }

    func decode(_ rows: DecodedRows) {
        let inputs = shape[1]
        codes.forEachHostRun { bytes in
            nonisolated(unsafe) let bytes = bytes
            rows.each { row, numbers in
                for input in numbers.indices {
                    let index = row * inputs + input
                    let code = firstHalf.code(bytes[index / 2], index)
                    numbers[input] = levels[Int(code)] * scales[index / runLength]
                }
            }
        }
    }
}
