import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor

/// Writes a model as a folder whose matrices a method has quantised, with `quantization_config`.
///
/// Matrices of the layers are quantised; embeddings, the output projection, norms and biases stay, in bfloat16. What GPTQ
/// needs of the calibration's inputs is one matrix `[in, in]` for each different input; as many as `memory` has room for
/// are gathered in one pass over the text.
public struct PackedExport {
    let files: ModelFiles
    let options: QuantizationMethodOptions
    private let tensors: [WrittenTensor]
    private let packed: Set<String>

    /// - Throws: `QuantizationError.wrongGroup` for a matrix whose inputs are no whole number of groups, `notSeparate` for
    ///   families that store several matrices as one.
    public init(_ files: ModelFiles, _ options: QuantizationMethodOptions) throws {
        self.files = files
        self.options = options
        tensors = try files.checkpoint.folderTensors()
        var packed: Set<String> = []
        for tensor in tensors where tensor.shape.rank >= 2 && Self.isLayer(tensor) {
            guard tensor.modules.count == 1, tensor.shape.rank == 2, tensor.name.hasSuffix(".weight") else {
                throw QuantizationError.notSeparate(tensor: tensor.name)
            }
            let inputs = tensor.shape[1], outputs = tensor.shape[0]
            if options.method.hasGroups {
                let words = 32 / options.bits
                guard inputs % options.groupSize == 0, inputs * options.bits % 32 == 0, outputs % words == 0 else {
                    throw QuantizationError.wrongGroup(tensor: tensor.name, inputs: inputs, group: options.groupSize)
                }
            }
            packed.insert(tensor.name)
        }
        self.packed = packed
    }

    private static func isLayer(_ tensor: WrittenTensor) -> Bool {
        tensor.modules.allSatisfy { $0.contains(".layers.") } && !tensor.modules.contains { $0.hasSuffix(".gate") }
    }

    /// - Parameters:
    ///   - windows: the calibration text, for methods that need one.
    ///   - memory: bytes that the Hessians of one pass may take.
    ///   - progress: what is done, and how far.
    public func write(
        toFolder folder: String, windows: TextWindows?, memory: Int = 2 << 30,
        progress: (String, Int, Int) throws -> Void = { _, _, _ in }
    ) throws {
        guard !Folder.exists(folder + "/config.json") else { throw QuantizationError.folderInUse(folder) }
        var made: [String: [SafetensorsWriter.Planned]] = [:]
        if options.method == .gptq {
            guard let windows else {
                throw QuantizationError.shortText(name: "no calibration text", tokens: 0, needed: 512)
            }
            made = try calibrated(windows, memory, progress)
        }
        var planned: [SafetensorsWriter.Planned] = []
        for (number, tensor) in tensors.enumerated() {
            if let parts = made[tensor.name] {
                planned += parts
            } else if packed.contains(tensor.name) {
                planned += try encoded(tensor, hessian: nil)
                try progress("matrix", number, tensors.count)
            } else {
                planned.append(
                    .init(name: tensor.name, shape: tensor.shape, dtype: .bfloat16) {
                        try tensor.make().quantized(to: .bfloat16)
                    })
            }
        }
        try Folder.make(folder)
        try SafetensorsWriter.write(planned, toFolder: folder)
        try writeSmallFiles(folder)
    }

    private func writeSmallFiles(_ folder: String) throws {
        var configuration = try files.checkpoint.publishedConfiguration().object ?? JSONObject()
        let kept = tensors.filter { $0.shape.rank == 2 && !packed.contains($0.name) }.map { tensor in
            String(tensor.name.dropLast(tensor.name.hasSuffix(".weight") ? ".weight".count : 0))
        }
        configuration["quantization_config"] = options.configuration(kept: kept)
        configuration["torch_dtype"] = "bfloat16"
        configuration["dtype"] = nil
        for file in try FolderExport(files).tokenizerFiles {
            do { try AtomicFile.write("\(folder)/\(file.name)", bytes: file.bytes) } catch { throw FormatError(error) }
        }
        do {
            try AtomicFile.write("\(folder)/config.json", bytes: JSON.object(configuration).bytes(indent: 2) + [0x0A])
        } catch { throw FormatError(error) }
    }

