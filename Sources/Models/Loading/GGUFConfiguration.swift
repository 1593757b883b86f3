import MartletFormats
import MartletJSON

extension GGUFFile {
    /// What the file says of the model.
    struct ModelReading {
        /// Under the keys of `config.json`, so that a family reads both kinds of file alike.
        ///
        /// Keys starting with `martlet_` say what the conversion to GGUF changed: Llama's queries and keys are permuted
        /// for interleaved rotation, and Gemma's norm weights have one added.
        let configuration: ConfigurationReader
        /// Keys of the architecture that nothing reads and that may change what the model computes.
        let unknown: [(key: String, value: String)]
    }

    func modelReading() throws -> ModelReading {
        let architecture = try metadata.string("general.architecture")
        var keys = GGUFKeys(metadata, architecture: architecture, path: path)
        let config: JSONObject
        if architecture == "bert" {
            config = try encoderConfiguration(&keys)
        } else if let family = Family.all.first(where: { $0.ggufArchitecture == architecture }) {
            config = try decoderConfiguration(&keys, family)
        } else {
            throw ModelError.unsupportedArchitecture(
                file: path, name: architecture, supported: Family.all.compactMap(\.ggufArchitecture) + ["bert"])
        }
        return ModelReading(
            configuration: ConfigurationReader(file: path, json: .object(config)), unknown: keys.unknown)
    }

    private func decoderConfiguration(_ keys: inout GGUFKeys, _ family: Family) throws -> JSONObject {
        let architecture = keys.architecture
        var config: JSONObject = ["martlet_gguf": true]
        for (key, target) in [
            ("block_count", "num_hidden_layers"), ("context_length", "max_position_embeddings"),
            ("embedding_length", "hidden_size"), ("feed_forward_length", "intermediate_size"),
            ("attention.head_count", "num_attention_heads"), ("attention.head_count_kv", "num_key_value_heads"),
            ("attention.key_length", "head_dim"), ("attention.layer_norm_rms_epsilon", "rms_norm_eps"),
            ("attention.layer_norm_epsilon", "layer_norm_epsilon"), ("rope.freq_base", "rope_theta"),
            ("expert_count", "num_local_experts"), ("expert_used_count", "num_experts_per_tok"),
            ("attn_logit_softcapping", "attn_logit_softcapping"),
            ("final_logit_softcapping", "final_logit_softcapping"),
        ] {
            if let value = try keys.value(key) { config[target] = value }
        }
        // Zero means none.
        for key in ["num_local_experts", "num_experts_per_tok", "attn_logit_softcapping", "final_logit_softcapping"]
        where config[key]?.double == 0 { config[key] = nil }
        config["model_type"] = .string(family.modelTypes[0])
        try setHeads(&config, &keys)
        try setWindows(&config, &keys)
        if architecture == "llama" {
            config["martlet_rope_layout"] = "interleaved"
            if config["sliding_window"] != nil { config["model_type"] = "mistral" }
            if config["num_local_experts"] != nil { config["model_type"] = "mixtral" }
        }
        if architecture.hasPrefix("gemma") { try setGemma(&config, &keys) }
        if architecture == "gpt2" {
            config["n_embd"] = config["hidden_size"]
            config["n_layer"] = config["num_hidden_layers"]
            config["n_head"] = config["num_attention_heads"]
            config["n_inner"] = config["intermediate_size"]
        } else {
            try setRotation(&config, &keys)
        }
        setBiases(&config, architecture)
        // The text parts of these are models of their own.
        if architecture == "qwen2vl" { config["model_type"] = "qwen2" }
        if architecture == "qwen3vl" { config["model_type"] = "qwen3" }
        guard let embedding = entry("token_embd.weight"), embedding.shape.count == 2 else {
            throw ModelError.missingTensors(file: path, names: ["token_embd.weight"])
        }
        config["vocab_size"] = .integer(Int64(embedding.shape[0]))
        config["tie_word_embeddings"] = .bool(entry("output.weight") == nil)
        config["martlet_pooling"] = try keys.value("pooling_type")
        try keys.refuseOthers()
        return config
    }

