import MartletTensor

/// W[o, i] = scale[o, g] · (code[o, i] − zero[o, g]), g being the group of input i: what GPTQ, AWQ, LLM.int8's weights and
/// most of compressed-tensors are stored as.
///
/// The codes stay in the file's tensors. For inference they are packed at their own width: as Q4_0, Q5_0 or Q8_0 where the
/// zero lies in the middle, else beside their zeros, so that every number is exactly what is stored.
public struct GroupAffineMatrix: DecodedMatrix {
    public let shape: Shape
    public let storedType: String
    public let codes: PackedCodes
    /// `[out, groups]`
    private let scales: [Float]
    private let zeros: [Int16]
    private let groups: Int
    /// The group of every input.
    private let groupOfInput: [Int32]
    /// Inputs in the order of their groups, where they do not stand so (act-order).
    private let order: [Int32]?
    private let parameters: [Tensor]
    public let inputRounding: InputRounding?

    /// - Parameters:
    ///   - scales: `[out, groups]`.
    ///   - zeros: `[out, groups]`, within the codes' range or one more.
    ///   - groupOfInput: a group for each input.
    ///   - parameters: the tensors these were read from, for their bytes.
    ///   - inputRounding: how inputs are rounded elsewhere.
    /// - Throws: `TensorError` for lists of other lengths, groups that there are not, and scales that are no numbers.
    public init(
        _ codes: PackedCodes, storedType: String, scales: [Float], zeros: [Int16], groupOfInput: [Int32],
        parameters: [Tensor], inputRounding: InputRounding? = nil
    ) throws(TensorError) {
        let outputs = codes.outputs, inputs = codes.inputs
        guard outputs > 0, scales.count % outputs == 0, scales.count == zeros.count, groupOfInput.count == inputs else {
            throw TensorError(
                .shape, "groups",
                "\(scales.count) scales, \(zeros.count) zeros and \(groupOfInput.count) groups for \(outputs) × \(inputs) codes"
            )
        }
        let groups = scales.count / outputs
        if let bad = groupOfInput.first(where: { $0 < 0 || Int($0) >= groups }) {
            throw TensorError(.index, "groups", "group \(bad) of an input is none of the \(groups) groups")
        }
        guard scales.allSatisfy({ $0.isFinite && $0 != 0 }) else {
            throw TensorError(.argument, "groups", "a scale is zero or no finite number")
        }
        shape = [outputs, inputs]
        self.storedType = storedType
        self.codes = codes
        self.scales = scales
        self.zeros = zeros
        self.groups = groups
        self.groupOfInput = groupOfInput
        self.parameters = parameters
        self.inputRounding = inputRounding
        let isSorted = zip(groupOfInput, groupOfInput.dropFirst()).allSatisfy { $0 <= $1 }
        order =
            isSorted
            ? nil : (0..<Int32(inputs)).sorted { (groupOfInput[Int($0)], $0) < (groupOfInput[Int($1)], $1) }
    }

    public var storedTensors: [Tensor] { [codes.tensor] + parameters }

    func decode(_ rows: DecodedRows) {
        codes.read { code in
            rows.each { row, numbers in
                let first = row * groups
                for input in numbers.indices {
                    let group = first + Int(groupOfInput[input])
                    numbers[input] = scales[group] * Float(code(row, input) - Int(zeros[group]))
                }
            }
        }
    }

    public func packed(exact: Bool) throws(TensorError) -> PackedMatrix {
        guard !exact, isInRuns else { return try PackedMatrix(float32Matrix(), exact: true) }
        let packed: PackedMatrix
        if groups > 1, !scales.allSatisfy({ $0.roundedToHalf == $0 }) {
            guard codes.bits <= 4 else { return try PackedMatrix(float32Matrix(), exact: true) }
            packed = try besideFloatScales()
        } else if let (type, low) = blockType {
            packed = try PackedMatrix(blocks(type, low: low), exact: false)
        } else if zeros.allSatisfy({ (0...255).contains($0) }), let whole = besideZeros() {
            packed = whole
        } else {
            return try PackedMatrix(float32Matrix(), exact: true)
        }
        packed.columnOrder = order
        if groups == 1 { packed.rowFactors = scales }
        return packed
    }

    /// Whether runs of 32 inputs have one scale each.
    private var isInRuns: Bool {
        let inputs = shape[1]
        guard inputs % 32 == 0 else { return false }
        let sorted = order.map { $0.map { groupOfInput[Int($0)] } } ?? groupOfInput
        return stride(from: 0, to: inputs, by: 32).allSatisfy { sorted[$0] == sorted[$0 + 31] }
    }