    /// The matrices by passes over the text, as many Hessians at a time as there is memory for. Every layer sees what the
    /// original weights before it give, not the quantised ones.
    private func calibrated(
        _ windows: TextWindows, _ memory: Int, _ progress: (String, Int, Int) throws -> Void
    ) throws -> [String: [SafetensorsWriter.Planned]] {
        let decoder = try files.decoder()
        let byModule = Dictionary(
            uniqueKeysWithValues: tensors.filter { packed.contains($0.name) }.map { ($0.modules[0], $0) })
        var rest = decoder.tree.linears.filter { byModule[$0.path] != nil }, done = 0
        let all = rest.count
        var result: [String: [SafetensorsWriter.Planned]] = [:]
        while !rest.isEmpty {
            var batch: [Linear] = [], bytes = 0
            while let next = rest.first, batch.isEmpty || bytes + next.inputSize * next.inputSize * 4 <= memory {
                bytes += next.inputSize * next.inputSize * 4
                batch.append(rest.removeFirst())
            }
            var hessians: [String: Tensor] = [:]
            try InputCapture.during(batch) { layer, x in
                let product = try noGrad { try x.transposed().contiguous().matmul(x) }  // [in, in]
                hessians[layer.path] =
                    try hessians[layer.path].map { old in try noGrad { try old + product } } ?? product
            } _: {
                for (number, window) in windows.windows.enumerated() {
                    _ = try WindowPass.hidden(window, decoder, .exact)
                    try progress("calibration", number + 1, windows.windows.count)
                }
            }
            for layer in batch {
                guard let tensor = byModule[layer.path], let hessian = hessians.removeValue(forKey: layer.path) else {
                    throw QuantizationError.singularHessian(layer.path)
                }
                result[tensor.name] = try encoded(tensor, hessian: hessian.toArray(as: Float.self))
                done += 1
                try progress("matrix", done, all)
            }
        }
        return result
    }

    private func encoded(_ tensor: WrittenTensor, hessian: [Float]?) throws -> [SafetensorsWriter.Planned] {
        let made = try tensor.make(), weight = try made.float32Rows(0..<tensor.shape[0])
        let finite = try weight.withHostValues { values in values.firstIndex { !$0.isFinite } }
        if let finite {
            let inputs = tensor.shape[1]
            throw QuantizationError.inTensor(
                tensor.name, file: files.path,
                reason: QuantizationError.notFinite(row: finite / inputs, column: finite % inputs).description)
        }
        let module = String(tensor.name.dropLast(".weight".count))
        func plan(_ suffix: String, _ value: Tensor, typeName: String? = nil) -> SafetensorsWriter.Planned {
            .init(name: "\(module).\(suffix)", shape: value.shape, dtype: value.dtype, typeName: typeName) { value }
        }
        switch options.method {
        case .rtn, .gptq:
            let codes: AffineCodes
            if let hessian {
                codes = try GPTQ.encode(
                    weight, hessian: hessian, name: tensor.name, bits: options.bits, groupSize: options.groupSize,
                    symmetric: options.symmetric, damping: options.damping)
            } else {
                codes = try RoundToNearest.encode(
                    weight, bits: options.bits, groupSize: options.groupSize, symmetric: options.symmetric,
                    searches: true)
            }
            let layout = try GPTQLayout(codes, lessOne: options.symmetric)
            return [
                plan("qweight", layout.words), plan("qzeros", layout.zeros), plan("scales", layout.scales),
                plan("g_idx", layout.indices),
            ]
        case .nf4:
            let found = try NormalFloat.encode(weight)
            let state = NormalFloat.state(shape: tensor.shape, offset: found.offset)
            return [
                plan("weight", try Tensor(found.codes, shape: [found.codes.count, 1])),
                plan("weight.absmax", try Tensor(found.absmax, shape: [found.absmax.count])),
                plan("weight.quant_map", try Tensor(NormalFloat.levels, shape: [16])),
                plan("weight.nested_absmax", try Tensor(found.nestedAbsmax, shape: [found.nestedAbsmax.count])),
                plan("weight.nested_quant_map", try Tensor(found.nestedMap, shape: [256])),
                plan("weight.quant_state.bitsandbytes__nf4", try Tensor(state, shape: [state.count])),
            ]
        case .int8:
            let top = try weight.abs().max(axes: [1]), rows = try top.toArray(as: Float.self)
            let codes = try scaled(weight, rows.map { $0 > 0 ? 127 / $0 : 0 }) {
                Int8(min(max($0.rounded(), -127), 127))
            }
            // A row of zeros has a scale all the same.
            let scales = rows.map { $0 > 0 ? $0 : 1 }
            return [
                plan("weight", try Tensor(codes, shape: tensor.shape)),
                plan("SCB", try Tensor(scales, shape: [scales.count])),
                plan("weight_format", try Tensor([UInt8(0)], shape: [])),
            ]
        case .fp8:
            let values = Float8Matrix.Format.e4m3.values, positive = Array(values[0..<127])
            let rows = try weight.abs().max(axes: [1]).toArray(as: Float.self)
            let codes = try scaled(weight, rows.map { $0 > 0 ? 448 / $0 : 0 }) { value -> UInt8 in
                let code = NormalFloat.nearest(abs(value), positive)
                return value < 0 && code > 0 ? code | 128 : code
            }
            return [
                plan("weight", try Tensor(codes, shape: tensor.shape), typeName: "F8_E4M3"),
                plan("weight_scale", try Tensor(rows.map { $0 > 0 ? $0 / 448 : 1 }, shape: [rows.count, 1])),
            ]
        }
    }

    private func scaled<Code>(_ weight: Tensor, _ factors: [Float], _ code: (Float) -> Code) throws -> [Code] {
        let inputs = weight.shape[1]
        return try weight.withHostValues { values in
            values.enumerated().map { code($0.element * factors[$0.offset / inputs]) }
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
        indices = try Tensor((0..<inputs).map { Int32($0 / codes.groupSize) }, shape: [inputs])
    }
}
