import MartletJSON

/// The mixtures of a new model.
public struct MixtureShape: Sendable, Equatable {
    /// Experts of each layer that has some; 0 in a dense model.
    public var experts = 0
    /// Those that process a token.
    public var active = 0
    /// Width inside one expert.
    public var expertSize = 0
    /// Experts that process every token.
    public var shared = 0
    /// Layers at the beginning that have a dense feed-forward layer.
    public var denseLayers = 0
    /// Groups of experts, and how many of them a token's experts are in.
    public var groups = 1, activeGroups = 1
    /// The factor on the weights of the selected experts.
    public var scale = 1.0

    public init() {}
}

/// What a family's new models may choose of their mixtures, and where that begins.
public struct MixtureForm: Sendable {
    /// Experts of a layer, and those of a token, where nobody says.
    public var experts = 8, active = 2
    /// Shared experts; nil where the family has none.
    public var shared: Int?
    /// Whether the first layers may be dense, and how many are where nobody says.
    public var denseLayers: Int?
    /// Whether experts may be selected from groups.
    public var isGrouped = false
    /// Whether the selected experts' weights have a factor.
    public var isScaled = false
    /// Whether loads are balanced by a bias of each expert, and by no loss.
    public var isBalancedByBias = false
    /// Whether the width of experts is `intermediate_size` itself, so that a dense layer cannot have another.
    public var sharesSize = false
}

/// Latent attention of a new model.
public struct LatentShape: Sendable, Equatable {
    /// The width of the compressed queries; 0 where they are not compressed.
    public var queryRank = 0
    /// The width of the latent vector of keys and values.
    public var rank = 0
    /// Of a head's queries and keys: the numbers that are rotated, and those that are not; and those of its values.
    public var rotated = 0, plain = 0, values = 0

    public init() {}
}

extension MixtureShape {
    private func whole(_ value: Int) -> JSON { .integer(Int64(value)) }

    /// Keys of Qwen's mixtures.
    var qwenMembers: [JSONObject.Element] {
        [
            ("num_experts", whole(experts)), ("num_experts_per_tok", whole(active)),
            ("moe_intermediate_size", whole(expertSize)), ("norm_topk_prob", .bool(true)),
            ("decoder_sparse_step", 1), ("mlp_only_layers", .array((0..<denseLayers).map { whole($0) })),
            ("use_sliding_window", .bool(false)),
        ]
    }

    /// Keys of DeepSeek's mixtures.
    var deepSeekMembers: [JSONObject.Element] {
        [
            ("n_routed_experts", whole(experts)), ("num_experts_per_tok", whole(active)),
            ("n_shared_experts", whole(shared)), ("moe_intermediate_size", whole(expertSize)),
            ("first_k_dense_replace", whole(denseLayers)), ("routed_scaling_factor", .number(scale)),
            ("n_group", whole(groups)), ("topk_group", whole(activeGroups)), ("moe_layer_freq", 1),
        ]
    }
}

extension LatentShape {
    /// Keys of DeepSeek's attention.
    var members: [JSONObject.Element] {
        func whole(_ value: Int) -> JSON { .integer(Int64(value)) }
        return [
            ("kv_lora_rank", whole(rank)), ("q_lora_rank", queryRank > 0 ? whole(queryRank) : .null),
            ("qk_rope_head_dim", whole(rotated)), ("qk_nope_head_dim", whole(plain)), ("v_head_dim", whole(values)),
            ("qk_head_dim", whole(plain + rotated)), ("head_dim", whole(rotated)), ("rope_interleave", .bool(true)),
        ]
    }
}
