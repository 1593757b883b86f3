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
        guard clean.count == corrupted.count else {
            throw InterpretabilityError.lengthsDiffer(clean: clean.count, corrupted: corrupted.count)
        }
        let layers = probe.layerCount, heads = includesHeads ? probe.headCount : 0
        let names = Set((0..<layers).flatMap { [ActivationName(layer: $0, part), ActivationName(layer: $0, .heads)] })
        let good = try probe.run(clean, keeping: names), bad = try probe.run(corrupted, keeping: [] as Set)
        func difference(_ pass: ProbedPass) throws -> Double {
            let logits = try pass.lastLogits()
            guard [answer, wrong].allSatisfy({ logits.indices.contains(Int($0)) }) else {
                throw InterpretabilityError.badInput("the tokens \(answer) and \(wrong) are not both in the vocabulary")
            }
            return Double(logits[Int(answer)]) - Double(logits[Int(wrong)])
        }
        self.clean = try difference(good)
        self.corrupted = try difference(bad)
        let span = self.clean - self.corrupted, base = self.corrupted
        guard abs(span) > 1e-6 else {
            throw InterpretabilityError.badInput("both prompts prefer the answer by the same: nothing can be restored")
        }
        let total = layers * (clean.count + heads)
        var done = 0
        func restored(_ edit: ActivationEdit) throws -> Double {
            if isCancelled() { throw CancellationError() }
            let value = try difference(try probe.run(corrupted, keeping: [] as Set, editing: [edit]))
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
}
