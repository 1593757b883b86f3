import MartletInference
import MartletJSON
import MartletModels
import MartletNN

/// What is asked about a text, and what was found, for a page and a JSON file: `martlet inspect`.
public struct ModelStudy {
    /// Which parts are worked out.
    public struct Questions: Sendable {
        public var lens = false, heads = false, attribution = false, gradients = false, induction = false
        /// A corrupted prompt to patch the first one's activations into.
        public var corrupted: String?
        /// With `corrupted`: what goes from each head to the logits past all other heads.
        public var paths = false
        /// The file of a tuned lens, for `lens`.
        public var tunedLens: String?
        /// The token that is asked about, and the one it is compared with; by default what the model says after either text.
        public var answer: String?, wrong: String?
        public init() {}
    }

    public let text: String
    public let tokens: [String]
    public private(set) var answer = "", wrong = ""
    public private(set) var lens: LogitLens?
    public private(set) var attribution: DirectAttribution?
    public private(set) var gradients: GradientAttribution?
    public private(set) var patching: ActivationPatching?
    public private(set) var paths: PathPatching?
    public private(set) var corruptedTokens: [String] = []
    public private(set) var rollout: [[Double]]?
    /// Of every head, which token each token looks at most: the mean attention to the first, the previous and the same token.
    public private(set) var headLooks: [(layer: Int, head: Int, first: Double, previous: Double, own: Double)] = []
    public private(set) var induction: InductionHeads?
    private let model: LanguageModel

    /// - Throws: `InterpretabilityError`, `CancellationError`.
    public init(
        _ model: LanguageModel, _ text: String, _ questions: Questions, isCancelled: () -> Bool = { false },
        progress: (String, Int, Int) -> Void = { _, _, _ in }
    ) throws {
        self.text = text
        self.model = model
        let probe = ModelProbe(model)
        let clean = try model.tokenizer.encode(text)
        tokens = clean.map { Self.shown($0, model) }
        let other = try questions.corrupted.map { try model.tokenizer.encode($0) }
        let (answer, wrong) = try Self.answers(
            model, clean: clean, corrupted: other, answer: questions.answer, wrong: questions.wrong)
        (self.answer, self.wrong) = (Self.shown(answer, model), Self.shown(wrong, model))
        func check() throws { if isCancelled() { throw CancellationError() } }
        if questions.lens {
            let tuned = try questions.tunedLens.map { try TunedLens(path: $0, for: probe) }
            lens = try LogitLens(probe, clean, target: answer, tuned: tuned)
        }
        try check()
        if questions.attribution { attribution = try DirectAttribution(probe, clean, token: answer, less: wrong) }
        try check()
        if questions.heads { try look(probe, clean) }
        try check()
        if questions.gradients {
            gradients = try GradientAttribution(
                probe, clean, token: answer, less: wrong, tolerance: 0.05, isCancelled: isCancelled)
        }
        if let other {
            corruptedTokens = other.map { Self.shown($0, model) }
            patching = try ActivationPatching(
                probe, clean: clean, corrupted: other, answer: answer, wrong: wrong, isCancelled: isCancelled
            ) { progress("patching", $0, $1) }
            if questions.paths {
                paths = try PathPatching(
                    probe, clean: clean, corrupted: other, answer: answer, wrong: wrong, isCancelled: isCancelled
                ) { progress("paths", $0, $1) }
            }
        }
        try check()
        if questions.induction {
            let special = model.endTokens.union([model.tokenizer.bosToken].compactMap { $0 })
            let drawn = (0..<Int32(clamping: min(model.tokenizer.vocabularySize, 20_000))).filter {
                !special.contains($0)
            }
            induction = try InductionHeads(probe, drawingFrom: drawn)
        }
    }

    /// A token's text.
    public func shown(_ token: Int32) -> String { Self.shown(token, model) }

    /// The token that is asked about and the one it is compared with: those named (their first tokens), or what the model says
    /// after either text; its second choice where that is the same.
    /// - Throws: `InterpretabilityError.badInput` for a name that is no token.
    public static func answers(
        _ model: LanguageModel, clean: [Int32], corrupted: [Int32]?, answer: String?, wrong: String?
    ) throws -> (answer: Int32, wrong: Int32) {
        let probe = ModelProbe(model)
        func best(_ tokens: [Int32]) throws -> (Int32, Int32) {
            let logits = try probe.run(tokens, keeping: [] as Set, lastOnly: true).lastLogits()
            let two = LogitLens.largest(logits[...], 2)
            return (Int32(two.first ?? 0), Int32(two.last ?? 0))
        }
        func token(_ text: String?) throws -> Int32? {
            guard let text else { return nil }
            let tokens = try model.tokenizer.encode(text, addSpecialTokens: false)
            guard let first = tokens.first else {
                throw InterpretabilityError.badInput("\(text.debugDescription) is no token")
            }
            return first
        }
        let named = (try token(answer), try token(wrong))
        if let first = named.0, let second = named.1, first != second { return (first, second) }
        let own = try best(clean)
        let answer = named.0 ?? own.0
        let wrong = try named.1 ?? corrupted.map { try best($0).0 } ?? own.1
        // Both prompts may lead to the same token.
        return (answer, wrong == answer ? (own.0 == answer ? own.1 : own.0) : wrong)
    }

