import MartletFormats
import MartletJSON
import MartletNN
import MartletTensor

extension Checkpoint {
    /// `config.json` of the language model by itself, as a folder of it is published: for a GGUF file under the keys of
    /// such a folder, for the text part of a larger model with what that leaves to defaults said.
    package func publishedConfiguration() throws -> JSON {
        guard var config = configuration.json.object else { return configuration.json }
        guard gguf != nil || wrapper != nil else {
            if config["tie_word_embeddings"]?.bool == true, try !decoderReading().configuration.tiedEmbeddings {
                config["tie_word_embeddings"] = false
            }
            return .object(config)
        }
        for key in config.map(\.key) where key.hasPrefix("martlet_") || key.hasPrefix("vision_") { config[key] = nil }
        if !hasEncoder {
            let reading = try decoderReading()
            for (key, value) in gguf == nil ? reading.family.defaults : [:] where config[key] == nil {
                config[key] = value
            }
            config["tie_word_embeddings"] = .bool(reading.configuration.tiedEmbeddings)
        }
        if let published = Family.named(modelType)?.published {
            config["model_type"] = .string(published.modelType)
            config["architectures"] = [.string(published.architecture)]
        }
        config["torch_dtype"] = "float32"
        return .object(config)
    }
}

/// Parameters of a GGUF file as a folder of the same model has them: in float32, with what the conversion changed
/// changed back. Llama's queries and keys lie there as interleaved rotation wants them, Gemma's norms have one added.
final class PublishedParameters: ParameterSource {
    let source: CheckpointParameters
    /// Numbers of a head whose rows are interleaved; nil where they are not.
    let interleavedHead: Int?
    /// What was added to the factors of norms.
    let addedToNorms: Float

    init(_ source: CheckpointParameters, stored: DecoderConfiguration, published: DecoderConfiguration) {
        self.source = source
        let isInterleaved = stored.attention.rotary?.layout == .interleaved
        interleavedHead = isInterleaved ? stored.attention.headDimension : nil
        addedToNorms = published.norm.weightOffset - stored.norm.weightOffset
    }

    func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor {
        let given = source.parameter(name, shape: shape, role: role)
        guard given.shape == shape else { return given }
        if case .scale = role, addedToNorms != 0 { return (try? given.to(.float32) - addedToNorms) ?? given }
        let isRotated = name.contains("self_attn.q_proj.") || name.contains("self_attn.k_proj.")
        guard let interleavedHead, isRotated, shape[0] % interleavedHead == 0 else { return given }
        return (try? separated(given, head: interleavedHead)) ?? given
    }

    /// Rows 0, 2, 4, … of a head before rows 1, 3, 5, …
    private func separated(_ tensor: Tensor, head: Int) throws -> Tensor {
        let rows = (0..<tensor.shape[0]).map { row in
            let within = row % head, half = head / 2
            return Int64(row - within + (within < half ? 2 * within : 2 * (within - half) + 1))
        }
        return try tensor.to(.float32).indexSelect(0, Tensor(rows))
    }
}
