import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor

/// Writes a model as a folder whose matrices a method has quantised, with `quantization_config`.
///
/// Matrices of the layers are quantised; embeddings, the output projection, norms and biases stay, in bfloat16 (mlx packs
/// embeddings and the output projection too). What a method needs to know of the calibration's inputs is gathered in
/// passes over the text (`CalibrationStatistics`).
public struct PackedExport {
    let files: ModelFiles
    let options: QuantizationMethodOptions
    let tensors: [WrittenTensor]
    let packed: Set<String>
    /// What the Hessians of one pass over a calibration text may take where nothing else is said: 2 GB.
    public static let hessianBytes = 2 << 30

    /// - Throws: `QuantizationError.wrongGroup` for a matrix whose inputs are no whole number of groups, `wrongWords`
    ///   where codes fill no whole number of words, `notSeparate` for families that store several matrices as one.
    public init(_ files: ModelFiles, _ options: QuantizationMethodOptions) throws {
        self.files = files
        self.options = options
        tensors = try files.checkpoint.folderTensors()
        var packed: Set<String> = []
        for tensor in tensors where tensor.shape.rank >= 2 && Self.isQuantized(tensor, options.method) {
            guard tensor.modules.count == 1, tensor.shape.rank == 2, tensor.name.hasSuffix(".weight") else {
                throw QuantizationError.notSeparate(tensor: tensor.name)
            }
            let inputs = tensor.shape[1], outputs = tensor.shape[0]
            if options.method.hasGroups {
                // Words of GPTQ and AWQ run along the outputs too; mlx's only along the inputs.
                let words = options.method == .mlx ? 1 : 32 / options.bits
                guard inputs % options.groupSize == 0 else {
                    throw QuantizationError.wrongGroup(
                        tensor: tensor.name, inputs: inputs, group: options.groupSize,
                        fitting: Self.fittingGroup(tensors, options))
                }
                guard inputs * options.bits % 32 == 0, outputs % words == 0 else {
                    throw QuantizationError.wrongWords(
                        tensor: tensor.name, outputs: outputs, inputs: inputs, bits: options.bits)
                }
            }
            packed.insert(tensor.name)
        }
        self.packed = packed
    }

    /// The largest group of whole eights, up to the one that was asked for, that divides the inputs of every matrix.
    private static func fittingGroup(_ tensors: [WrittenTensor], _ options: QuantizationMethodOptions) -> Int? {
        let widths = tensors.filter { $0.shape.rank == 2 && isQuantized($0, options.method) }.map { $0.shape[1] }
        return stride(from: options.groupSize / 8 * 8, to: 0, by: -8).first { group in
            widths.allSatisfy { $0 % group == 0 }
        }
    }

    private static func isQuantized(_ tensor: WrittenTensor, _ method: QuantizationMethod) -> Bool {
        // What no module has: keys of layers that take those of others.
        guard !tensor.modules.isEmpty else { return false }
        if method == .mlx, tensor.modules.allSatisfy({ $0 == "model.embed_tokens" || $0 == "lm_head" }) { return true }
        return tensor.modules.allSatisfy { $0.contains(".layers.") }
            && !tensor.modules.contains { $0.hasSuffix(".gate") }
    }

    /// - Parameters:
    ///   - windows: the calibration text, for methods that need one.
    ///   - memory: bytes that the Hessians of one pass may take.
    ///   - progress: what is done, and how far.
    /// - Returns: what is not as it was asked for, one line each.
    @discardableResult
    public func write(
        toFolder folder: String, windows: TextWindows?, memory: Int = PackedExport.hessianBytes,
        progress: (String, Int, Int) throws -> Void = { _, _, _ in }
    ) throws -> [String] {
        guard !Folder.exists(folder + "/config.json") else { throw QuantizationError.folderInUse(folder) }
        var made: [String: [SafetensorsWriter.Planned]] = [:], folded = FoldedScales(), notes: [String] = []
        if options.method.needsCalibration {
            guard let windows else {
                throw QuantizationError.shortText(name: "no calibration text", tokens: 0, needed: 512)
            }
            switch options.method {
            case .gptq: made = try compensated(windows, memory, progress)
            case .awq: (made, folded, notes) = try activationAware(windows, memory, progress)
            default: (folded, notes) = try smoothed(windows, progress)
            }
        }
        var planned: [SafetensorsWriter.Planned] = []
        for (number, tensor) in tensors.enumerated() {
            if let parts = made[tensor.name] {
                planned += parts
            } else if packed.contains(tensor.name) {
                planned += try encoded(tensor, weight(of: tensor, folded))
                try progress("matrix", number, tensors.count)
            } else {
                let scales = folded, file = files.path
                planned.append(
                    .init(name: tensor.name, shape: tensor.shape, dtype: .bfloat16) {
                        let made = try tensor.make()
                        return try QuantizationError.naming(tensor.name, in: file) {
                            try made.checkFinite()
                            return try scales.applied(to: made, parameter: tensor.parameterName).quantized(
                                to: .bfloat16)
                        }
                    })
            }
        }
        try Folder.fill(folder) {
            try SafetensorsWriter.write(planned, toFolder: folder)
            try writeSmallFiles(folder)
        }
        return notes
    }

    private func writeSmallFiles(_ folder: String) throws {
        var configuration = try files.checkpoint.publishedConfiguration().object ?? JSONObject()
        let kept = tensors.filter { $0.shape.rank == 2 && !packed.contains($0.name) }.map { tensor in
            String(tensor.name.dropLast(tensor.name.hasSuffix(".weight") ? ".weight".count : 0))
        }
        let (key, value) = options.configuration(kept: kept)
        configuration[key] = value
        configuration["torch_dtype"] = "bfloat16"
        configuration["dtype"] = nil
        for file in try FolderExport(files).tokenizerFiles {
            do { try AtomicFile.write("\(folder)/\(file.name)", bytes: file.bytes) } catch { throw FormatError(error) }
        }
        do {
            try AtomicFile.write("\(folder)/config.json", bytes: JSON.object(configuration).bytes(indent: 2) + [0x0A])
        } catch { throw FormatError(error) }
    }

    /// A matrix in float32, with the factors that were found for it.
    func weight(of tensor: WrittenTensor, _ folded: FoldedScales = FoldedScales()) throws -> Tensor {
        let made = try tensor.make(), weight = try made.float32Rows(0..<tensor.shape[0])
        try QuantizationError.naming(tensor.name, in: files.path) { try weight.checkFinite() }
        return try folded.applied(to: weight, parameter: tensor.parameterName)
    }
}

extension WrittenTensor {
    /// The model's name for a tensor that is one parameter: "model.layers.0.input_layernorm.weight".
    var parameterName: String { (modules.first ?? "") + (name.hasSuffix(".bias") ? ".bias" : ".weight") }
}
