import MartletModels
import MartletSystem

extension OptionPart {
    /// The layers of a new model that have a recurrent state, of families that have some.
    static let recurrent = OptionPart(
        "Recurrent layers",
        [
            .integer(
                "state_size", \.shape.recurrent.stateSize, 1...1024,
                "Numbers of the state of each channel, of Qwen3-Next those of a key (\(names { $0.stateSize != nil })).",
                others: "d_state ssm_state_size mamba_d_state linear_key_head_dim",
                default: size(\.stateSize)),
            .integer(
                "state_heads", \.shape.recurrent.heads, 1...1024,
                "Heads of the states, of Qwen3-Next those of keys (\(names { $0.heads != nil })).",
                others: "ssm_heads mamba_n_heads mamba_num_heads linear_num_key_heads",
                default: size(\.heads)),
            .integer(
                "conv_width", \.shape.recurrent.width, 2...64, "Tokens that the convolutions of these layers see.",
                others: "conv_kernel d_conv mamba_d_conv conv_l_cache linear_conv_kernel_dim",
                default: .from { facts in
                    guard let form = facts.run.shape.form.recurrent else { return (nil, "no recurrent layers") }
                    return (form.width, "default of the family")
                }),
            .integer(
                "attention_every", \.shape.recurrent.attentionEvery, 1...256,
                "One layer in so many has attention, the others a state (\(names { $0.attentionEvery != nil })).",
                others: "full_attention_interval attn_layer_period attention_interval",
                default: .from { facts in
                    guard let every = facts.run.shape.form.recurrent?.attentionEvery else {
                        return (nil, "no such layers")
                    }
                    return (every, "default of the family")
                }),
        ]
    ) { (run, _) throws(TrainingError) in
        let shape = run.shape, recurrent = shape.recurrent
        func demand(_ holds: Bool, _ what: String) throws(TrainingError) {
            guard holds else { throw TrainingError(.configuration, what) }
        }
        guard let form = shape.form.recurrent else {
            return try demand(
                recurrent == RecurrentShape(),
                "state_size, state_heads, conv_width and attention_every are of family \(names { _ in true }); "
                    + "\(shape.family) has no recurrent layers")
        }
        let family = shape.family
        try demand(
            form.stateSize != nil || recurrent.stateSize == 0,
            "state_size: layers of family \(family) keep their last inputs alone")
        try demand(form.heads != nil || recurrent.heads == 0, "state_heads: states of family \(family) have no heads")
        try demand(
            form.attentionEvery != nil || recurrent.attentionEvery == 0,
            "attention_every: no layer of family \(family) has attention")
        let channels = shape.hiddenSize.multiplied(clampedBy: 2)
        try demand(
            !form.headsShareChannels || channels % max(recurrent.heads, 1) == 0,
            "state_heads \(recurrent.heads) do not divide \(channels) channels, twice hidden_size")
    }

    private static func names(_ has: (RecurrentForm) -> Bool) -> String {
        Family.begun.filter { $0.form.recurrent.map(has) ?? false }.map(\.name).joined(separator: ", ")
    }

    private static func size(
        _ part: KeyPath<RecurrentForm, NewModelForm.Size?> & Sendable
    ) -> OptionDefault<Int> {
        .from { facts in
            guard let rule = facts.run.shape.form.recurrent?[keyPath: part] else { return (nil, "none") }
            return (rule.value(facts.run.shape), rule.how)
        }
    }
}
