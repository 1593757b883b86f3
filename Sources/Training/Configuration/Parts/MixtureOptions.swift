import MartletModels
import MartletSystem

extension OptionPart {
    /// The mixtures of a new model, of families that have some. How wide experts are follows from the dense layer they
    /// take the place of: a token is multiplied with as many numbers.
    static let mixture = OptionPart(
        "Mixture of experts",
        [
            .integer(
                "experts", \.shape.mixture.experts, 1...1024,
                "Experts of each layer, of families with mixtures (\(names)).", shown: true,
                others: "num_experts n_experts num_local_experts n_routed_experts moe_num_experts expert_count",
                default: usual { $0.experts }),
            .integer(
                "active_experts", \.shape.mixture.active, 1...1024, "Experts that process a token.", shown: true,
                flags: ["active"],
                others: "num_experts_per_tok moe_top_k n_expert_used experts_per_token moe_router_topk",
                default: .from { facts in
                    guard let form = facts.run.shape.form.mixture else { return (nil, "no mixture") }
                    return (min(form.active, facts.run.shape.mixture.experts), "default of the family")
                }),
            .integer(
                "shared_experts", \.shape.mixture.shared, 0...64, "Experts that process every token (DeepSeek).",
                shown: true, others: "n_shared_experts num_shared_experts", default: usual { $0.shared ?? 0 }),
            .integer(
                "expert_size", \.shape.mixture.expertSize, 8...262_144, "Width inside one expert.", shown: true,
                others: "moe_intermediate_size expert_hidden_size moe_ffn_hidden_size d_expert",
                default: .from { facts in
                    let shape = facts.run.shape
                    guard shape.form.mixture != nil else { return (nil, "no mixture") }
                    let parts = max(1, shape.mixture.active + shape.mixture.shared)
                    return (
                        max(8, shape.intermediateSize / parts / 8 * 8),
                        "intermediate_size / (active_experts + shared_experts)"
                    )
                }),
            .integer(
                "dense_layers", \.shape.mixture.denseLayers, 0...256,
                "Layers at the beginning with a dense feed-forward layer in place of a mixture.",
                others: "first_k_dense_replace first_k_dense n_dense_layers moe_first_k_dense",
                default: .from { facts in
                    let shape = facts.run.shape
                    guard shape.form.mixture != nil else { return (nil, "no mixture") }
                    return (
                        min(shape.form.mixture?.denseLayers ?? 0, max(0, shape.layers - 1)), "default of the family"
                    )
                }),
            .integer(
                "expert_groups", \.shape.mixture.groups, 1...256,
                "Groups of experts; a token's experts are in active_groups of them (DeepSeek).",
                others: "n_group moe_router_num_groups", default: usual { _ in 1 }),
            .integer(
                "active_groups", \.shape.mixture.activeGroups, 1...256, "Groups that a token's experts are in.",
                others: "topk_group moe_router_group_topk", default: usual { _ in 1 }),
            .number(
                "expert_scale", \.shape.mixture.scale, 0.001...1000,
                "Factor on the weights of the selected experts (DeepSeek).",
                others: "routed_scaling_factor moe_router_topk_scaling_factor",
                default: .from { ($0.run.shape.form.mixture == nil ? nil : 1, "default") }),
        ]
    ) { (run, facts) throws(TrainingError) in
        let shape = run.shape, mixture = shape.mixture
        guard let form = shape.form.mixture else {
            guard mixture == MixtureShape() else {
                throw TrainingError(
                    .configuration,
                    "experts need family \(names); \(shape.family) has a dense feed-forward layer")
            }
            return
        }
        func demand(_ holds: Bool, _ what: String) throws(TrainingError) {
            guard holds else { throw TrainingError(.configuration, what) }
        }
        try demand(
            mixture.active <= mixture.experts,
            "active_experts \(mixture.active) is more than the \(mixture.experts) experts")
        try demand(
            form.shared != nil || mixture.shared == 0, "shared_experts: family \(shape.family) has none")
        try demand(
            form.denseLayers != nil || mixture.denseLayers == 0,
            "dense_layers: all layers of family \(shape.family) are mixtures")
        try demand(
            mixture.denseLayers < shape.layers,
            "dense_layers \(mixture.denseLayers) leaves none of \(shape.layers) layers to be a mixture")
        try demand(form.isGrouped || mixture.groups == 1, "expert_groups: family \(shape.family) has none")
        try demand(
            mixture.experts % mixture.groups == 0,
            "\(mixture.experts) experts do not make \(mixture.groups) groups of equal size")
        try demand(
            mixture.activeGroups <= mixture.groups
                && (mixture.groups == 1
                    || mixture.activeGroups * (mixture.experts / mixture.groups) >= mixture.active),
            "active_groups \(mixture.activeGroups) of \(mixture.groups) groups do not hold the \(mixture.active) experts "
                + "of a token")
        try demand(
            !form.isBalancedByBias || mixture.groups == 1 || mixture.experts / mixture.groups >= 2,
            "expert_groups \(mixture.groups): groups are compared by their two best experts, and have "
                + "\(mixture.experts / mixture.groups)")
        try demand(form.isScaled || mixture.scale == 1, "expert_scale: family \(shape.family) has no such factor")
    }

