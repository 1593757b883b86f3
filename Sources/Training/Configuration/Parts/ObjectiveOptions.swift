import MartletModels

/// What is learnt of rows of tokens.
public struct ObjectiveOptions: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable, OptionValue {
        case nextToken = "next-token"
        case prefix = "prefix-lm"
        case middle = "fim"
        case masked = "mlm"
        case spans = "span-corruption"
        case pairs = "seq2seq"

        /// The kind of model that learns it.
        var model: NewModelForm.Kind {
            switch self {
            case .nextToken, .prefix, .middle: .decoder
            case .masked: .encoder
            case .spans, .pairs: .encoderDecoder
            }
        }
    }

    public internal(set) var kind = Kind.nextToken
    /// Of masked tokens and corrupted spans.
    public internal(set) var maskRate = 0.0, meanSpan = 0.0
    public internal(set) var masksWords = false
    /// Of texts whose middle is to be filled in.
    public internal(set) var middleRate = 0.0, suffixFirst = 0.0
}

extension OptionPart {
    static let objective = OptionPart(
        "Objective",
        [
            .choice(
                "objective", \.objective.kind,
                "What is learnt: the next token; the next token behind a prefix that sees itself both ways; a middle to fill in "
                    + "(families of decoders); masked tokens (bert); spans, or the target of a pair (t5).", shown: true,
                others: "task training_objective pretraining_objective",
                default: .from { facts in
                    switch facts.run.shape.form.kind {
                    case .decoder: (.nextToken, "default")
                    case .encoder: (.masked, "default of encoders")
                    case .encoderDecoder: (.spans, "default of encoder-decoders")
                    }
                }),
            .number(
                "mask_rate", \.objective.maskRate, 0.001...0.9, "Share of tokens that is masked, or taken in spans.",
                shown: true, others: "mlm_probability noise_density mlm_prob",
                default: .from { facts in
                    let kind = facts.run.objective.kind
                    return kind == .masked || kind == .spans ? (0.15, "default") : (nil, "nothing is masked")
                }),
            .flag(
                "whole_word", \.objective.masksWords, "Mask all tokens of a word together (mlm).", shown: true,
                others: "wwm whole_word_masking",
                default: .from { $0.run.objective.kind == .masked ? (false, "default") : (nil, "nothing is masked") }),
            .number(
                "mean_span", \.objective.meanSpan, 1...1000,
                "Mean length of the spans that are taken (span-corruption).",
                others: "mean_noise_span_length",
                default: .from { $0.run.objective.kind == .spans ? (3, "default") : (nil, "no spans") }),
            .number(
                "fim_rate", \.objective.middleRate, 0...1, "Share of texts whose middle is to be filled in (fim).",
                shown: true, others: "fim_probability",
                default: .from { $0.run.objective.kind == .middle ? (0.5, "default") : (nil, "no middle to fill in") }),
            .number(
                "fim_spm_rate", \.objective.suffixFirst, 0...1,
                "Of these, the share in the order suffix, prefix, middle, in place of prefix, suffix, middle (fim).",
                others: "spm_rate fim_spm",
                default: .from { $0.run.objective.kind == .middle ? (0.5, "default") : (nil, "no middle to fill in") }),
        ]
    ) { (run, _) throws(TrainingError) in
        let objective = run.objective, family = run.shape.family
        guard objective.kind.model == run.shape.form.kind else {
            let families = Family.begun.filter { $0.form.kind == objective.kind.model }.map(\.name)
            throw TrainingError(
                .configuration,
                "objective \(objective.kind.rawValue) is learnt by family \(families.joined(separator: ", ")), not by \(family)"
            )
        }
        func demand(_ isUsed: Bool, _ isSet: Bool, _ name: String, _ kinds: String) throws(TrainingError) {
            guard !isSet || isUsed else {
                throw TrainingError(
                    .configuration, "\(name) is of objective \(kinds), not of \(objective.kind.rawValue)")
            }
        }
        try demand(
            objective.kind == .masked || objective.kind == .spans, objective.maskRate > 0, "mask_rate",
            "mlm or span-corruption")
        try demand(objective.kind == .masked, objective.masksWords, "whole_word", "mlm")
        try demand(objective.kind == .spans, objective.meanSpan > 0, "mean_span", "span-corruption")
        try demand(objective.kind == .middle, objective.middleRate > 0, "fim_rate", "fim")
        try demand(objective.kind == .middle, objective.suffixFirst > 0, "fim_spm_rate", "fim")
        guard run.rows.layout == .packed || objective.kind != .pairs else {
            throw TrainingError(
                .configuration, "objective seq2seq learns whole pairs: leave layout at packed")
        }
        let takesZ = objective.kind != .masked
        guard takesZ || run.loss.zLoss == 0 else {
            throw TrainingError(.configuration, "z_loss is of objectives over next tokens, not of mlm")
        }
        guard run.loss.embeddingNoise == 0 || objective.kind.model == .decoder else {
            throw TrainingError(.configuration, "neftune_alpha is of decoders, not of family \(family)")
        }
    }
}
