import MartletJSON
import MartletNN

extension Family {
    /// Bamba: Mamba 2's state spaces, and attention with half of each head rotated in the layers that are named (IBM 2024).
    /// llama.cpp reads it as Granite's hybrid, whose permuted queries and keys rotate whole: there is no GGUF form of its own.
    static let bamba = Family(
        "bamba", published: Published(modelType: "bamba", architecture: "BambaForCausalLM"), naming: hybridNaming,
        defaults: [
            "vocab_size": 128_000, "hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32,
            "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 262_144,
            "rms_norm_eps": 1e-5, "tie_word_embeddings": false, "mamba_n_heads": 128, "mamba_n_groups": 1,
            "mamba_d_state": 256, "mamba_d_head": "auto", "mamba_d_conv": 4, "mamba_expand": 2,
            "partial_rotary_factor": 0.5,
        ], neutral: ["mamba_chunk_size", "num_logits_to_keep"], rotatesPart: true
    ) { (spec, config) throws(ModelError) in
        let bias = try config.flag("attention_bias", default: false)
        try spec.setBiases(input: bias, output: bias, feedForward: config.flag("mlp_bias", default: false))
        let half = spec.attention.headDimension / 2
        guard try config.integer("attn_rotary_emb", default: half) == half else {
            throw .wrongValue(
                file: config.file, key: "attn_rotary_emb", found: config.json["attn_rotary_emb"]?.text() ?? "",
                expected: "\(half): half of a head is rotated")
        }
        let space = try RecurrentSpec.stateSpace(StateSpaceSpec(hybrid: spec, config))
        let attending = try config.layerNumbers("attn_layer_indices", below: spec.layerCount)
        for layer in spec.layers.indices where !attending.contains(layer) { spec.layers[layer].recurrent = space }
    }

    /// Mixers of state spaces are called mamba, beside attention or in its place.
    static let hybridNaming = Naming { name, configuration in
        guard let (layer, part) = RecurrentPlaces.part(name) else { return [.tensor(RecurrentPlaces.beside(name))] }
        return [RecurrentPlaces.stateSpace(part, "model.layers.\(layer).mamba.", configuration.layers[layer])]
    }
}

extension ConfigurationReader {
    /// The numbers of some layers; none where the key is left out.
    func layerNumbers(_ key: String, below count: Int) throws(ModelError) -> Set<Int> {
        let given = try list(key) ?? []
        let numbers = given.compactMap(\.integer)
        guard numbers.count == given.count, numbers.allSatisfy({ (0..<count).contains($0) }) else {
            throw .wrongValue(
                file: file, key: key, found: String(JSON.array(given).text().prefix(60)),
                expected: "numbers of layers below \(count)")
        }
        return Set(numbers)
    }
}
