import MartletModels

/// What is learnt of rows of tokens.
public struct ObjectiveOptions: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable, OptionValue {
        case nextToken = "next-token"
        case prefix = "prefix-lm"
        case middle = "fim"
        case masked = "mlm"
        case nextSentence = "nsp"
        case sentenceOrder = "sop"
        case replaced = "rtd"
        case spans = "span-corruption"
        case pairs = "seq2seq"

        /// The kind of model that learns it.
        var model: NewModelForm.Kind {
            switch self {
            case .nextToken, .prefix, .middle: .decoder
            case .masked, .nextSentence, .sentenceOrder, .replaced: .encoder
            case .spans, .pairs: .encoderDecoder
            }
        }

        /// Whether it learns pairs of texts.
        var learnsPairs: Bool { self == .nextSentence || self == .sentenceOrder }
        /// Whether tokens are masked.
        var masksTokens: Bool { model == .encoder }

        /// Whether a family of its kind of model has what it needs.
        func isLearnt(by form: NewModelForm) -> Bool {
            switch self {
            case .nextSentence, .sentenceOrder: form.pairArchitecture != nil
            case .replaced: form.replacedArchitecture != nil
            // A state is made of the tokens before: a prefix cannot see itself both ways.
            case .prefix: form.recurrent == nil
            default: true
            }
        }
    }

    public internal(set) var kind = Kind.nextToken
    /// Of masked tokens and corrupted spans.
    public internal(set) var maskRate = 0.0, meanSpan = 0.0
    public internal(set) var masksWords = false
    /// Of texts whose middle is to be filled in.
    public internal(set) var middleRate = 0.0, suffixFirst = 0.0
    /// Of replaced tokens: the generator's size relative to the model's, and the weight of finding them.
    public internal(set) var generatorShare = 0.0, replacedWeight = 0.0
}

extension OptionPart {
    static let objective = OptionPart(
        "Objective",
        [
            .choice(
                "objective", \.objective.kind,
                "What is learnt: the next token; the next token behind a prefix that sees itself both ways; a middle to fill in "
                    + "(families of decoders); masked tokens (families of encoders), with them whether a second text follows a first "
                    + "(nsp) or both stand in their order (sop; bert, albert), or which tokens a small generator has replaced "
                    + "(rtd; electra); spans, or the target of a pair (t5).", shown: true,
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
                    return kind.masksTokens || kind == .spans ? (0.15, "default") : (nil, "nothing is masked")
                }),
            .flag(
                "whole_word", \.objective.masksWords, "Mask all tokens of a word together (mlm, nsp, sop, rtd).",
                shown: true,
                others: "wwm whole_word_masking",
                default: .from { $0.run.objective.kind.masksTokens ? (false, "default") : (nil, "nothing is masked") }),
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
            .number(
                "generator_size", \.objective.generatorShare, 0.05...1,
                "Heads and inner width of the generator that replaces tokens, relative to the model's (rtd).",
                shown: true,
                others: "generator_share",
                default: .from { $0.run.objective.kind == .replaced ? (0.25, "default") : (nil, "no generator") }),
            .number(
                "rtd_weight", \.objective.replacedWeight, 0.01...10_000,
                "Weight of finding replaced tokens beside the generator's loss (rtd).",
                others: "disc_weight discriminator_weight",
                default: .from { $0.run.objective.kind == .replaced ? (50, "default") : (nil, "no generator") }),
        ]
    ) { (run, _) throws(TrainingError) in
        let objective = run.objective, family = run.shape.family
        func isLearnt(by form: NewModelForm) -> Bool {
            objective.kind.model == form.kind && objective.kind.isLearnt(by: form)
        }
        guard isLearnt(by: run.shape.form) else {
            let families = Family.begun.filter { isLearnt(by: $0.form) }.map(\.name)
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
            objective.kind.masksTokens || objective.kind == .spans, objective.maskRate > 0, "mask_rate",
            "mlm, nsp, sop, rtd or span-corruption")
        try demand(objective.kind.masksTokens, objective.masksWords, "whole_word", "mlm, nsp, sop or rtd")
        try demand(objective.kind == .replaced, objective.generatorShare > 0, "generator_size", "rtd")
        try demand(objective.kind == .replaced, objective.replacedWeight > 0, "rtd_weight", "rtd")
        try demand(objective.kind == .spans, objective.meanSpan > 0, "mean_span", "span-corruption")
        try demand(objective.kind == .middle, objective.middleRate > 0, "fim_rate", "fim")
        try demand(objective.kind == .middle, objective.suffixFirst > 0, "fim_spm_rate", "fim")
        guard run.rows.layout == .packed || objective.kind != .pairs else {
            throw TrainingError(
                .configuration, "objective seq2seq learns whole pairs: leave layout at packed")
        }
        guard !objective.kind.masksTokens || run.loss.zLoss == 0 else {
            throw TrainingError(
                .configuration, "z_loss is of objectives over next tokens, not of \(objective.kind.rawValue)")
        }
        guard objective.kind != .replaced || run.optimizer.averageDecay == 0 else {
            throw TrainingError(
                .configuration, "ema: no average is kept of the generator that objective rtd trains; leave ema out")
        }
        guard run.loss.embeddingNoise == 0 || objective.kind.model == .decoder else {
            throw TrainingError(.configuration, "neftune_alpha is of decoders, not of family \(family)")
        }
    }
}
