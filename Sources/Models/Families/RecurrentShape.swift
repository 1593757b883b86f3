import MartletJSON

/// The layers of a new model that have a recurrent state.
public struct RecurrentShape: Sendable, Equatable {
    /// Numbers of the state of each channel; of the gated delta rule those of a key.
    public var stateSize = 0
    /// Heads of state spaces; of the gated delta rule those of keys, each with two of values.
    public var heads = 0
    /// Tokens that the convolutions see.
    public var width = 0
    /// One layer in so many has attention; 0 where none has.
    public var attentionEvery = 0

    public init() {}
}

/// What a family's new models may choose of these layers, and where that begins.
public struct RecurrentForm: Sendable {
    /// Nil where the layers have none beside the convolution (LFM2).
    public var stateSize: NewModelForm.Size?
    /// Nil where there are no heads.
    public var heads: NewModelForm.Size?
    /// Whether heads share out twice the residual stream's channels.
    public var headsShareChannels = false
    public var width = 4
    /// Nil where no layer has attention (Mamba).
    public var attentionEvery: Int?
}

extension ModelShape {
    /// Whether a layer of a hybrid has attention: one in so many, and the last of a model with fewer layers.
    func attends(_ layer: Int) -> Bool {
        let every = recurrent.attentionEvery
        guard every > 0 else { return false }
        return (layer + 1) % every == 0 || (layers < every && layer == layers - 1)
    }

    /// `layer_types` of a hybrid.
    func layerTypes(attention: String = "full_attention", recurrent name: String) -> JSON {
        .array((0..<layers).map { .string(attends($0) ? attention : name) })
    }
}

extension NewModelForm {
    private static func whole(_ value: Int) -> JSON { .integer(Int64(value)) }

    /// Heads of 64 of the channels inside, twice those of the residual stream, or of more where 64 does not divide them.
    private static let headsOf64 = Size("2 × hidden_size / 64, or the next below that divides") { shape in
        let channels = max(2, 2 * shape.hiddenSize)
        return (1...max(1, channels / 64)).last { channels % $0 == 0 } ?? 1
    }

    /// Keys that Mamba 1 and 2 share.
    private static func mambaMembers(_ shape: ModelShape) -> [JSONObject.Element] {
        [
            ("hidden_size", whole(shape.hiddenSize)), ("num_hidden_layers", whole(shape.layers)),
            ("state_size", whole(shape.recurrent.stateSize)), ("expand", 2),
            ("conv_kernel", whole(shape.recurrent.width)), ("use_bias", .bool(false)), ("use_conv_bias", .bool(true)),
            ("hidden_act", "silu"), ("layer_norm_epsilon", 1e-5), ("time_step_rank", "auto"),
        ]
    }

    static let mamba = NewModelForm(
        hasAttention: false, rotates: false,
        recurrent: RecurrentForm(stateSize: Size("default of the family") { _ in 16 })
    ) { shape in
        mambaMembers(shape) + [("intermediate_size", whole(2 * shape.hiddenSize))]
    }

    static let mamba2 = NewModelForm(
        hasAttention: false, rotates: false,
        recurrent: RecurrentForm(
            stateSize: Size("default of the family") { _ in 128 }, heads: headsOf64, headsShareChannels: true)
    ) { shape in
        let heads = max(shape.recurrent.heads, 1)
        return mambaMembers(shape) + [
            ("num_heads", whole(heads)), ("head_dim", whole(2 * shape.hiddenSize / heads)), ("n_groups", 1),
        ]
    }

    static let lfm2 = NewModelForm(recurrent: RecurrentForm(width: 3, attentionEvery: 3)) { shape in
        [
            ("layer_types", shape.layerTypes(recurrent: "conv")), ("conv_L_cache", whole(shape.recurrent.width)),
            ("conv_bias", .bool(false)), ("block_auto_adjust_ff_dim", .bool(false)), ("norm_eps", 1e-5),
        ]
    }

    /// Granite 4's mixtures and shared expert, or one dense layer where there are no experts.
    static let graniteHybrid = NewModelForm(
        mixture: MixtureForm(experts: 0, active: 2, shared: 1), rotates: false,
        aliases: ["granite4_hybrid", "granite_4_hybrid", "granite_hybrid"],
        recurrent: RecurrentForm(
            stateSize: Size("default of the family") { _ in 128 }, heads: headsOf64, headsShareChannels: true,
            attentionEvery: 10)
    ) { shape in
        let heads = max(shape.recurrent.heads, 1), mixture = shape.mixture, size = mixture.expertSize
        return [
            ("layer_types", shape.layerTypes(attention: "attention", recurrent: "mamba")),
            ("mamba_n_heads", whole(heads)), ("mamba_d_head", whole(2 * shape.hiddenSize / heads)),
            ("mamba_n_groups", 1), ("mamba_d_state", whole(shape.recurrent.stateSize)),
            ("mamba_d_conv", whole(shape.recurrent.width)), ("mamba_expand", 2), ("mamba_conv_bias", .bool(true)),
            ("mamba_proj_bias", .bool(false)), ("num_local_experts", whole(mixture.experts)),
            ("num_experts_per_tok", whole(mixture.active)),
            ("intermediate_size", whole(mixture.experts > 0 ? size : shape.intermediateSize)),
            ("shared_intermediate_size", whole(mixture.experts > 0 ? size * mixture.shared : shape.intermediateSize)),
            ("position_embedding_type", "nope"),
            ("attention_multiplier", .number(1 / Double(shape.hiddenSize / max(shape.heads, 1)).squareRoot())),
        ]
    }

    /// Layers of the gated delta rule with as many channels of keys as the residual stream has, and twice as many of values.
    private static let gatedDelta = RecurrentForm(
        stateSize: Size("128, at most hidden_size") { min(128, $0.hiddenSize) },
        heads: Size("hidden_size / state_size") { max(1, $0.hiddenSize / max($0.recurrent.stateSize, 1)) },
        attentionEvery: 4)

    private static func gatedDeltaMembers(_ shape: ModelShape) -> [JSONObject.Element] {
        let heads = shape.recurrent.heads, size = whole(shape.recurrent.stateSize)
        return [
            ("layer_types", shape.layerTypes(recurrent: "linear_attention")),
            ("linear_num_key_heads", whole(heads)), ("linear_num_value_heads", whole(2 * heads)),
            ("linear_key_head_dim", size), ("linear_value_head_dim", size),
            ("linear_conv_kernel_dim", whole(shape.recurrent.width)),
        ]
    }

    static let qwen3Next = NewModelForm(
        mixture: MixtureForm(shared: 1, denseLayers: 0), recurrent: gatedDelta
    ) { shape in
        let mixture = shape.mixture
        return gatedDeltaMembers(shape) + mixture.qwenMembers.filter { $0.key != "use_sliding_window" } + [
            ("shared_expert_intermediate_size", whole(mixture.expertSize * mixture.shared))
        ]
    }

    /// Qwen 3.5's text part without experts.
    static let qwen35 = NewModelForm(aliases: ["qwen3_5", "qwen3.5"], recurrent: gatedDelta) { gatedDeltaMembers($0) }
}