    private static let names = Family.begun.filter { $0.form.mixture != nil }.map(\.name).joined(separator: ", ")

    private static func usual(_ value: @escaping @Sendable (MixtureForm) -> Int) -> OptionDefault<Int> {
        .from { facts in
            guard let form = facts.run.shape.form.mixture else { return (nil, "no mixture") }
            return (value(form), "default of the family")
        }
    }

    /// Keys and values from latent vectors, of families that have them.
    static let latent = OptionPart(
        "Latent attention",
        [
            latent(
                "kv_rank", \.shape.latent.rank, 8...512,
                "Width of the latent vector of keys and values: what the cache keeps.",
                "kv_lora_rank", "hidden_size / 4, at most 512"
            ) { max(8, min(512, $0.hiddenSize / 4 / 8 * 8)) },
            latent(
                "query_rank", \.shape.latent.queryRank, 0...65_536,
                "Width of the compressed queries; 0: not compressed.",
                "q_lora_rank", "none"
            ) { _ in 0 },
            latent(
                "rotated_head_size", \.shape.latent.rotated, 2...256,
                "Numbers of a head's queries and keys that are rotated.",
                "qk_rope_head_dim", "half a head"
            ) { max(2, $0.hiddenSize / max(1, $0.heads) / 4 * 2) },
            latent(
                "plain_head_size", \.shape.latent.plain, 1...448, "Those that are not.", "qk_nope_head_dim",
                "hidden_size / heads"
            ) { max(1, $0.hiddenSize / max(1, $0.heads)) },
            latent(
                "value_head_size", \.shape.latent.values, 1...512, "Numbers of a head's values.", "v_head_dim",
                "hidden_size / heads"
            ) { max(1, $0.hiddenSize / max(1, $0.heads)) },
        ]
    ) { (run, _) throws(TrainingError) in
        let shape = run.shape, latent = shape.latent
        guard shape.form.isLatent else {
            guard latent == LatentShape() else {
                let families = Family.begun.filter(\.form.isLatent).map(\.name).joined(separator: " or ")
                throw TrainingError(
                    .configuration,
                    "latent attention needs family \(families); \(shape.family) keeps keys and values themselves")
            }
            return
        }
        guard latent.rotated % 2 == 0, latent.rank + latent.rotated <= 576, latent.plain + latent.rotated <= 512 else {
            throw TrainingError(
                .configuration,
                "rotated_head_size \(latent.rotated) must be even, with plain_head_size \(latent.plain) at most 512, with "
                    + "kv_rank \(latent.rank) at most 576")
        }
        guard shape.keyValueHeads == shape.heads else {
            throw TrainingError(
                .configuration,
                "key_value_heads \(shape.keyValueHeads): every head of latent attention has keys of its own, so leave it "
                    + "out or say \(shape.heads)")
        }
    }

    private static func latent(
        _ name: String, _ field: OptionField<Int>, _ range: ClosedRange<Int>, _ meaning: String, _ other: String,
        _ how: String, _ value: @escaping @Sendable (ModelShape) -> Int
    ) -> OptionKey {
        .integer(
            name, field, range, meaning, others: other,
            default: .from { facts in
                facts.run.shape.form.isLatent ? (value(facts.run.shape), how) : (nil, "no latent attention")
            })
    }
}
