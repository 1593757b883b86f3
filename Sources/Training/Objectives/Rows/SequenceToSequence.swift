import MartletData
import MartletTensor
import MartletTokenizers

/// Targets of pairs: translations, summaries, answers. Of each packed document the tokens before the first that is trained
/// on are the source, and all from there on the target. A text all of whose tokens are trained on has no source, and is
/// no pair: a run counts those of its data and tells them.
public struct SequenceToSequence: RowObjective {
    public var base: SourceTargets
    /// What ends a source and a target.
    public let end: Int32?
    /// Whether sources end with it, as they do where the tokenizer puts it behind every text.
    public var endsSources = true

    public init(_ base: SourceTargets, end: Int32?) {
        self.base = base
        self.end = end
    }

    public func batch(of rows: TrainingBatch, _ draw: RowDraw) throws -> SourceTargets.Batch {
        var batch = SourceTargets.Batch()
        for segment in rows.segments {
            // A text without a prompt is no pair.
            guard let text = rows.tokens(of: segment), !rows.isTrainedWhole(segment) else { continue }
            let first = segment.row * rows.length + segment.start
            let targets = rows.targets[first..<first + segment.end - segment.start]
            guard let learnt = targets.firstIndex(where: { $0 != TrainingBatch.ignoredTarget }) else { continue }
            let cut = learnt - first + 1
            batch.add(
                source: endsSources ? ended(text[..<cut]) : Array(text[..<cut]), target: ended(text[cut...]))
        }
        return batch
    }

    private func ended(_ text: ArraySlice<Int32>) -> [Int32] {
        guard let end, text.last != end else { return Array(text) }
        return text + [end]
    }

    public func weight(of batch: SourceTargets.Batch) -> Double { base.weight(of: batch) }
    public func tokenCount(of batch: SourceTargets.Batch) -> Int { base.tokenCount(of: batch) }
    public func loss(of batch: SourceTargets.Batch, _ context: StepContext) throws -> ObjectiveLoss {
        try base.loss(of: batch, context)
    }

    func plain() -> SequenceToSequence {
        var own = self
        own.base = base.plain()
        return own
    }

    func sample(of row: TrainingBatch, _ tokenizer: Tokenizer, endTokens: Set<Int32>) throws -> (
        prompt: String, reply: String
    ) {
        let pairs = try batch(of: row, .heldOut(row: 0))
        guard let source = pairs.sources.first, let target = pairs.targets.first else { return ("", "") }
        let reply = try base.written(from: source, endTokens: endTokens, tokens: min(96, 2 * target.count + 8))
        return (try tokenizer.decode(source), try tokenizer.decode(reply))
    }
}
