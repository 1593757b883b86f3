import MartletTensor

/// Activation patching: runs the corrupted prompt with one activation of the clean one, and measures how much of the clean
/// answer comes back.
///
///     restored = (d(patched) − d(corrupted)) / (d(clean) − d(corrupted)),   d = logit(answer) − logit(wrong)
///
/// 1 is the clean answer, 0 the corrupted one.
///
/// Source: Vig et al. 2020; Meng et al. 2022 ("causal tracing").
public struct ActivationPatching: Sendable {
    public var clean: Double, corrupted: Double
    /// `[layers][tokens]`: the residual stream after a layer at one token.
    public var residuals: [[Double]]
    /// `[layers][heads]`: one head's output at all tokens.
    public var heads: [[Double]]

    /// - Throws: `InterpretabilityError` for prompts of different lengths or with equal answers; `CancellationError`.
    public init(
        _ probe: ModelProbe, clean: [Int32], corrupted: [Int32], answer: Int32, wrong: Int32,
        part: ActivationName.Part = .residualAfter, includesHeads: Bool = true, isCancelled: () -> Bool = { false },
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws {
        let metric = AnswerDifference(answer, less: wrong)
        let layers = probe.layerCount, heads = includesHeads ? probe.headCount : 0
        let names = Set((0..<layers).flatMap { [ActivationName(layer: $0, part), ActivationName(layer: $0, .heads)] })
        let (good, bad) = try metric.passes(probe, clean: clean, corrupted: corrupted, keeping: names)
        self.clean = try metric(good)
        self.corrupted = try metric(bad)
        let span = try metric.span(self.clean, self.corrupted), base = self.corrupted
        let total = layers * (clean.count + heads)
        var done = 0
        func restored(_ edit: ActivationEdit) throws -> Double {
            if isCancelled() { throw CancellationError() }
            let value = try metric(try probe.run(corrupted, keeping: [] as Set, editing: [edit], lastOnly: true))
            done += 1
            progress(done, total)
            return (value - base) / span
        }
        residuals = try (0..<layers).map { layer in
            let name = ActivationName(layer: layer, part), own = try good(name)
            return try clean.indices.map { try restored(.replace(name, with: own, rows: $0..<$0 + 1)) }
        }
        self.heads = try (0..<(heads == 0 ? 0 : layers)).map { layer in
            let own = try good(ActivationName(layer: layer, .heads))
            return try (0..<heads).map { try restored(.replaceHead(layer, $0, of: heads, with: own)) }
        }
    }

    /// One activation at one token, and what the model says then.
    /// - Throws: as `init`.
    public static func one(
        _ probe: ModelProbe, clean: [Int32], corrupted: [Int32], answer: Int32, wrong: Int32, _ name: ActivationName,
        token: Int
    ) throws -> (clean: Double, corrupted: Double, restored: Double, logits: [Float]) {
        let metric = AnswerDifference(answer, less: wrong)
        let (good, bad) = try metric.passes(probe, clean: clean, corrupted: corrupted, keeping: [name])
        let values = (try metric(good), try metric(bad)), span = try metric.span(values.0, values.1)
        let edit = ActivationEdit.replace(name, with: try good(name), rows: token..<token + 1)
        let patched = try probe.run(corrupted, keeping: [] as Set, editing: [edit], lastOnly: true)
        return (values.0, values.1, (try metric(patched) - values.1) / span, try patched.lastLogits())
    }
}
