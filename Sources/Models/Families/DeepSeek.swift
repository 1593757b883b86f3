import MartletJSON
import MartletNN

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension Family {
    private static let deepSeekNeutral: Set<String> = [
        "ep_size", "aux_loss_alpha", "seq_aux", "num_nextn_predict_layers", "num_mtp_layers", "head_dim", "qk_head_dim",
        "moe_router_dtype", "moe_router_enable_expert_bias", "rope_scaling.mscale_all_dim", "rope_scaling.mscale",
        "rope_parameters.mscale_all_dim", "rope_parameters.mscale",
    ]

    /// DeepSeek V2: latent attention, shared and fine-grained experts, softmax routing (DeepSeek-AI 2024).
    static let deepSeekV2 = Family(
        "deepseek_v2", gguf: .deepSeek,
        published: Published(modelType: "deepseek_v2", architecture: "DeepseekV2ForCausalLM"),
        defaults: [
            "vocab_size": 102_400, "hidden_size": 4096, "intermediate_size": 11_008, "num_hidden_layers": 32,
            "num_attention_heads": 32, "max_position_embeddings": 2048, "kv_lora_rank": 512, "q_lora_rank": 1536,
            "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "n_routed_experts": 64,
            "n_shared_experts": 2, "moe_intermediate_size": 1407, "first_k_dense_replace": 0,
            "routed_scaling_factor": 1.0, "topk_method": "greedy", "norm_topk_prob": false,
        ], neutral: deepSeekNeutral, rotatesPart: true, base: latentBase,
        newModel: NewModelForm(mixture: .deepSeek(isBalancedByBias: false), isLatent: true) { shape in
            let isGrouped = shape.mixture.groups > 1
            let mixture = shape.mixture.deepSeekMembers.filter { isGrouped || !$0.key.hasSuffix("_group") }
            return shape.latent.members + mixture + [
                ("scoring_func", "softmax"), ("norm_topk_prob", .bool(false)),
                ("topk_method", isGrouped ? "group_limited_greedy" : "greedy"),
            ]
        }
    ) { (spec, config) throws(ModelError) in
        try config.demand("scoring_func", is: "softmax")
        guard try !config.flag("norm_topk_prob", default: false) else {
            throw .wrongValue(
                file: config.file, key: "norm_topk_prob", found: "true",
                expected: "false: DeepSeek V2 multiplies the probabilities by routed_scaling_factor only")
        }
        var router = try RouterSpec(deepSeek: config)
        switch try config.string("topk_method", default: "greedy") {
        // Files give the groups that they do not select from.
        case "greedy":
            for key in ["n_group", "topk_group"] { _ = try config.optionalInteger(key, in: 0...1024) }
        case "group_limited_greedy": router.groups = try ExpertGroups(config, .highest, of: router)
        case let other:
            throw .wrongValue(
                file: config.file, key: "topk_method", found: "\"\(other.prefix(40))\"",
                expected: "greedy or group_limited_greedy")
        }
        try spec.setDeepSeekExperts(config, router)
    }

    /// DeepSeek V3 and R1, Kimi K2: V2 with sigmoid routing, balanced by a bias of each expert (DeepSeek-AI 2024b).
    static let deepSeekV3 = Family(
        "deepseek_v3", "kimi_k2",
        published: Published(modelType: "deepseek_v3", architecture: "DeepseekV3ForCausalLM"),
        defaults: [
            "vocab_size": 129_280, "hidden_size": 7168, "intermediate_size": 18_432, "num_hidden_layers": 61,
            "num_attention_heads": 128, "max_position_embeddings": 4096, "kv_lora_rank": 512, "q_lora_rank": 1536,
            "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "n_routed_experts": 256,
            "n_shared_experts": 1, "moe_intermediate_size": 2048, "first_k_dense_replace": 3,
            "num_experts_per_tok": 8, "routed_scaling_factor": 2.5, "norm_topk_prob": true, "n_group": 8,
            "topk_group": 4,
        ], neutral: deepSeekNeutral, rotatesPart: true, base: latentBase,
        newModel: NewModelForm(mixture: .deepSeek(isBalancedByBias: true), predicts: true, isLatent: true) { shape in
            shape.latent.members + shape.mixture.deepSeekMembers + [
                ("num_nextn_predict_layers", .integer(Int64(shape.predictions))), ("scoring_func", "sigmoid"),
                ("norm_topk_prob", .bool(true)), ("topk_method", "noaux_tc"),
            ]
        }
    ) { (spec, config) throws(ModelError) in
        try spec.setDeepSeekExperts(config, RouterSpec(deepSeekV3: config))
    }

    /// GLM-4.7-Flash: a DeepSeek V3 whose layers are listed as dense or sparse.
    static let glm4MoELite = Family(
        "glm4_moe_lite", published: Published(modelType: "glm4_moe_lite", architecture: "Glm4MoeLiteForCausalLM"),
        defaults: [
            "vocab_size": 154_880, "hidden_size": 2048, "intermediate_size": 10_240, "num_hidden_layers": 47,
            "num_attention_heads": 20, "max_position_embeddings": 202_752, "kv_lora_rank": 512, "q_lora_rank": 768,
            "qk_nope_head_dim": 192, "qk_rope_head_dim": 64, "v_head_dim": 256, "n_routed_experts": 64,
            "n_shared_experts": 1, "moe_intermediate_size": 1536, "first_k_dense_replace": 1,
            "num_experts_per_tok": 4, "routed_scaling_factor": 1.8, "norm_topk_prob": true, "n_group": 1,
            "topk_group": 1, "rms_norm_eps": 1e-5,
        ], neutral: deepSeekNeutral, rotatesPart: true, base: latentBase
    ) { (spec, config) throws(ModelError) in
        try spec.setDeepSeekExperts(config, RouterSpec(deepSeekV3: config))
    }

    static let latentBase = Base { (reader) throws(ModelError) in try DecoderConfiguration(latent: reader) }
}

