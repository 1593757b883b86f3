import MartletTensor

/// W[o, i] = scale[g] · code[o, i] + offset[g], g = (o · in + i) mod G: the flattened matrix cut into rows of G numbers, whose
/// columns are the groups. So hqq groups along axis 0.
///
/// Where G is a whole number of rows of the matrix, every (G / in)-th output has the same scale for an input. For products
/// the rows are packed in that order, their codes at their own width as Q4_0 or Q8_0, and each part of the rows is multiplied
/// with inputs that are scaled for it (`PackedMatrix.InputScales`): the same sums, no number of the matrix is made.
public struct OutputGroupMatrix: OffsetCodes {
    public let shape: Shape
    public let storedType: String
    public let codes: PackedCodes
    let scales: [Float]
    let offsets: [Float]
    let parameters: [Tensor]

    /// - Parameters:
    ///   - scales: one for each group.
    ///   - offsets: the same.
    ///   - parameters: the tensors these were read from, for their bytes.
    /// - Throws: `TensorError` for numbers that do not divide the matrix, or are not finite.
    public init(
        _ codes: PackedCodes, storedType: String, scales: [Float], offsets: [Float], parameters: [Tensor]
    ) throws(TensorError) {
        let count = codes.outputs * codes.inputs
        guard !scales.isEmpty, scales.count == offsets.count, count > 0, count % scales.count == 0 else {
            throw TensorError(
                .shape, "groups",
                "\(scales.count) scales and \(offsets.count) offsets for \(codes.outputs) × \(codes.inputs) codes")
        }
        try Self.check(scales, offsets)
        shape = [codes.outputs, codes.inputs]
        self.storedType = storedType
        self.codes = codes
        self.scales = scales
        self.offsets = offsets
        self.parameters = parameters
    }

    func group(_ output: Int, _ input: Int) -> Int { (output * shape[1] + input) % scales.count }

    public func packed(exact: Bool) throws(TensorError) -> PackedMatrix {
        let outputs = shape[0], inputs = shape[1], groups = scales.count, parts = groups / inputs
        guard !exact, groups % inputs == 0, inputs % 32 == 0, outputs / max(parts, 1) % 16 == 0 else {
            return try PackedMatrix(float32Matrix(), exact: true)
        }
        let type: DType = codes.bits <= 4 ? .q4_0 : .q8_0, middle = Float(1 << (codes.bits - 1))
        let packed = try PackedMatrix(blocks(type, parts: parts), exact: false)
        packed.inputScales = PackedMatrix.InputScales(
            parts: parts, scales: scales, offsets: zip(scales, offsets).map { $1 + middle * $0 })
        return packed
    }

    /// Blocks of scale one, of the outputs part by part: 0, parts, 2 · parts, …, 1, parts + 1, …. Their numbers are the codes
    /// less the middle of so many bits.
    private func blocks(_ type: DType, parts: Int) -> Tensor {
        let inputs = shape[1], rowsOfPart = shape[0] / parts
        let lowest = (type == .q8_0 ? 128 : 8) - (1 << (codes.bits - 1))
        let size = type.blockByteCount, rowBytes = inputs / 32 * size, one = Float(1).halfBits.littleEndian
        return Tensor(filling: shape, dtype: type) { target in
            nonisolated(unsafe) let target = target
            codes.read { code in
                Fused.forRows(shape[0], width: inputs) { range in
                    for row in range {
                        let output = row % rowsOfPart * parts + row / rowsOfPart
                        for block in 0..<inputs / 32 {
                            let place = row * rowBytes + block * size
                            target.storeBytes(of: one, toByteOffset: place, as: UInt16.self)
                            func value(_ index: Int) -> UInt8 {
                                UInt8(truncatingIfNeeded: code(output, block * 32 + index) + lowest)
                            }
                            if type == .q8_0 {
                                for i in 0..<32 { target[place + 2 + i] = value(i) &- 128 }
                            } else {
                                for i in 0..<16 { target[place + 2 + i] = value(i) & 15 | value(i + 16) << 4 }
                            }
                        }
                    }
                }
            }
        }
    }
}
