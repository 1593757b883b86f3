import MartletTensor

/// Small integers in the words of a checkpoint's tensors, read where they lie.
public struct PackedCodes: Sendable {
    /// How the codes of a matrix `[out, in]` lie in their tensor.
    public enum Layout: Sendable, Equatable {
        /// int32 `[in · bits / 32, out]`: a column of words is a stream of bits along the inputs, lowest first (GPTQ).
        case inputsInWords
        /// int32 `[in, out · bits / 32]`: a word holds neighbouring outputs; `order[i]` is the place of output i in it
        /// (AWQ interleaves them).
        case outputsInWords(order: [Int])
        /// int32 `[out, in · bits / 32]`: a row of words is a stream of bits along the inputs (mlx).
        case rowsOfWords
        /// int32 `[out, ⌈in / ⌊32 / bits⌋⌉]`: a word holds as many neighbouring inputs as fit it whole, lowest first; of
        /// 3, 5, 6 and 7 bits its highest bits stay empty (compressed-tensors).
        case wholeInputsInWords
        /// int32 `[⌈in / ⌊32 / bits⌋⌉, out]`: the same along columns.
        case wholeInputsInColumns
        /// int8 `[out, in]`: a signed code a byte; 128 is added.
        case bytes
        /// uint8 `[out, in]`: a code a byte.
        case unsignedBytes
        /// uint8 `[rows / share, width]`, share being 8 / bits: the flattened matrix is cut into rows of `width` codes, and a
        /// byte holds the codes of `share` rows, `rows / share` apart from each other, the first in its highest bits (hqq), or
        /// in its lowest (BitNet).
        case rowsInBytes(width: Int, lowestFirst: Bool = false)
        /// int32 `[⌈rows / share⌉, width]`, share being ⌊32 / bits⌋: the same with words, whose highest bits stay empty. Rows
        /// that fill up the last words hold nothing (hqq's three bits).
        case rowsInWords(width: Int)
    }

    public let tensor: Tensor
    public let layout: Layout
    public let bits: Int
    let outputs: Int
    let inputs: Int

    /// - Throws: `TensorError` for a tensor that is not as large as so many codes of so many bits.
    public init(
        _ tensor: Tensor, layout: Layout, bits: Int, outputs: Int, inputs: Int
    ) throws(TensorError) {
        let expected: Shape
        switch layout {
        case .inputsInWords: expected = [(inputs * bits + 31) / 32, outputs]
        case .outputsInWords: expected = [inputs, outputs * bits / 32]
        case .rowsOfWords: expected = [outputs, (inputs * bits + 31) / 32]
        case .wholeInputsInWords: expected = [outputs, Self.words(inputs, bits: bits)]
        case .wholeInputsInColumns: expected = [Self.words(inputs, bits: bits), outputs]
        case .bytes, .unsignedBytes: expected = [outputs, inputs]
        case .rowsInBytes(let width, _):
            let share = 8 / Swift.max(bits, 1)
            guard [1, 2, 4, 8].contains(bits), width > 0, outputs * inputs % width == 0,
                outputs * inputs / width % share == 0
            else {
                throw TensorError(
                    .shape, "codes", "\(outputs) × \(inputs) codes of \(bits) bits lie in no rows of \(width) bytes")
            }
            expected = [outputs * inputs / width / share, width]
        case .rowsInWords(let width):
            guard width > 0, outputs * inputs % width == 0 else {
                throw TensorError(.shape, "codes", "\(outputs) × \(inputs) codes are no rows of \(width)")
            }
            expected = [Self.words(outputs * inputs / width, bits: bits), width]
        }
        let type: DType
        switch layout {
        case .bytes: type = .int8
        case .unsignedBytes, .rowsInBytes: type = .uint8
        default: type = .int32
        }
        guard (1...8).contains(bits), tensor.shape == expected, tensor.dtype == type, tensor.isContiguous else {
            throw TensorError(
                .shape, "codes",
                "\(tensor.dtype.name) \(tensor.shape) is not \(type.name) \(expected), which \(outputs) × \(inputs) codes of "
                    + "\(bits) bits take")
        }
        if case .outputsInWords(let order) = layout {
            guard 32 % bits == 0, order.sorted() == Array(0..<32 / bits) else {
                throw TensorError(.argument, "codes", "\(bits) bits in the order \(order)")
            }
        }
        self.tensor = tensor
        self.layout = layout
        self.bits = bits
        self.outputs = outputs
        self.inputs = inputs
    }

