import MartletFormats
import MartletJSON

extension GGUFFile {
    /// The configuration of a BERT.
    func encoderConfiguration(_ keys: inout GGUFKeys) throws -> JSONObject {
        var config: JSONObject = ["martlet_gguf": true, "model_type": "bert"]
        for (key, target) in [
            ("block_count", "num_hidden_layers"), ("context_length", "max_position_embeddings"),
            ("embedding_length", "hidden_size"), ("feed_forward_length", "intermediate_size"),
            ("attention.head_count", "num_attention_heads"), ("attention.layer_norm_epsilon", "layer_norm_eps"),
            ("pooling_type", "martlet_pooling"),
        ] {
            if let value = try keys.value(key) { config[target] = value }
        }
        if try keys.value("attention.causal")?.bool ?? false {
            throw ModelError.wrongValue(
                file: path, key: "bert.attention.causal", found: "true",
                expected: "false: an encoder sees all of a text")
        }
        guard let embedding = entry("token_embd.weight"), embedding.shape.count == 2 else {
            throw ModelError.missingTensors(file: path, names: ["token_embd.weight"])
        }
        config["vocab_size"] = .integer(Int64(embedding.shape[0]))
        if let types = entry("token_types.weight"), types.shape.count == 2 {
            config["type_vocab_size"] = .integer(Int64(types.shape[0]))
        }
        try keys.refuseOthers()
        return config
    }
}

extension Naming {
    /// The names that GGUF files give a BERT's parameters.
    static func ggufEncoder(_ name: String) -> [WeightPlace] {
        let start = [
            "embeddings.word_embeddings": "token_embd", "embeddings.position_embeddings": "position_embd",
            "embeddings.token_type_embeddings": "token_types", "embeddings.LayerNorm": "token_embd_norm",
            "pooler.dense": "cls", "classifier": "cls.output",
        ]
        let parts = name.split(separator: ".").map(String.init)
        guard let kind = parts.last else { return [.tensor(name)] }
        let module = parts.dropLast().joined(separator: ".")
        if let stored = start[module] { return [.tensor("\(stored).\(kind)")] }
        let inLayer = [
            "attention.self.query": "attn_q", "attention.self.key": "attn_k", "attention.self.value": "attn_v",
            "attention.output.dense": "attn_output", "attention.output.LayerNorm": "attn_output_norm",
            "intermediate.dense": "ffn_up", "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm",
        ]
        // encoder.layer.N.<module>.<weight|bias>
        guard parts.count > 4, let stored = inLayer[parts[3..<(parts.count - 1)].joined(separator: ".")] else {
            return [.tensor(name)]
        }
        return [.tensor("blk.\(parts[2]).\(stored).\(kind)")]
    }
}
