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
        let textModels = [
            "qwen2_vl_text": "qwen2", "qwen2_5_vl_text": "qwen2", "qwen2_vl": "qwen2", "qwen2_5_vl": "qwen2",
            "qwen3_vl_text": "qwen3", "qwen3_vl": "qwen3", "gemma3": "gemma3_text",
        ]
        let type = textModels[modelType] ?? modelType
        config["model_type"] = .string(type)
        let architectures = [
            "llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM", "mixtral": "MixtralForCausalLM",
            "ministral": "MinistralForCausalLM", "ministral3": "Ministral3ForCausalLM", "qwen2": "Qwen2ForCausalLM",
            "qwen3": "Qwen3ForCausalLM", "gemma2": "Gemma2ForCausalLM", "gemma3_text": "Gemma3ForCausalLM",
        ]
        if let name = architectures[type] { config["architectures"] = [.string(name)] }
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
        let isInterleaved = stored.attention.rotary.contains { $0.layout == .interleaved }
        interleavedHead = isInterleaved ? stored.attention.headDimension : nil
        addedToNorms = published.norm.weightOffset - stored.norm.weightOffset
    }

    func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor {
        let given = source.parameter(name, shape: shape, role: role)
        guard given.shape == shape else { return given }
        if case .scale = role, addedToNorms != 0 { return changed(given) { $0 - addedToNorms } }
        let isRotated = name.contains("self_attn.q_proj.") || name.contains("self_attn.k_proj.")
        guard let interleavedHead, isRotated, shape[0] % interleavedHead == 0 else { return given }
        return separated(given, head: interleavedHead)
    }

    private func changed(_ tensor: Tensor, _ change: (Float) -> Float) -> Tensor {
        guard let plain = try? tensor.to(.float32).copied() else { return tensor }
        for index in 0..<plain.elementCount { plain.floats[index] = change(plain.floats[index]) }
        return plain
    }

    /// Rows 0, 2, 4, … of a head before rows 1, 3, 5, …
    private func separated(_ tensor: Tensor, head: Int) -> Tensor {
        guard let plain = try? tensor.to(.float32) else { return tensor }
        let result = Tensor(uninitialized: tensor.shape)
        let width = plain.elementCount / plain.shape[0], half = head / 2
        for row in 0..<plain.shape[0] {
            let within = row % head
            let from = row - within + (within < half ? 2 * within : 2 * (within - half) + 1)
            for column in 0..<width { result.floats[row * width + column] = plain.floats[from * width + column] }
        }
        return result
    }
}
