import MartletData
import MartletModels
import MartletNN
import MartletRuns
import MartletTensor
import MartletTokenizers

/// Masked tokens in pairs of texts, and whether the second belongs behind the first:
///
///     L = −1/N Σ log p(xₜ | the pair with masks) − 1/M Σ log p(label | h₀)   over N chosen places and M pairs
///
/// - **Next sentence** (BERT, Devlin et al. 2018, section 3.1): a text is cut in two; in half of the pairs another text's
///   second part takes the place of its own. Class 0: it follows, 1: it does not, as in `BertForPreTraining`.
/// - **Sentence order** (ALBERT, Lan et al. 2020, section 3.2): in half of the pairs the two parts change places. Class 0:
///   they are in their order, 1: they are not, as in `AlbertForPreTraining`.
///
/// A text is cut in its middle half, behind a token that ends a sentence where there is one. Pairs are framed as
/// `[CLS] A [SEP] B [SEP]` and no longer than the text was: the longer part gives way, A at its beginning, B at its end. A
/// text of fewer than four tokens is learnt by its masked tokens alone.
public struct SentencePairs: RowObjective {
    public enum Kind: Sendable { case nextSentence, sentenceOrder }

    /// Texts with their masks and segments, and what is to be found.
    public struct Batch {
        public var masked = MaskedTokens.Batch()
        /// For each text, the segment of every token.
        public var types: [[Int32]] = []
        /// For each text its class; nil for one that is no pair.
        public var labels: [Int32?] = []
        /// Of the whole step: chosen places for each pair, which makes means of both losses.
        public var placesPerPair: Double?

        public init() {}

        var pairCount: Int { labels.count { $0 != nil } }
        var placeCount: Int { masked.masked.reduce(0) { $0 + $1.count } }
    }

    public let model: SentencePairModel
    public let masking: TokenMasking
    public let kind: Kind
    /// What stands between the parts and behind the second.
    public let separator: Int32
    /// Another text, for a second part that does not follow; asked for by next-sentence prediction alone.
    public var otherText: (inout RandomStream) throws -> [Int32] = { _ in [] }
    /// Tokens that end a sentence.
    public var sentenceEnds: Set<Int32> = []
    public var smoothing: Float = 0
    public var dropout = 0.0, attentionDropout = 0.0
    public var seed: UInt64 = 0

    public init(_ model: SentencePairModel, _ masking: TokenMasking, _ kind: Kind, separator: Int32) {
        self.model = model
        self.masking = masking
        self.kind = kind
        self.separator = separator
    }

    // MARK: - Pairs

    public func batch(of rows: TrainingBatch, _ draw: RowDraw) throws -> Batch {
        var batch = Batch()
        try rows.forEachText(draw) { text, stream in
            let pair = try pair(of: text, &stream)
            let (masked, targets) = masking.masked(pair.tokens, &stream)
            batch.masked.texts.append(masked)
            batch.masked.masked.append(targets)
            batch.types.append(pair.types)
            batch.labels.append(pair.label)
        }
        return settled([batch])[0]
    }

    /// Both losses are means over the whole step.
    func settled(_ batches: [Batch]) -> [Batch] {
        let places = batches.reduce(0) { $0 + $1.placeCount }, pairs = batches.reduce(0) { $0 + $1.pairCount }
        return batches.map { batch in
            var own = batch
            own.placesPerPair = pairs > 0 ? Double(places) / Double(pairs) : nil
            return own
        }
    }

    /// A text as a pair, with its class.
    public func pair(of text: [Int32], _ stream: inout RandomStream) throws -> (
        tokens: [Int32], types: [Int32], label: Int32?
    ) {
        let inner = inner(of: text)
        let marks = (masking.begin == nil ? 0 : 1) + 2
        guard inner.count >= 4, text.count >= marks + 2 else {
            let whole = masking.framed(text)
            return (whole, Array(repeating: 0, count: whole.count), nil)
        }
        let cut = place(of: inner, &stream), isOther = stream.unit() < 0.5
        var first = Array(inner[..<cut]), second = Array(inner[cut...]), label: Int32 = 0
        if isOther {
            switch kind {
            case .sentenceOrder:
                (first, second, label) = (second, first, 1)
            case .nextSentence:
                if let other = try unlike(text, &stream) {
                    let part = self.inner(of: other)
                    second = Array(part[place(of: part, &stream)...])
                    label = 1
                }
            }
        }
        while first.count + second.count > text.count - marks {
            if first.count > second.count { first.removeFirst() } else { second.removeLast() }
        }
        let head = (masking.begin.map { [$0] } ?? []) + first + [separator], tail = second + [separator]
        return (head + tail, head.map { _ in 0 } + tail.map { _ in 1 }, label)
    }

    /// A text without the tokens that frame it in its shard: a separator at its end would stand before the one of the pair.
    private func inner(of text: [Int32]) -> ArraySlice<Int32> {
        var inner = text[...]
        if let begin = masking.begin, inner.first == begin { inner = inner.dropFirst() }
        while inner.last == separator { inner = inner.dropLast() }
        return inner
    }

    /// Where a text is cut: an index from a quarter to three quarters of it.
    private func place(of text: ArraySlice<Int32>, _ stream: inout RandomStream) -> Int {
        let quarter = text.count / 4, low = text.startIndex + max(1, quarter)
        let high = max(low, text.endIndex - max(1, quarter)), drawn = low + stream.below(high - low + 1)
        let ends = (low...high).filter { sentenceEnds.contains(text[$0 - 1]) }
        // The nearest to what was drawn, so that one word is drawn for every text.
        return ends.min { abs($0 - drawn) < abs($1 - drawn) } ?? min(drawn, text.endIndex - 1)
    }

