import MartletJSON
import MartletNN

extension Family {
    private static let graniteMoEDefaults: JSONObject = [
        "vocab_size": 32_000, "hidden_size": 4096, "intermediate_size": 11_008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "max_position_embeddings": 2048, "num_local_experts": 8, "num_experts_per_tok": 2,
    ]

    /// Granite 3's mixtures: a Granite whose experts lie in stacks, gate and up in one.
    static let graniteMoE = Family(
        "granitemoe", gguf: graniteGGUF("granitemoe"),
        published: Published(modelType: "granitemoe", architecture: "GraniteMoeForCausalLM"),
        naming: graniteMoENaming, defaults: graniteMoEDefaults
    ) { (spec, config) throws(ModelError) in
        try spec.setGranite(config)
        try spec.setGraniteExperts(config)
    }

    /// The same with an expert that all tokens share.
    static let graniteMoEShared = Family(
        "granitemoeshared",
        published: Published(modelType: "granitemoeshared", architecture: "GraniteMoeSharedForCausalLM"),
        naming: graniteMoENaming, defaults: graniteMoEDefaults
    ) { (spec, config) throws(ModelError) in
        try spec.setGranite(config)
        let size = try config.integer("shared_intermediate_size", in: 0...(1 << 24), default: 1024)
        try spec.setGraniteExperts(config, shared: size > 0 ? SharedExpert(size: size) : nil)
    }

    static let graniteMoENaming = Naming { name, _ in
        let parts = name.split(separator: ".").map(String.init)
        guard parts.count > 5, parts[3] == "mlp" else { return [.tensor(name)] }
        let layer = parts[0..<3].joined(separator: ".") + ".", isDown = parts[parts.count - 2] == "down_proj"
        let half = parts[parts.count - 2] == "gate_proj" ? 0 : 1, linear = isDown ? "output_linear" : "input_linear"
        if parts[4] == "gate" { return [.tensor(layer + "block_sparse_moe.router.layer.weight")] }
        if parts[4] == "shared_experts" {
            let stored = "\(layer)shared_mlp.\(linear).weight"
            return [isDown ? .tensor(stored) : .rows(stored, sizes: [1, 1], part: half)]
        }
        guard parts.count == 8, let index = Int(parts[5]) else { return [.tensor(name)] }
        return [
            .expertPart(
                "\(layer)block_sparse_moe.\(linear).weight", index: index, ExpertPart(isDown ? .all : .half(half)))
        ]
    }
}

extension DecoderConfiguration {
    mutating func setGraniteExperts(
        _ config: ConfigurationReader, shared: SharedExpert? = nil
    ) throws(ModelError) {
        var router = RouterSpec(
            count: try config.integer("num_local_experts", in: 1...1024),
            active: try config.integer("num_experts_per_tok", in: 1...65_536))
        router.shared = shared
        try eachLayer { $0.feedForward.experts = router }
    }
}
