import MartletFormats
import MartletJSON

extension GGUFFile {
    /// The model's hyper-parameters under the keys of `config.json`, so that a family reads both kinds of file alike.
    ///
    /// Keys starting with `martlet_` say what the conversion to GGUF changed: Llama's queries and keys are permuted for
    /// interleaved rotation, and Gemma's norm weights have one added.
    func configuration() throws -> ConfigurationReader {
        let architecture = try metadata.string("general.architecture")
        let supported = Family.all.compactMap(\.ggufArchitecture)
        guard let family = Family.all.first(where: { $0.ggufArchitecture == architecture }) else {
            throw ModelError.unsupportedArchitecture(file: path, name: architecture, supported: supported + ["bert"])
        }
        var config = JSONObject()
        func copy(_ key: String, _ target: String) {
            if let value = metadata.json("\(architecture).\(key)") { config[target] = value }
        }
        copy("block_count", "num_hidden_layers")
        copy("context_length", "max_position_embeddings")
        copy("embedding_length", "hidden_size")
        copy("feed_forward_length", "intermediate_size")
        copy("attention.head_count", "num_attention_heads")
        copy("attention.head_count_kv", "num_key_value_heads")
        copy("attention.key_length", "head_dim")
        copy("attention.layer_norm_rms_epsilon", "rms_norm_eps")
        copy("attention.layer_norm_epsilon", "layer_norm_epsilon")
        copy("attention.sliding_window", "sliding_window")
        copy("rope.freq_base", "rope_theta")
        copy("expert_count", "num_local_experts")
        copy("expert_used_count", "num_experts_per_tok")
        copy("attn_logit_softcapping", "attn_logit_softcapping")
        copy("final_logit_softcapping", "final_logit_softcapping")
        let isMixture = (config["num_local_experts"]?.integer ?? 0) > 0
        config["model_type"] = .string(isMixture && architecture == "llama" ? "mixtral" : family.modelTypes[0])
        if architecture == "llama" { config["martlet_rope_layout"] = "interleaved" }
        if architecture.hasPrefix("gemma") { config["martlet_norm_weight_offset"] = 0 }
        if architecture == "gpt2" {
            config["n_embd"] = config["hidden_size"]
            config["n_layer"] = config["num_hidden_layers"]
            config["n_head"] = config["num_attention_heads"]
            config["n_inner"] = config["intermediate_size"]
        }
        if let scaling = try ropeScaling(architecture) { config["rope_scaling"] = scaling }
        guard let embedding = entry("token_embd.weight"), embedding.shape.count == 2 else {
            throw ModelError.missingTensors(file: path, names: ["token_embd.weight"])
        }
        config["vocab_size"] = .integer(Int64(embedding.shape[0]))
        config["tie_word_embeddings"] = .bool(entry("output.weight") == nil)
        return ConfigurationReader(file: path, json: .object(config))
    }

    private func ropeScaling(_ architecture: String) throws -> JSON? {
        let prefix = "\(architecture).rope.scaling."
        guard case .string(let type)? = metadata.json(prefix + "type"), type != "none" else { return nil }
        var scaling = JSONObject()
        scaling["rope_type"] = .string(type)
        scaling["factor"] = metadata.json(prefix + "factor")
        scaling["original_max_position_embeddings"] = metadata.json(prefix + "original_context_length")
        scaling["attention_factor"] = metadata.json(prefix + "attn_factor")
        scaling["beta_fast"] = metadata.json(prefix + "yarn_beta_fast")
        scaling["beta_slow"] = metadata.json(prefix + "yarn_beta_slow")
        return .object(scaling)
    }
}
