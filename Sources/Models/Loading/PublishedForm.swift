import MartletFormats
import MartletJSON
import MartletNN
import MartletTensor

extension Checkpoint {
    /// The `config.json` of the language model alone, as in a published folder: for a GGUF file with the keys of such a
    /// folder, for the text part of a multimodal model with its default values written out.
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

/// The parameters of a GGUF file as a folder of the same model has them: in float32, with the changes of the conversion
/// undone. In GGUF, Llama's queries and keys are permuted for interleaved rotation, and Gemma's norm weights have one
/// added.
final class PublishedParameters: ParameterSource {
    let source: CheckpointParameters
    /// The head dimension if rows are interleaved; nil if they are not.
    let interleavedHead: Int?
    /// The number added to the norm weights.
    let addedToNorms: Float

    init(_ source: CheckpointParameters, stored: DecoderConfiguration, published: DecoderConfiguration) {
        self.source = source
        let isInterleaved =
            stored.attention.rotary?.layout == .interleaved && published.attention.rotary?.layout != .interleaved
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