    /// The block type that holds code − zero in as many bits, and what its codes begin at; nil where none does.
    private var blockType: (DType, low: Int)? {
        let lowest = zeros.reduce(0) { Swift.max($0, Int($1)) }, highest = zeros.reduce(255) { Swift.min($0, Int($1)) }
        let least = -lowest, most = (1 << codes.bits) - 1 - highest
        for (type, bits) in [(DType.q4_0, 4), (.q5_0, 5), (.q8_0, 8)] where codes.bits <= bits {
            let low = -(1 << (bits - 1))
            if least >= low && most <= -low - 1 { return (type, low) }
            // Beside their zeros codes of four bits take less than as five.
            if bits == 4 { return nil }
        }
        return nil
    }

    private func besideZeros() -> PackedMatrix? {
        let inputs = shape[1]
        var packed: PackedMatrix?
        codes.read { code in
            packed = PackedMatrix(bits: codes.bits <= 4 ? 4 : 8, rows: shape[0], columns: inputs) {
                output, row, halves, points in
                for place in 0..<inputs {
                    row[place] = UInt8(truncatingIfNeeded: code(output, order.map { Int($0[place]) } ?? place))
                }
                for block in halves.indices {
                    let group = group(output, ofBlock: block)
                    halves[block] = groups == 1 ? Float(1).halfBits : scales[group].halfBits
                    points[block] = UInt8(truncatingIfNeeded: zeros[group])
                }
            }
        }
        return packed
    }

    /// The group of the inputs of a block of 32, in the order of groups.
    private func group(_ output: Int, ofBlock block: Int) -> Int {
        output * groups + Int(groupOfInput[order.map { Int($0[block * 32]) } ?? block * 32])
    }

    /// Codes of up to four bits beside scales that half precision does not hold: less the middle of the codes, and where a
    /// zero lies elsewhere, what it differs by times sums of the inputs.
    private func besideFloatScales() throws(TensorError) -> PackedMatrix {
        let outputs = shape[0], inputs = shape[1], blocks = inputs / 32, middle: Int16 = 8
        var packed: PackedMatrix?
        codes.read { code in
            packed = PackedMatrix(
                levels: (0..<16).map { Float($0 - Int(middle)) }, rows: outputs, columns: inputs, run: 32
            ) { output, row, factors in
                for place in 0..<inputs {
                    row[place] = UInt8(truncatingIfNeeded: code(output, order.map { Int($0[place]) } ?? place))
                }
                for block in factors.indices { factors[block] = scales[group(output, ofBlock: block)] }
            }
        }
        guard let packed else { return try PackedMatrix(float32Matrix(), exact: true) }
        guard zeros.contains(where: { $0 != middle }) else { return packed }
        let rest = (0..<outputs * blocks).map { index in
            let group = group(index / blocks, ofBlock: index % blocks)
            return scales[group] * Float(middle - zeros[group])
        }
        packed.groupOffsets = PackedMatrix.GroupOffsets(
            matrix: try PackedMatrix(Tensor(rest, shape: [outputs, blocks]), exact: true), size: 32)
        return packed
    }

    private func blocks(_ type: DType, low: Int) throws(TensorError) -> Tensor {
        let inputs = shape[1], size = type.blockByteCount, rowBytes = inputs / 32 * size
        return Tensor(filling: shape, dtype: type) { target in
            nonisolated(unsafe) let target = target
            codes.read { code in
                Fused.forRows(shape[0], width: inputs) { range in
                    for output in range {
                        for block in 0..<inputs / 32 {
                            let place = output * rowBytes + block * size
                            func input(_ index: Int) -> Int {
                                order.map { Int($0[block * 32 + index]) } ?? block * 32 + index
                            }
                            let group = output * groups + Int(groupOfInput[input(0)])
                            let scale: Float = groups == 1 ? 1 : scales[group]
                            target.storeBytes(of: scale.halfBits.littleEndian, toByteOffset: place, as: UInt16.self)
                            func difference(_ index: Int) -> Int { code(output, input(index)) - Int(zeros[group]) }
                            switch type {
                            case .q8_0:
                                for i in 0..<32 {
                                    target[place + 2 + i] = UInt8(bitPattern: Int8(difference(i)))
                                }
                            default:
                                var fifth: UInt32 = 0
                                let nibbles = place + (type == .q5_0 ? 6 : 2)
                                for i in 0..<16 {
                                    let a = UInt8(difference(i) - low), b = UInt8(difference(i + 16) - low)
                                    target[nibbles + i] = a & 15 | (b & 15) << 4
                                    fifth |= UInt32(a >> 4) << UInt32(i) | UInt32(b >> 4) << UInt32(i + 16)
                                }
                                if type == .q5_0 {
                                    target.storeBytes(of: fifth.littleEndian, toByteOffset: place + 2, as: UInt32.self)
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
