import MartletFormats
import MartletJSON
import MartletNN
import MartletTensor

extension Checkpoint {
    /// The language model's tensors as a folder of it has them, in the stored type. What a conversion to GGUF changed is
    /// changed back: pairs of rows of queries and keys, and what was added to norms.
    ///
    /// ```swift
    /// for tensor in try checkpoint.folderTensors() { print(tensor.name, tensor.shape) }
    /// ```
    /// - Throws: `ModelError.unsupported` for a text encoder, and what opening the model would throw.
    public func folderTensors() throws -> [WrittenTensor] {
        let reading = try decoderReading()
        let published = ConfigurationReader(file: path, json: try publishedConfiguration())
        var spec = try Family.configuration(published).1
        spec.hasHead = reading.configuration.hasHead
        guard let family = Family.named(spec.family), case .decoder(let form) = family.body else {
            throw ModelError.unsupported(file: path, reason: "a \(modelType) is no language model")
        }
        let stored = reading.configuration, target = spec
        let interleaved =
            gguf != nil && stored.attention.rotary?.layout == .interleaved ? stored.attention.headDimension : nil
        let offset = gguf == nil ? 0 : target.norm.weightOffset - stored.norm.weightOffset
        return try written(
            reading, places: { form.naming.places($0.name, target).first },
            rearranged: { parameter, tensor in
                if case .scale = parameter.role, offset != 0 { return try tensor.to(.float32) - offset }
                guard let interleaved, parameter.isRotated, tensor.shape[0] % interleaved == 0 else { return tensor }
                return tensor.reordered(HeadRows.separated(tensor.shape[0], head: interleaved))
            })
    }
}

extension AskedParameter {
    /// Whether its rows are turned by positions.
    var isRotated: Bool { name.contains("self_attn.q_proj.") || name.contains("self_attn.k_proj.") }
}