    /// A token's text, or its number where it is none.
    public static func shown(_ token: Int32, _ model: LanguageModel) -> String {
        (try? model.tokenizer.decode([token])) ?? "#\(token)"
    }

    private mutating func look(_ probe: ModelProbe, _ clean: [Int32]) throws {
        let layers = probe.layerCount
        let pass = try probe.run(
            clean, keeping: Set((0..<layers).map { ActivationName(layer: $0, .pattern) }))
        rollout = try AttentionRollout.matrix(pass, layerCount: layers)
        for layer in 0..<layers {
            let pattern = try pass(ActivationName(layer: layer, .pattern)), count = clean.count
            let values: [Float] = try pattern.toArray()
            for head in 0..<pattern.shape[0] {
                func mean(_ column: (Int) -> Int) -> Double {
                    guard count > 1 else { return 1 }
                    return (1..<count).reduce(0.0) { $0 + Double(values[(head * count + $1) * count + column($1)]) }
                        / Double(count - 1)
                }
                headLooks.append((layer, head, mean { _ in 0 }, mean { $0 - 1 }, mean { $0 }))
            }
        }
    }

    // MARK: - JSON

    public var json: JSON {
        var members: [JSONObject.Element] = [
            ("text", .string(text)), ("tokens", .array(tokens.map { .string($0) })), ("answer", .string(answer)),
            ("wrong", .string(wrong)),
        ]
        func grid(_ values: [[Double]]) -> JSON { .array(values.map { .array($0.map { .number($0) }) }) }
        if let lens {
            members.append(
                (
                    "lens",
                    .array(
                        lens.guesses.map { rows in
                            .array(
                                rows.map { row in
                                    .array(
                                        row.map {
                                            [
                                                "token": .string(Self.shown($0.token, model)),
                                                "probability": .number($0.probability),
                                            ]
                                        })
                                })
                        })
                ))
            members.append(("lens_log_probability", .array((lens.logProbabilities ?? []).map { .number($0) })))
        }
        if let attribution {
            members.append(
                (
                    "attribution",
                    [
                        "difference": .number(attribution.difference), "rest": .number(attribution.rest),
                        "parts": .array(
                            attribution.contributions.map {
                                ["part": .string($0.part), "value": .number($0.value)]
                            }),
                    ]
                ))
        }
        if let gradients {
            members.append(
                (
                    "gradients",
                    [
                        "gradient_times_input": .array(gradients.gradientTimesInput.map { .number($0) }),
                        "integrated": .array(gradients.integrated.map { .number($0) }),
                        "difference": .number(gradients.value), "baseline": .number(gradients.baseline),
                        "gap": .number(gradients.gap),
                        "converged": gradients.isConverged.map { .bool($0) } ?? .null,
                        "convergence": .array(
                            gradients.convergence.map {
                                ["steps": .integer(Int64($0.steps)), "gap": .number($0.gap)]
                            }),
                    ]
                ))
        }
        if let patching {
            members.append(
                (
                    "patching",
                    [
                        "corrupted_tokens": .array(corruptedTokens.map { .string($0) }),
                        "clean": .number(patching.clean), "corrupted": .number(patching.corrupted),
                        "residuals": grid(patching.residuals), "heads": grid(patching.heads),
                    ]
                ))
        }
        if let paths { members.append(("paths_to_logits", grid(paths.effects))) }
        if let rollout { members.append(("rollout", grid(rollout))) }
        if !headLooks.isEmpty {
            members.append(
                (
                    "heads",
                    .array(
                        headLooks.map {
                            [
                                "layer": .integer(Int64($0.layer)), "head": .integer(Int64($0.head)),
                                "first": .number($0.first), "previous": .number($0.previous), "own": .number($0.own),
                            ]
                        })
                ))
        }
        if let induction {
            members.append(
                (
                    "induction",
                    [
                        "scores": grid(induction.scores), "previous_token": grid(induction.previousTokenScores),
                        "loss": .number(induction.loss), "loss_without": .number(induction.lossWithout),
                        "loss_without_others": .number(induction.lossWithoutOthers),
                        "switched_off": .array(
                            induction.best.map { [.integer(Int64($0.layer)), .integer(Int64($0.head))] }),
                    ]
                ))
        }
        return .object(JSONObject(members))
    }
}