    /// `[out, in]`
    package var shape: Shape { [outputs, inputs] }

    /// How many words hold so many codes of which none is cut.
    package static func words(_ codes: Int, bits: Int) -> Int {
        let share = 32 / Swift.min(Swift.max(bits, 1), 32)
        return (codes + share - 1) / share
    }

    /// All codes: `[out, in]`, or `[in, out]`.
    public func values(transposed: Bool) -> [Int] {
        var list: [Int] = []
        list.reserveCapacity(outputs * inputs)
        read { code in
            if transposed {
                for input in 0..<inputs { for output in 0..<outputs { list.append(code(output, input)) } }
            } else {
                for output in 0..<outputs { for input in 0..<inputs { list.append(code(output, input)) } }
            }
        }
        return list
    }

    /// Calls `body` with a function that reads the code of an output and an input.
    func read(_ body: ((_ output: Int, _ input: Int) -> Int) -> Void) {
        let bits = bits, outputs = outputs, inputs = inputs, mask = (1 << bits) - 1
        tensor.forEachHostRun { raw in
            func stream(_ position: Int, _ word: (Int) -> Int) -> Int {
                let value = UInt64(UInt32(truncatingIfNeeded: word(position / 32))) >> UInt64(position % 32)
                guard position % 32 + bits > 32 else { return Int(value) & mask }
                let next = UInt64(UInt32(truncatingIfNeeded: word(position / 32 + 1))) << UInt64(32 - position % 32)
                return Int(truncatingIfNeeded: value | next) & mask
            }
            switch layout {
            case .inputsInWords:
                let words = raw.bindMemory(to: Int32.self)
                body { output, input in stream(input * bits) { Int(words[$0 * outputs + output]) } }
            case .rowsOfWords:
                let words = raw.bindMemory(to: Int32.self), width = (inputs * bits + 31) / 32
                body { output, input in stream(input * bits) { Int(words[output * width + $0]) } }
            case .outputsInWords(let order):
                let words = raw.bindMemory(to: Int32.self), share = 32 / bits, width = outputs / share
                body { output, input in
                    let word = UInt32(bitPattern: words[input * width + output / share])
                    return Int(word >> UInt32(order[output % share] * bits)) & mask
                }
            case .wholeInputsInWords, .wholeInputsInColumns:
                let words = raw.bindMemory(to: Int32.self), share = 32 / bits
                let width = layout == .wholeInputsInWords ? Self.words(inputs, bits: bits) : 1
                let step = layout == .wholeInputsInWords ? 1 : outputs
                body { output, input in
                    let word = UInt32(bitPattern: words[output * width + input / share * step])
                    return Int(word >> UInt32(input % share * bits)) & mask
                }
            case .bytes:
                let codes = raw.bindMemory(to: Int8.self)
                body { output, input in Int(codes[output * inputs + input]) + 128 }
            case .unsignedBytes: body { output, input in Int(raw[output * inputs + input]) }
            case .rowsInBytes(let width, let lowestFirst):
                let step = outputs * inputs / width * bits / 8
                body { output, input in
                    let index = output * inputs + input, row = index / width
                    let byte = Int(raw[row % step * width + index % width])
                    return byte >> (lowestFirst ? bits * (row / step) : 8 - bits * (row / step + 1)) & mask
                }
            case .rowsInWords(let width):
                let words = raw.bindMemory(to: UInt32.self), share = 32 / bits
                let step = Self.words(outputs * inputs / width, bits: bits)
                body { output, input in
                    let index = output * inputs + input, row = index / width
                    let word = words[row % step * width + index % width]
                    return Int(word >> UInt32(bits * (share - 1 - row / step))) & mask
                }
            }
        }
    }
}
