import MartletTensor

/// W[o, i] = scale[o, g] · code[o, i] + offset[o, g], g being the run of `groupSize` inputs that i lies in: what mlx, hqq and
/// torchao store, whose zeros are no whole numbers.
///
/// The codes stay in the file's tensors. For inference they are packed at their own width: as Q4_1 where scales and offsets
/// fit half precision and codes have up to four bits. Else they are packed as Q4_0, Q5_0 or Q8_0, centred on the middle of
/// the codes (those of up to four bits beside scales in float32 where half precision does not hold them), and the offsets
/// are a second, small product: with the sums of the inputs of each group.
public struct GroupOffsetMatrix: OffsetCodes {
    public let shape: Shape
    public let storedType: String
    public let codes: PackedCodes
    /// `[out, groups]`
    let scales: [Float]
    let offsets: [Float]
    private let groupSize: Int
    let parameters: [Tensor]
    /// Of an output.
    private let groups: Int

    /// - Parameters:
    ///   - scales: `[out, groups]`.
    ///   - offsets: the same.
    ///   - parameters: the tensors these were read from, for their bytes.
    /// - Throws: `TensorError` for lists of other lengths, inputs that are no whole number of groups, and numbers that are
    ///   not finite.
    public init(
        _ codes: PackedCodes, storedType: String, scales: [Float], offsets: [Float], groupSize: Int,
        parameters: [Tensor]
    ) throws(TensorError) {
        let outputs = codes.outputs, inputs = codes.inputs
        guard groupSize > 0, inputs > 0, inputs % groupSize == 0, scales.count == outputs * (inputs / groupSize),
            offsets.count == scales.count
        else {
            throw TensorError(
                .shape, "groups",
                "\(scales.count) scales and \(offsets.count) offsets for \(outputs) × \(inputs) codes in groups of \(groupSize)"
            )
        }
        try Self.check(scales, offsets)
        shape = [outputs, inputs]
        self.storedType = storedType
        self.codes = codes
        self.scales = scales
        self.offsets = offsets
        self.groupSize = groupSize
        groups = inputs / groupSize
        self.parameters = parameters
    }

    func group(_ output: Int, _ input: Int) -> Int { output * groups + input / groupSize }

    /// The matrix as Q4_1 blocks; nil where they do not hold it exactly.
    public func exactBlocks() throws(TensorError) -> Tensor? {
        guard codes.bits <= 4, groupSize % 32 == 0, areHalf, offsets.allSatisfy({ $0.roundedToHalf == $0 }) else {
            return nil
        }
        return blocks(.q4_1)
    }

    /// Whether half precision holds every scale.
    private var areHalf: Bool { scales.allSatisfy { $0.roundedToHalf == $0 } }

    public func packed(exact: Bool) throws(TensorError) -> PackedMatrix {
        guard !exact, groupSize % 32 == 0, areHalf || codes.bits <= 4 else {
            return try PackedMatrix(float32Matrix(), exact: true)
        }
        if let blocks = try exactBlocks() { return try PackedMatrix(blocks, exact: false) }
        let type: DType = codes.bits <= 4 ? .q4_0 : codes.bits == 5 ? .q5_0 : .q8_0
        guard let packed = try areHalf ? PackedMatrix(blocks(type), exact: false) : besideFloatScales() else {
            return try PackedMatrix(float32Matrix(), exact: true)
        }
        let middle = Float(Self.middle(type))
        let rest = zip(scales, offsets).map { $1 + middle * $0 }
        packed.groupOffsets = PackedMatrix.GroupOffsets(
            matrix: try PackedMatrix(Tensor(rest, shape: [shape[0], groups]), exact: true), size: groupSize)
        return packed
    }

    /// Codes of up to four bits, less their middle, beside scales in float32.
    private func besideFloatScales() -> PackedMatrix? {
        let inputs = shape[1], groups = groups, middle = Self.middle(.q4_0)
        var packed: PackedMatrix?
        codes.read { code in
            packed = PackedMatrix(
                levels: (0..<16).map { Float($0 - middle) }, rows: shape[0], columns: inputs, run: groupSize
            ) { output, row, factors in
                for input in 0..<inputs { row[input] = UInt8(truncatingIfNeeded: code(output, input)) }
                for group in factors.indices { factors[group] = scales[output * groups + group] }
            }
        }
        return packed
    }

    /// What a block type's codes are taken to begin at.
    private static func middle(_ type: DType) -> Int {
        switch type {
        case .q4_0: 8
        case .q5_0: 16
        case .q8_0: 128
        default: 0
        }
    }

    /// Blocks of 32: a scale, for Q4_1 an offset, and the codes.
    private func blocks(_ type: DType) -> Tensor {
        let inputs = shape[1], size = type.blockByteCount, rowBytes = inputs / 32 * size, groups = groups
        return Tensor(filling: shape, dtype: type) { target in
            nonisolated(unsafe) let target = target
            codes.read { code in
                Fused.forRows(shape[0], width: inputs) { range in
                    for output in range {
                        for block in 0..<inputs / 32 {
                            var place = output * rowBytes + block * size
                            let group = output * groups + block * 32 / groupSize
                            target.storeBytes(
                                of: scales[group].halfBits.littleEndian, toByteOffset: place, as: UInt16.self)
                            place += 2
                            if type == .q4_1 {
                                target.storeBytes(
                                    of: offsets[group].halfBits.littleEndian, toByteOffset: place, as: UInt16.self)
                                place += 2
                            }
                            func value(_ index: Int) -> UInt8 {
                                UInt8(truncatingIfNeeded: code(output, block * 32 + index))
                            }
                            if type == .q8_0 {
                                for i in 0..<32 { target[place + i] = value(i) &- 128 }
                                continue
                            }
                            var fifth: UInt32 = 0
                            let nibbles = place + (type == .q5_0 ? 4 : 0)
                            for i in 0..<16 {
                                let a = value(i), b = value(i + 16)
                                target[nibbles + i] = a & 15 | (b & 15) << 4
                                fifth |= UInt32(a >> 4) << UInt32(i) | UInt32(b >> 4) << UInt32(i + 16)
                            }
                            if type == .q5_0 {
                                target.storeBytes(of: fifth.littleEndian, toByteOffset: place, as: UInt32.self)
                            }
                        }
                    }
                }
            }
        }
    }
}
