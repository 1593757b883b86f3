import MartletModels
import MartletNN
import MartletSystem

/// The initialisation of a new model.
public enum InitialWeights: String, Sendable, CaseIterable, OptionValue {
    case gpt2, cs336, xavier, kaiming
    case zeroResidual = "zero-residual"

    func scheme(layers: Int) -> Initializer.Scheme {
        switch self {
        case .gpt2: .normal(deviation: 0.02, layers: layers)
        case .cs336: .truncatedXavier
        case .xavier: .xavierUniform
        case .kaiming: .kaimingNormal
        case .zeroResidual: .zeroResidual
        }
    }
}

extension OptionPart {
    /// The sizes of a new model: `depth` is the one dial. How the others follow, its family says (`NewModelForm`).
    static let shape = OptionPart(
        "Model",
        [
            .integer(
                "depth", \.shape.layers, 1...256, "Layers; the dial that sets every size.", shown: true,
                others: "layers n_layer n_layers num_layers num_hidden_layers block_count blocks", default: .value(6)),
            .option(
                "family", \.shape.family, .choice(Family.begun.map(\.name)), "The architecture.", shown: true,
                flags: ["arch"],
                others: "model_type architecture model", default: .value(Family.begun.first?.name ?? "")
            ).spelled(Family.begun.flatMap { family in family.form.aliases.map { ($0, family.name) } }),
            .integer(
                "hidden_size", \.shape.hiddenSize, 8...65_536, "Width of the residual stream.",
                others: "hidden dim d_model n_embd embed_dim embedding_size model_dim width n_embed emb_dim",
                default: size { $0.hiddenSize }),
            .integer(
                "heads", \.shape.heads, 1...1024, "Attention heads.",
                others: "n_head n_heads num_heads num_attention_heads attention_heads head_count",
                default: size(ofAttention: true) { $0.heads }),
            .integer(
                "key_value_heads", \.shape.keyValueHeads, 1...1024,
                "Heads of keys and values, shared by the query heads.",
                others: "kv_heads num_kv_heads n_kv_heads n_kv_head num_key_value_heads n_query_groups",
                default: size(ofAttention: true) { $0.keyValueHeads }),
            .integer(
                "intermediate_size", \.shape.intermediateSize, 8...262_144, "Width inside the feed-forward blocks.",
                others: "d_ff ffn ffn_dim ff_dim mlp_dim feed_forward_length n_inner feed_forward",
                default: size(ofAttention: true) { $0.intermediateSize }),
            .flag(
                "tied_embeddings", \.shape.tiedEmbeddings, "The head is the embedding.",
                others: "tie tied tie_word_embeddings tie_embeddings weight_tying",
                default: .from { ($0.run.shape.form.tiesEmbeddings, "default of the family") }),
            .number(
                "rope_theta", \.shape.ropeTheta, 1...1e9, "Base of the rotary frequencies.",
                others: "theta rope rope_base rope_freq_base",
                default: .from {
                    let form = $0.run.shape.form
                    return form.rotates ? (form.ropeTheta, "default of the family") : (nil, "nothing is rotated")
                }),
            .integer(
                "sliding_window", \.shape.slidingWindow, 0...1_048_576,
                "How far back the layers look that slide, itself included; 0: all see everything.",
                others: "window window_size attention_window", default: .value(0, "none")),
            .choice(
                "initialization", \.initialization, "How the weights begin.",
                others: "init initializer initialisation weight_init", default: .value(.gpt2)),
        ]
    ) { (run, _) throws(TrainingError) in
        let shape = run.shape
        guard shape.form.rotates || shape.ropeTheta == ModelShape().ropeTheta else {
            throw TrainingError(.configuration, "rope_theta: family \(shape.family) rotates nothing")
        }
        guard shape.form.hasAttention else {
            let given = [
                ("heads", shape.heads), ("key_value_heads", shape.keyValueHeads),
                ("intermediate_size", shape.intermediateSize), ("sliding_window", shape.slidingWindow),
            ].filter { $0.1 > 0 }.map(\.0)
            guard given.isEmpty else {
                throw TrainingError(
                    .configuration,
                    "\(given.joined(separator: ", ")): layers of family \(shape.family) have neither attention nor a "
                        + "feed-forward part; state_size and conv_width are theirs")
            }
            return
        }
        guard shape.hiddenSize % shape.heads == 0 && shape.hiddenSize / shape.heads % 8 == 0 else {
            throw TrainingError(
                .configuration,
                "hidden_size \(shape.hiddenSize) over \(shape.heads) heads gives heads of "
                    + "\(shape.hiddenSize / shape.heads) numbers; they must be whole multiples of 8")
        }
        guard shape.heads % shape.keyValueHeads == 0 else {
            throw TrainingError(
                .configuration,
                "\(shape.heads) heads cannot share \(shape.keyValueHeads) key/value heads evenly")
        }
        guard shape.slidingWindow == 0 || shape.form.slides else {
            let sliding = Family.begun.filter(\.form.slides).map(\.name).joined(separator: " or ")
            throw TrainingError(
                .configuration, "sliding_window needs family \(sliding); \(shape.family) has none")
        }
    }

    private static func size(
        ofAttention: Bool = false, _ size: @escaping @Sendable (NewModelForm) -> NewModelForm.Size
    ) -> OptionDefault<Int> {
        .from { facts in
            guard !ofAttention || facts.run.shape.form.hasAttention else { return (nil, "no attention") }
            let rule = size(facts.run.shape.form)
            return (rule.value(facts.run.shape), rule.how)
        }
    }
}
