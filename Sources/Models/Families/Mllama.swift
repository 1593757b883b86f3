import MartletJSON
import MartletNN

extension Family {
    /// The text part of Llama 3.2 Vision (Meta 2024): a Llama between whose layers others attend to pictures. Without a
    /// picture those do nothing, and are left out. The table has eight rows more than there are tokens to write.
    static let mllama = Family(
        "mllama_text_model", published: Published(modelType: "mllama_text_model", architecture: "MllamaForCausalLM"),
        wrappers: ["mllama": "mllama_text_model"], naming: mllamaNaming,
        defaults: [
            "vocab_size": 128_256, "hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 40,
            "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 131_072,
            "rms_norm_eps": 1e-5, "rope_theta": 500_000.0,
            "cross_attention_layers": [3, 8, 13, 18, 23, 28, 33, 38],
        ]
    ) { (spec, config) throws(ModelError) in
        let count = config.json["cross_attention_layers"]?.array?.count ?? 0
        let crossing = count == 0 ? [] : try config.numbers("cross_attention_layers", count: count)
        let kept = spec.layers.indices.filter { !crossing.contains(Double($0)) }
        guard !kept.isEmpty, crossing.allSatisfy({ Int(exactly: $0).map(spec.layers.indices.contains) ?? false }) else {
            throw .wrongValue(
                file: config.file, key: "cross_attention_layers", found: "\(count) numbers",
                expected: "numbers of some of the \(spec.layerCount) layers")
        }
        spec.layers = kept.map { spec.layers[$0] }
        spec.storedLayers = kept
    }

    private static let mllamaNaming = Naming { name, configuration in
        if name == "model.embed_tokens.weight" {
            return [.rows(name, sizes: [configuration.vocabularySize, 8], part: 0)]
        }
        var parts = name.split(separator: ".").map(String.init)
        if parts.count > 3, parts[1] == "layers", let layer = Int(parts[2]), let stored = configuration.storedLayers,
            stored.indices.contains(layer)
        {
            parts[2] = "\(stored[layer])"
        }
        return [.tensor(parts.joined(separator: "."))]
    }
}