    /// Another text of four tokens or more; nil where ten that were drawn are none.
    private func unlike(_ text: [Int32], _ stream: inout RandomStream) throws -> [Int32]? {
        for _ in 0..<10 {
            let other = try otherText(&stream)
            if inner(of: other).count >= 4, other != text { return other }
        }
        return nil
    }

    // MARK: - The loss

    public func weight(of batch: Batch) -> Double { Double(batch.placeCount) }
    public func tokenCount(of batch: Batch) -> Int { batch.masked.texts.reduce(0) { $0 + $1.count } }

    public func loss(of batch: Batch, _ context: StepContext) throws -> ObjectiveLoss {
        let masked = MaskedTokens.chosen(batch.masked)
        // A part without a chosen place or a pair has no share in the step.
        guard !masked.rows.isEmpty || batch.pairCount > 0 else { return ObjectiveLoss(try Tensor.zeros([])) }
        let drops = DecoderDropout.training(dropout, attentionDropout, seed: seed, context)
        let states = try model.masked.encoder(batch.masked.texts, types: batch.types, dropout: drops)
        var sum = try Tensor.zeros([]), metrics: [Metric] = []
        if !masked.rows.isEmpty {
            let found = try MaskedTokens.loss(
                model.masked.logits(states, rows: masked.rows), masked.targets, smoothing)
            sum = try sum + found.sum
            metrics.append(found.accuracy)
        }
        var first: [Int32] = [], labels: [Int32] = [], row: Int32 = 0
        for (text, label) in zip(batch.masked.texts, batch.labels) {
            if let label {
                first.append(row)
                labels.append(label)
            }
            row += Int32(text.count)
        }
        if let placesPerPair = batch.placesPerPair, !first.isEmpty {
            let pairs = try MaskedTokens.loss(model.pairLogits(states, rows: first), labels, 0)
            sum = try sum + pairs.sum * placesPerPair
            let count = Double(labels.count), accuracy = pairs.accuracy.value
            let mean = try pairs.sum.detach().item(as: Double.self) / count
            metrics +=
                kind == .nextSentence
                ? [
                    Metric("next_sentence_accuracy", accuracy, weight: count),
                    Metric("next_sentence_loss", mean, weight: count),
                ]
                : [
                    Metric("sentence_order_accuracy", accuracy, weight: count),
                    Metric("sentence_order_loss", mean, weight: count),
                ]
        }
        return ObjectiveLoss(try sum * (1 / context.weight), metrics: metrics)
    }

    func plain() -> SentencePairs {
        var own = SentencePairs(model, masking, kind, separator: separator)
        (own.otherText, own.sentenceEnds) = (otherText, sentenceEnds)
        return own
    }

    /// The beginning of a row as a pair, and what the model says of it.
    func sample(of row: TrainingBatch, _ tokenizer: Tokenizer, endTokens: Set<Int32>) throws -> (
        prompt: String, reply: String
    ) {
        var stream = RowDraw.heldOut(row: 0).stream(row: 0)
        let pair = try pair(of: Array(row.inputs.prefix(min(48, row.length))), &stream)
        guard let label = pair.label else { return (try tokenizer.decode(pair.tokens), "") }
        let states = try model.masked.encoder([pair.tokens], types: [pair.types])
        let chances = try model.pairLogits(states, rows: [0]).softmax(axis: 1).toArray(as: Double.self)
        let names = kind == .nextSentence ? ["follows", "does not follow"] : ["in order", "not in order"]
        let best = chances[1] > chances[0] ? 1 : 0, percent = Int((chances[best] * 100).rounded())
        return (
            try tokenizer.decode(pair.tokens, skipSpecialTokens: false),
            "\(names[best]) (\(percent) %); in truth: \(names[Int(label)])"
        )
    }
}

extension SentencePairs {
    /// Tokens that end a sentence in a vocabulary: whose text ends with a full stop, a question or exclamation mark, or a
    /// line.
    static func ends(_ tokenizer: Tokenizer) -> Set<Int32> {
        let marks = [".", "!", "?", "\n", "。", "！", "？"].map { Array($0.utf8) }
        return Set(
            (0..<Int32(tokenizer.vocabularySize)).filter { id in
                guard !tokenizer.specialTokens.contains(id), let bytes = tokenizer.bytes(of: id) else { return false }
                return marks.contains { bytes.suffix($0.count).elementsEqual($0) }
            })
    }

    /// Draws texts of rows: a text of a row of one of the sources, in their proportions.
    static func texts(of sources: [BatchStream.Source]) -> (inout RandomStream) throws -> [Int32] {
        let total = sources.reduce(0) { $0 + $1.weight }
        return { stream in
            var share = stream.unit() * total
            let source = sources.first {
                share -= $0.weight
                return share < 0
            }
            guard let set = (source ?? sources.last)?.set, set.count > 0 else { return [] }
            let row = stream.below(set.count)
            let batch = try set.batch(row..<row + 1), texts = batch.segments.filter { !$0.isPadding }
            guard !texts.isEmpty else { return [] }
            let text = texts[stream.below(texts.count)]
            return Array(batch.inputs[text.start..<text.end])
        }
    }
}