extension MixtureForm {
    static func deepSeek(isBalancedByBias: Bool) -> MixtureForm {
        MixtureForm(
            shared: 1, denseLayers: 1, isGrouped: true, isScaled: true, isBalancedByBias: isBalancedByBias)
    }
}

extension DecoderConfiguration {
    /// A model of multi-head latent attention and dense feed-forward layers.
    init(latent reader: ConfigurationReader) throws(ModelError) {
        let hiddenSize = try reader.integer("hidden_size")
        let heads = try reader.integer("num_attention_heads", in: 1...65_536)
        let keyValueHeads = try reader.integer("num_key_value_heads", in: 1...65_536, default: heads)
        guard keyValueHeads == heads else {
            throw .wrongValue(
                file: reader.file, key: "num_key_value_heads", found: "\(keyValueHeads)",
                expected: "\(heads): every head of latent attention has keys of its own")
        }
        let plain = try reader.integer("qk_nope_head_dim", in: 1...512)
        let rotated = try reader.integer("qk_rope_head_dim", in: 2...512)
        let rank = try reader.integer("kv_lora_rank", in: 1...512)
        guard rotated % 2 == 0, rank + rotated <= 576, plain + rotated <= 512 else {
            throw .wrongValue(
                file: reader.file, key: "qk_rope_head_dim", found: "\(rotated)",
                expected: "an even number, with qk_nope_head_dim at most 512, with kv_lora_rank at most 576")
        }
        let contextLength = try reader.integer("max_position_embeddings", in: 1...(1 << 30), default: 2048)
        let parameters = try reader.rotation()
        var rotary = try RotaryEmbedding.Configuration.read(
            reader, parameters: parameters, headDimension: rotated, contextLength: contextLength)
        guard rotary.dimension == rotated else {
            throw .wrongValue(
                file: reader.file, key: "partial_rotary_factor", found: "\(rotary.dimension) of \(rotated)",
                expected: "1, or it left out: qk_rope_head_dim says what is rotated")
        }
        if try reader.flag("rope_interleave", default: true) { rotary.layout = .interleaved }
        var attention = AttentionSpec(heads: heads, headDimension: plain + rotated)
        attention.ownValueDimension = try reader.integer(
            "v_head_dim", in: 1...512, default: min(max(hiddenSize / heads, 1), 512))
        attention.latent = LatentSpec(
            queryRank: try reader.optionalInteger("q_lora_rank", in: 1...65_536), rank: rank,
            rotatedDimension: rotated)
        let bias = try reader.flag("attention_bias", default: false)
        attention.inputBias = bias
        attention.outputBias = bias
        attention.rotary = rotary
        // YaRN: scores grow with the logarithm of the stretch.
        if let parameters, case .yarn(let factor, _, _, _, _, _) = rotary.scaling,
            let mscale = try parameters.optionalNumber("mscale_all_dim"), mscale != 0, factor > 1
        {
            let growth = Float(0.1 * mscale * log(factor) + 1)
            attention.scale *= growth * growth
        }
        self.init(
            family: "", vocabularySize: try reader.integer("vocab_size"), hiddenSize: hiddenSize,
            contextLength: rotary.usableContext(contextLength),
            layerCount: try reader.integer("num_hidden_layers", in: 1...10_000),
            layer: LayerSpec(
                norm: NormSpec(epsilon: Float(try reader.number("rms_norm_eps", default: 1e-6))), attention: attention,
                feedForward: FeedForwardSpec(
                    size: try reader.integer("intermediate_size"),
                    activation: try Activation(reader, keys: "hidden_act", "hidden_activation", default: "silu"))),
            tiedEmbeddings: try reader.flag("tie_word_embeddings", default: false))
    }

