import MartletFormats
import MartletModels
import MartletNN
import MartletTensor

extension PackedExport {
    /// A matrix as the tensors of its method's layout.
    func encoded(_ tensor: WrittenTensor, _ weight: Tensor, hessian: [Float]? = nil) throws -> [SafetensorsWriter
        .Planned]
    {
        let module = String(tensor.name.dropLast(".weight".count))
        func plan(_ suffix: String, _ value: Tensor, typeName: String? = nil) -> SafetensorsWriter.Planned {
            .init(name: "\(module).\(suffix)", shape: value.shape, dtype: value.dtype, typeName: typeName) { value }
        }
        let bits = options.bits, size = options.groupSize
        switch options.method {
        case .rtn, .gptq:
            let codes: AffineCodes
            if let hessian {
                let encode = options.actOrder ? GPTQ.encodeInOrder : GPTQ.encode
                codes = try encode(
                    weight, hessian, tensor.name, bits, size, options.symmetric, options.damping)
            } else {
                codes = try RoundToNearest.encode(
                    weight, bits: bits, groupSize: size, symmetric: options.symmetric, searches: options.searchesGrid)
            }
            let layout = try GPTQLayout(codes, lessOne: options.symmetric)
            return [
                plan("qweight", layout.words), plan("qzeros", layout.zeros), plan("scales", layout.scales),
                plan("g_idx", layout.indices),
            ]
        case .awq:
            let codes = try RoundToNearest.encode(
                weight, bits: bits, groupSize: size, symmetric: false, searches: false)
            let layout = try AWQLayout(codes)
            return [plan("qweight", layout.words), plan("qzeros", layout.zeros), plan("scales", layout.scales)]
        case .nf4, .fp4:
            let name = options.method.rawValue, levels = name == "nf4" ? NormalFloat.levels : NormalFloat.floatLevels
            let found = try NormalFloat.encode(weight, levels: levels)
            let state = NormalFloat.state(name, shape: tensor.shape, offset: found.offset)
            return [
                plan("weight", try Tensor(found.codes, shape: [found.codes.count, 1])),
                plan("weight.absmax", try Tensor(found.absmax, shape: [found.absmax.count])),
                plan("weight.quant_map", try Tensor(levels, shape: [16])),
                plan("weight.nested_absmax", try Tensor(found.nestedAbsmax, shape: [found.nestedAbsmax.count])),
                plan("weight.nested_quant_map", try Tensor(found.nestedMap, shape: [256])),
                plan("weight.quant_state.bitsandbytes__\(name)", try Tensor(state, shape: [state.count])),
            ]
        case .int8:
            let (codes, scales) = try LLMInt8.encode(weight)
            return [
                plan("weight", try Tensor(codes, shape: tensor.shape)),
                plan("SCB", try Tensor(scales, shape: [scales.count])),
                plan("weight_format", try Tensor([UInt8(0)], shape: [])),
            ]
        case .smoothquant:
            let (codes, scales) = try LLMInt8.encode(weight)
            return [
                plan("weight", try Tensor(codes, shape: tensor.shape)),
                plan("weight_scale", try Tensor(scales.map { $0 / 127 }, shape: [scales.count, 1])),
            ]
        case .fp8, .fp8e5m2:
            let format: Float8Matrix.Format = options.method == .fp8 ? .e4m3 : .e5m2
            let (codes, scales) = try Float8Codes.encode(weight, format)
            return [
                plan("weight", try Tensor(codes, shape: tensor.shape), typeName: format.rawValue),
                plan("weight_scale", try Tensor(scales, shape: [scales.count, 1])),
            ]
        case .mlx:
            let found = try MLXAffine.encode(weight, bits: bits, groupSize: size)
            let rows = tensor.shape[0], groups: Shape = [rows, tensor.shape[1] / size]
            return [
                plan("weight", try Tensor(found.words, shape: [rows, tensor.shape[1] * bits / 32]), typeName: "U32"),
                plan("scales", try Tensor(found.scales, shape: groups).to(.float16)),
                plan("biases", try Tensor(found.biases, shape: groups).to(.float16)),
            ]
        }
    }
}

/// Codes in the words of GPTQ's layout. Version 1 stores zeros less one, which cannot say a zero of nothing: symmetric grids
/// are written in it, others in version 2.
struct GPTQLayout {
    let words, zeros, scales, indices: Tensor

    init(_ codes: AffineCodes, lessOne: Bool) throws {
        let outputs = codes.outputs, inputs = codes.inputs, groups = codes.groups, bits = codes.bits
        var words = [Int32](repeating: 0, count: inputs * bits / 32 * outputs)
        for input in 0..<inputs {
            let word = input * bits / 32, shift = UInt32(input * bits % 32)
            for output in 0..<outputs {
                words[word * outputs + output] |= Int32(
                    bitPattern: UInt32(codes.codes[output * inputs + input]) << shift)
            }
        }
        let width = outputs * bits / 32
        var zeros = [Int32](repeating: 0, count: groups * width),
            scales = [Float](repeating: 0, count: groups * outputs)
        for group in 0..<groups {
            for output in 0..<outputs {
                let stored = UInt32(codes.zeros[output * groups + group]) - (lessOne ? 1 : 0)
                zeros[group * width + output * bits / 32] |= Int32(bitPattern: stored << UInt32(output * bits % 32))
                scales[group * outputs + output] = codes.scales[output * groups + group]
            }
        }
        self.words = try Tensor(words, shape: [inputs * bits / 32, outputs])
        self.zeros = try Tensor(zeros, shape: [groups, width])
        self.scales = try Tensor(scales, shape: [groups, outputs]).to(.float16)
        indices = try Tensor(
            codes.groupOfInput ?? (0..<inputs).map { Int32($0 / codes.groupSize) }, shape: [inputs])
    }
}

/// Codes of four bits in the words of AutoAWQ's "gemm" layout: eight outputs a word, interleaved.
struct AWQLayout {
    let words, zeros, scales: Tensor
    /// Output i of eight lies at this place of its word.
    private static let order: [UInt32] = [0, 4, 1, 5, 2, 6, 3, 7]

    init(_ codes: AffineCodes) throws {
        let outputs = codes.outputs, inputs = codes.inputs, groups = codes.groups, width = outputs / 8
        var words = [Int32](repeating: 0, count: inputs * width), zeros = [Int32](repeating: 0, count: groups * width)
        var scales = [Float](repeating: 0, count: groups * outputs)
        for output in 0..<outputs {
            let shift = 4 * Self.order[output % 8]
            for input in 0..<inputs {
                words[input * width + output / 8] |= Int32(
                    bitPattern: UInt32(codes.codes[output * inputs + input]) << shift)
            }
            for group in 0..<groups {
                zeros[group * width + output / 8] |= Int32(
                    bitPattern: UInt32(codes.zeros[output * groups + group]) << shift)
                scales[group * outputs + output] = codes.scales[output * groups + group]
            }
        }
        self.words = try Tensor(words, shape: [inputs, width])
        self.zeros = try Tensor(zeros, shape: [groups, width])
        self.scales = try Tensor(scales, shape: [groups, outputs]).to(.float16)
    }
}