    /// How many heads there are and how wide they are, said in full.
    private func setHeads(_ config: inout JSONObject, _ keys: inout GGUFKeys) throws {
        guard let heads = config["num_attention_heads"]?.integer, heads > 0,
            let hidden = config["hidden_size"]?.integer
        else { return }
        if config["num_key_value_heads"] == nil { config["num_key_value_heads"] = config["num_attention_heads"] }
        if config["head_dim"] == nil { config["head_dim"] = .integer(Int64(hidden / heads)) }
        if let values = try keys.value("attention.value_length"), values.integer != config["head_dim"]?.integer {
            throw ModelError.wrongValue(
                file: path, key: "\(keys.architecture).attention.value_length", found: values.text(),
                expected: "the length of a key, \(config["head_dim"]?.text() ?? "")")
        }
    }

    private func setWindows(_ config: inout JSONObject, _ keys: inout GGUFKeys) throws {
        let context = config["max_position_embeddings"]?.integer ?? 0
        switch keys.architecture {
        case "llama", "phi3", "gemma2", "gemma3":
            if let window = try keys.value("attention.sliding_window"), window.integer != 0 {
                config["sliding_window"] = window
            }
        default:
            // These architectures have no windows in files of this kind; one as long as the context is none.
            if let window = try keys.value("attention.sliding_window")?.integer, window > 0, window < context {
                keys.doubt("attention.sliding_window")
            }
        }
    }

    private func setGemma(_ config: inout JSONObject, _ keys: inout GGUFKeys) throws {
        config["martlet_norm_weight_offset"] = 0
        let isThird = keys.architecture == "gemma3", layers = config["num_hidden_layers"]?.integer ?? 0
        // The files do not say what scores are scaled by: by the head, but in the 27B models by hidden size over heads.
        config["query_pre_attn_scalar"] = config["head_dim"]
        if layers == (isThird ? 62 : 46), let hidden = config["hidden_size"]?.integer,
            let heads = config["num_attention_heads"]?.integer, heads > 0
        {
            config["query_pre_attn_scalar"] = .number(Double(hidden) / Double(heads))
        }
        if let scale = try keys.value("attention.scale")?.double, scale > 0 {
            config["query_pre_attn_scalar"] = .number(1 / (scale * scale))
        }
        if !isThird {
            if config["sliding_window"] == nil { config["sliding_window"] = 4096 }
            if config["attn_logit_softcapping"] == nil { config["attn_logit_softcapping"] = 50.0 }
            if config["final_logit_softcapping"] == nil { config["final_logit_softcapping"] = 30.0 }
        }
        let pattern = "attention.sliding_window_pattern"
        if let list = try keys.list(pattern) {
            guard let layerTypes = list.bools(), layerTypes.count == layers else {
                throw ModelError.wrongValue(
                    file: path, key: "\(keys.architecture).\(pattern)", found: "a list of \(list.count)",
                    expected: "true or false for each of \(layers) layers")
            }
            config["layer_types"] = .array(layerTypes.map { $0 ? "sliding_attention" : "full_attention" })
        } else if let period = try keys.value(pattern) {
            config["sliding_window_pattern"] = period
            if !isThird, period.integer != 2 { keys.doubt(pattern) }
        }
        if let base = try keys.value("rope.freq_base_swa") { config["rope_local_base_freq"] = base }
    }

    /// Biases are there where their tensors are.
    private func setBiases(_ config: inout JSONObject, _ architecture: String) {
        guard ["llama", "qwen3", "gemma2", "gemma3"].contains(architecture) else { return }
        let hasInput = entry("blk.0.attn_q.bias") != nil, hasOutput = entry("blk.0.attn_output.bias") != nil
        config["attention_bias"] = .bool(hasInput)
        if architecture == "llama" {
            if hasInput != hasOutput { config["martlet_attention_output_bias"] = .bool(hasOutput) }
            config["mlp_bias"] = .bool(entry("blk.0.ffn_down.bias") != nil)
        }
    }
}