    /// The mixture in all layers but the first ones, as DeepSeek's configurations say.
    mutating func setDeepSeekExperts(_ config: ConfigurationReader, _ router: RouterSpec) throws(ModelError) {
        let bias = try config.flag("mlp_bias", default: false)
        guard !bias else {
            throw .wrongValue(
                file: config.file, key: "mlp_bias", found: "true", expected: "false: experts have no biases")
        }
        let size = try config.integer("moe_intermediate_size")
        let frequency = try config.integer("moe_layer_freq", default: 1)
        let dense = try config.integer("first_k_dense_replace", in: 0...(1 << 24), default: 0)
        let listed = try config.optionalStrings("mlp_layer_types")
        if let listed, listed.count != layerCount || listed.contains(where: { $0 != "dense" && $0 != "sparse" }) {
            throw .wrongValue(
                file: config.file, key: "mlp_layer_types", found: "\(listed.count) entries",
                expected: "dense or sparse for each of \(layerCount) layers")
        }
        for layer in layers.indices {
            let isSparse = listed.map { $0[layer] == "sparse" } ?? (layer >= dense && layer % frequency == 0)
            guard isSparse else { continue }
            layers[layer].feedForward.experts = router
            layers[layer].feedForward.size = size
        }
    }
}

extension RouterSpec {
    /// The keys that all of DeepSeek's mixtures share, and those after them.
    init(deepSeek config: ConfigurationReader) throws(ModelError) {
        self.init(
            count: try config.integer("n_routed_experts", "num_experts", "num_local_experts", in: 1...1024),
            active: try config.integer("num_experts_per_tok", in: 1...65_536), normalizesWeights: false)
        scale = Float(try config.number("routed_scaling_factor", default: 1))
        let size = try config.integer("moe_intermediate_size")
        if let count = try config.optionalInteger("n_shared_experts", in: 0...1024), count > 0 {
            shared = SharedExpert(size: count * size)
        }
    }

    /// The router of DeepSeek V3: sigmoid, a bias of each expert for the selection, groups.
    init(deepSeekV3 config: ConfigurationReader) throws(ModelError) {
        try config.demand("scoring_func", is: "sigmoid")
        try config.demand("topk_method", is: "noaux_tc")
        try self.init(deepSeek: config)
        scoring = .sigmoid
        hasSelectionBias = true
        normalizesWeights = try config.flag("norm_topk_prob", default: true)
        groups = try ExpertGroups(config, .twoHighest, of: self)
    }
}

extension ExpertGroups {
    /// Nil for one group.
    init?(_ config: ConfigurationReader, _ score: Score, of router: RouterSpec) throws(ModelError) {
        guard let count = try config.optionalInteger("n_group", in: 1...1024), count > 1 else {
            _ = try config.optionalInteger("topk_group", in: 1...1024)
            return nil
        }
        let active = try config.integer("topk_group", in: 1...1024)
        guard router.count % count == 0 else {
            throw .wrongValue(
                file: config.file, key: "n_group", found: "\(count)",
                expected: "a divisor of the \(router.count) experts")
        }
        guard active <= count, active * (router.count / count) >= router.active else {
            throw .wrongValue(
                file: config.file, key: "topk_group", found: "\(active)",
                expected: "at most \(count) groups, with the \(router.active) experts of a token in them")
        }
        self.init(count: count, active: active, score: score)
    }
}

extension ConfigurationReader {
    /// A key that has one value in this family, where it is said.
    func demand(_ key: String, is expected: String) throws(ModelError) {
        let found = try string(key, default: expected)
        guard found == expected else {
            throw .wrongValue(file: file, key: key, found: "\"\(found.prefix(40))\"", expected: expected)
        }
    }
}
