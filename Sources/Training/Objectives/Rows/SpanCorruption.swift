import MartletData
import MartletTensor
import MartletTokenizers

/// Spans of a text that an encoder-decoder writes, each after the sentinel that stands in its place, as T5 is pre-trained
/// (Raffel et al. 2020, section 3.1.4):
///
///     text     Thank you for inviting me to your party last week
///     source   Thank you ⟨0⟩ me to your party ⟨1⟩ week ⟨end⟩
///     target   ⟨0⟩ for inviting ⟨1⟩ last ⟨end⟩
///
/// How many tokens and spans are taken, and how their lengths are drawn, is as in T5's code: `rate` of the tokens in as many
/// spans as have `meanSpan` tokens on average, lengths drawn evenly among all that add up, the first of the text kept.
public struct SpanCorruption: RowObjective {
    public var base: SourceTargets
    public let sentinels: [Int32]
    public let end: Int32?
    public var rate = 0.15, meanSpan = 3.0
    /// Whether sources end with `end`, as they do where the tokenizer puts it behind every text.
    public var endsSources = true

    /// - Parameters:
    ///   - sentinels: in the order in which spans get them.
    ///   - end: what ends a source and a target.
    public init(_ base: SourceTargets, sentinels: [Int32], end: Int32?) {
        self.base = base
        self.sentinels = sentinels
        self.end = end
    }

    public func batch(of rows: TrainingBatch, _ draw: RowDraw) throws -> SourceTargets.Batch {
        var batch = SourceTargets.Batch(), streams: [Int: RandomStream] = [:]
        for segment in rows.segments {
            guard let text = rows.tokens(of: segment) else { continue }
            var stream = streams[segment.row] ?? draw.stream(row: segment.row)
            let pair = pair(of: text, &stream)
            streams[segment.row] = stream
            guard let pair else { continue }
            batch.add(source: pair.source, target: pair.target)
        }
        return batch
    }

    /// The source and the target that a text becomes.
    /// - Returns: nil for a text of one token, of which nothing would be left.
    public func pair(of text: [Int32], _ stream: inout RandomStream) -> (source: [Int32], target: [Int32])? {
        let lengths = Self.spans(of: text.count, rate: rate, mean: meanSpan, most: sentinels.count, &stream)
        guard !lengths.isEmpty else { return nil }
        var source: [Int32] = [], target: [Int32] = [], place = 0
        for (index, span) in lengths.enumerated() {
            source += text[place..<place + span.kept]
            source.append(sentinels[index])
            place += span.kept
            target.append(sentinels[index])
            target += text[place..<place + span.taken]
            place += span.taken
        }
        let last = end.map { [$0] } ?? []
        return (source + (endsSources ? last : []), target + last)
    }

    /// The lengths of stretches that are kept and taken in turn: T5's `random_spans_noise_mask`.
    static func spans(
        of length: Int, rate: Double, mean: Double, most: Int, _ stream: inout RandomStream
    ) -> [(kept: Int, taken: Int)] {
        guard length > 1, most > 0 else { return [] }
        let taken = min(max(Int((Double(length) * rate).rounded(.toNearestOrEven)), 1), length - 1)
        let wanted = max(Int((Double(taken) / mean).rounded(.toNearestOrEven)), 1)
        // Every stretch has a token or more.
        let count = min(wanted, min(taken, min(length - taken, most)))
        let takenLengths = parts(of: taken, count, &stream), kept = parts(of: length - taken, count, &stream)
        return zip(kept, takenLengths).map { ($0, $1) }
    }

    /// `count` lengths from 1 on that add up to `total`, all such lists equally likely: the places where parts begin are
    /// drawn.
    private static func parts(of total: Int, _ count: Int, _ stream: inout RandomStream) -> [Int] {
        var begins = Array(repeating: false, count: max(0, total - 1))
        for index in 0..<min(count - 1, begins.count) { begins[index] = true }
        for index in stride(from: begins.count - 1, to: 0, by: -1) { begins.swapAt(index, stream.below(index + 1)) }
        var parts = [1]
        for isBegin in begins {
            if isBegin { parts.append(1) } else { parts[parts.count - 1] += 1 }
        }
        return parts
    }

    public func weight(of batch: SourceTargets.Batch) -> Double { base.weight(of: batch) }
    public func tokenCount(of batch: SourceTargets.Batch) -> Int { base.tokenCount(of: batch) }
    public func loss(of batch: SourceTargets.Batch, _ context: StepContext) throws -> ObjectiveLoss {
        try base.loss(of: batch, context)
    }

    func plain() -> SpanCorruption {
        var own = self
        own.base = base.plain()
        return own
    }

    func sample(of row: TrainingBatch, _ tokenizer: Tokenizer, endTokens: Set<Int32>) throws -> (
        prompt: String, reply: String
    ) {
        var stream = RowDraw.heldOut(row: 0).stream(row: 0)
        guard let pair = pair(of: Array(row.inputs.prefix(min(48, row.length))), &stream) else { return ("", "") }
        let reply = try base.written(from: pair.source, endTokens: endTokens, tokens: pair.target.count + 8)
        return (
            try tokenizer.decode(pair.source, skipSpecialTokens: false),
            try tokenizer.decode(reply, skipSpecialTokens: false)
        )
    }

    /// The sentinels of a tokenizer: T5's <extra_id_0> and on.
    /// - Throws: `TrainingError` where it has none.
    static func sentinels(_ tokenizer: Tokenizer) throws(TrainingError) -> [Int32] {
        var found: [Int32] = []
        while let id = tokenizer.id(of: "<extra_id_\(found.count)>") { found.append(id) }
        guard found.isEmpty else { return found }
        throw TrainingError(
            .data,
            "objective span-corruption needs tokens that stand in the place of spans, <extra_id_0> and on, and the tokenizer "
                + "has none: train one with martlet tokenizer train --sentinels 100, and pack the data with it")
    }
}
