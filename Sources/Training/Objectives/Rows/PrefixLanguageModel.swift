import MartletData
import MartletModels
import MartletTensor
import MartletTokenizers

/// Next tokens behind a prefix whose tokens all see each other (Raffel et al. 2020, section 3.2; Liu et al. 2018):
///
///     L = −1/N Σ log p(xₜ | x₁ … xₚ both ways, xₚ₊₁ … xₜ₋₁)   over t > p
///
/// p is drawn evenly from 0 to one less than the text's length; where only some tokens of a text are trained on, as replies
/// are, the prefix is what stands before the first of them. A prefix of length 0 is an ordinary text, so the model also
/// learns to go on from what it sees one way only, as generation does.
public struct PrefixLanguageModel: RowObjective {
    /// Rows, and how many tokens of each segment see each other.
    public struct Batch {
        public var rows: TrainingBatch
        public var prefixes: [Int]
    }

    public var base: NextToken

    public init(_ base: NextToken) { self.base = base }

    public func batch(of rows: TrainingBatch, _ draw: RowDraw) throws -> Batch {
        var batch = rows, prefixes: [Int] = [], streams: [Int: RandomStream] = [:]
        for segment in rows.segments {
            let first = segment.row * rows.length + segment.start, count = segment.end - segment.start
            guard !segment.isPadding else {
                prefixes.append(0)
                continue
            }
            var stream = streams[segment.row] ?? draw.stream(row: segment.row)
            // A text has one token more than inputs.
            let drawn = stream.below(count + 1)
            streams[segment.row] = stream
            let learnt = rows.targets[first..<first + count].firstIndex { $0 != TrainingBatch.ignoredTarget } ?? first
            let prefix = rows.isTrainedWhole(segment) ? min(drawn, count) : learnt - first + 1
            for place in 0..<max(0, prefix - 1) { batch.targets[first + place] = TrainingBatch.ignoredTarget }
            prefixes.append(prefix)
        }
        return Batch(rows: batch, prefixes: prefixes)
    }

    public func weight(of batch: Batch) -> Double { base.weight(of: batch.rows) }
    public func tokenCount(of batch: Batch) -> Int { base.tokenCount(of: batch.rows) }
    public func loss(of batch: Batch, _ context: StepContext) throws -> ObjectiveLoss {
        try base.loss(of: batch.rows, masks: batch.prefixes.map { $0 > 1 ? .prefix($0) : nil }, context)
    }
    public func didStep(_ context: StepContext, sum: (Double) throws -> Double) throws {
        try base.didStep(context, sum: sum)
    }

    var routers: RouterLosses? { base.routers }

    func plain() -> PrefixLanguageModel { PrefixLanguageModel(base.plain()) }

    func sample(of row: TrainingBatch, _ tokenizer: Tokenizer, endTokens: Set<Int32>) throws -> (
        prompt: String, reply: String
    ) { try base.sample(of: row, tokenizer, endTokens: endTokens) }
}
