import MartletTensor

/// W[o, i] = scale · float8: 8-bit floating point numbers with one scale, one for each output, or one for each block.
/// Source: Micikevicius et al. 2022, FP8 Formats for Deep Learning.
public struct Float8Matrix: DecodedMatrix {
    public enum Format: String, Sendable {
        /// Four bits of exponent, three of fraction; no infinities, largest 448.
        case e4m3 = "F8_E4M3"
        /// Five bits of exponent, two of fraction.
        case e5m2 = "F8_E5M2"

        /// The numbers of the 256 codes.
        public var values: [Float] {
            (0..<256).map { code in
                let sign: Float = code >= 128 ? -1 : 1, rest = code & 127
                switch self {
                case .e4m3:
                    let exponent = rest >> 3, fraction = Float(rest & 7)
                    if rest == 127 { return .nan }
                    return sign
                        * (exponent == 0
                            ? fraction * 0x1p-9
                            : Float(sign: .plus, exponent: exponent - 10, significand: 8 + fraction))
                case .e5m2:
                    let exponent = rest >> 2, fraction = Float(rest & 3)
                    if exponent == 31 { return fraction == 0 ? sign * .infinity : .nan }
                    return sign
                        * (exponent == 0
                            ? fraction * 0x1p-16
                            : Float(sign: .plus, exponent: exponent - 17, significand: 4 + fraction))
                }
            }
        }
    }

    public let shape: Shape
    public let format: Format
    private let codes: Tensor
    private let values: [Float]
    /// `[blocks of outputs, blocks of inputs]`
    private let scales: [Float]
    private let scaleShape: (outputs: Int, inputs: Int)
    private let block: (outputs: Int, inputs: Int)
    private let parameters: [Tensor]

    /// - Parameters:
    ///   - codes: uint8 `[out, in]`.
    ///   - scales: one; `[out]` or `[out, 1]`; or `[⌈out / block⌉, ⌈in / block⌉]`.
    ///   - block: how many outputs and inputs share a scale of the last form.
    /// - Throws: `TensorError` for shapes that do not fit, for scales that are no numbers or zero where weights are not, and
    ///   codes that are no numbers.
    public init(
        _ codes: Tensor, _ format: Format, scales: Tensor, block: (outputs: Int, inputs: Int)? = nil
    ) throws(TensorError) {
        guard codes.dtype == .uint8, codes.rank == 2, codes.isContiguous else {
            throw TensorError(
                .shape, "float8", "needs a contiguous matrix of bytes, got \(codes.dtype.name) \(codes.shape)")
        }
        let outputs = codes.shape[0], inputs = codes.shape[1]
        self.scales = try scales.to(.float32).toArray(as: Float.self)
        if let block, block.outputs > 0, block.inputs > 0 {
            scaleShape = ((outputs + block.outputs - 1) / block.outputs, (inputs + block.inputs - 1) / block.inputs)
            self.block = block
        } else if scales.elementCount == 1 {
            scaleShape = (1, 1)
            self.block = (Swift.max(outputs, 1), Swift.max(inputs, 1))
        } else {
            scaleShape = (outputs, 1)
            self.block = (1, Swift.max(inputs, 1))
        }
        guard self.scales.count == scaleShape.outputs * scaleShape.inputs else {
            throw TensorError(
                .shape, "float8",
                "scales of \(scales.shape) do not fit \(codes.shape): one, one for each row, or "
                    + "\(scaleShape.outputs) × \(scaleShape.inputs)")
        }
        guard self.scales.allSatisfy(\.isFinite) else {
            throw TensorError(.argument, "float8", "a scale is no finite number")
        }
        values = format.values
        var isNumber = true
        let known = values
        codes.forEachHostRun { bytes in isNumber = bytes.allSatisfy { known[Int($0)].isFinite } }
        guard isNumber else { throw TensorError(.argument, "float8", "a weight is no finite number") }
        if self.scales.contains(0) {
            let (block, scaleShape, scales) = (self.block, scaleShape, self.scales)
            var isLost = false
            codes.forEachHostRun { bytes in
                isLost = bytes.indices.contains { index in
                    let line = index / inputs / block.outputs * scaleShape.inputs
                    return bytes[index] & 127 != 0 && scales[line + index % inputs / block.inputs] == 0
                }
            }
            guard !isLost else { throw TensorError(.argument, "float8", "a scale is zero where weights are not") }
        }
        shape = codes.shape
        self.format = format
        self.codes = codes
        parameters = [scales]
    }

    public var storedType: String { format.rawValue }
    public var storedTensors: [Tensor] { [codes] + parameters }

    func decode(_ rows: DecodedRows) {
        let inputs = shape[1]
        codes.forEachHostRun { bytes in
            nonisolated(unsafe) let bytes = bytes
            rows.each { row, numbers in
                let line = row / block.outputs * scaleShape.inputs
                for input in numbers.indices {
                    numbers[input] = values[Int(bytes[row * inputs + input])] * scales[line + input / block.inputs]
                }
            }
        }
    }

    public func packed(exact: Bool) throws(TensorError) -> PackedMatrix {
        let inputs = shape[1]
        // The kernels multiply scales with 2⁸⁸.
        guard !exact, block.inputs >= 16 || scaleShape.inputs == 1, scales.allSatisfy({ abs($0) < 0x1p40 }) else {
            return try PackedMatrix(float32Matrix(), exact: true)
        }
        var packed: PackedMatrix?
        codes.forEachHostRun { bytes in
            nonisolated(unsafe) let bytes = bytes
            packed = PackedMatrix(
                format == .e4m3 ? .e4m3 : .e5m2, rows: shape[0], columns: inputs,
                run: scaleShape.inputs == 1 ? inputs : block.inputs
            ) { row, codes, factors in
                for input in 0..<inputs { codes[input] = bytes[row * inputs + input] }
                for part in factors.indices { factors[part] = scales[row / block.outputs * scaleShape.inputs + part] }
            }
        }
        if let packed { return packed }
        return try PackedMatrix(float32Matrix(), exact: true)
    }
}
