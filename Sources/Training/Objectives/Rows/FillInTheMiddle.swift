import MartletData
import MartletTensor
import MartletTokenizers

/// Next tokens of texts some of which have been cut in three and put together in another order, so that a model learns to
/// fill in a middle between what stands before and behind it (Bavarian et al. 2022, "Efficient Training of Language Models
/// to Fill in the Middle"):
///
///     PSM:  ⟨prefix⟩ prefix ⟨suffix⟩ suffix ⟨middle⟩ middle
///     SPM:  ⟨prefix⟩ ⟨suffix⟩ suffix ⟨middle⟩ prefix middle
///
/// All tokens are learnt. Cuts are drawn evenly among the places between tokens, text by text (rows cut from a stream are
/// one text), and the suffix is cut short by the three markers, so that a text keeps its length, as in the code of
/// SantaCoder and StarCoder. A text whose suffix is shorter than that stays as it is.
public struct FillInTheMiddle: RowObjective {
    public var base: NextToken
    public let markers: MiddleMarkers
    /// Share of texts that are cut, and of these, of the order suffix, prefix, middle.
    public var rate = 0.5, suffixFirst = 0.5

    public init(_ base: NextToken, _ markers: MiddleMarkers) {
        self.base = base
        self.markers = markers
    }

    public func batch(of rows: TrainingBatch, _ draw: RowDraw) throws -> TrainingBatch {
        var batch = rows
        var streams: [Int: RandomStream] = [:]
        for segment in rows.segments where rows.isTrainedWhole(segment) {
            var stream = streams[segment.row] ?? draw.stream(row: segment.row)
            defer { streams[segment.row] = stream }
            guard let tokens = rows.tokens(of: segment), let other = permuted(tokens, &stream) else { continue }
            let first = segment.row * rows.length + segment.start
            for place in 0..<tokens.count - 1 {
                batch.inputs[first + place] = other[place]
                batch.targets[first + place] = other[place + 1]
            }
        }
        return batch
    }

    /// A text in another order, as long as it was.
    /// - Returns: nil for one that stays as it is.
    func permuted(_ tokens: [Int32], _ stream: inout RandomStream) -> [Int32]? {
        // As many words are drawn for every text, whatever becomes of it.
        let isCut = stream.unit() < rate, isSuffixFirst = stream.unit() < suffixFirst
        let one = stream.below(tokens.count + 1), other = stream.below(tokens.count + 1)
        let start = min(one, other), end = max(one, other)
        guard isCut, tokens.count - end >= 3 else { return nil }
        let prefix = tokens[..<start], middle = tokens[start..<end], suffix = tokens[end..<tokens.count - 3]
        return isSuffixFirst
            ? markers.marked(prefix: [], suffix: suffix) + Array(prefix) + Array(middle)
            : markers.marked(prefix: prefix, suffix: suffix) + Array(middle)
    }

    public func weight(of batch: TrainingBatch) -> Double { base.weight(of: batch) }
    public func tokenCount(of batch: TrainingBatch) -> Int { base.tokenCount(of: batch) }
    public func loss(of batch: TrainingBatch, _ context: StepContext) throws -> ObjectiveLoss {
        try base.loss(of: batch, context)
    }
    public func didStep(_ context: StepContext, sum: (Double) throws -> Double) throws {
        try base.didStep(context, sum: sum)
    }

    var routers: RouterLosses? { base.routers }

    func plain() -> FillInTheMiddle {
        var own = self
        own.base = base.plain()
        return own
    }

    /// A middle for the beginning of a row: a third before it, a third behind it.
    func sample(of row: TrainingBatch, _ tokenizer: Tokenizer, endTokens: Set<Int32>) throws -> (
        prompt: String, reply: String
    ) {
        let text = Array(row.inputs.prefix(min(48, max(3, base.decoder.configuration.contextLength / 2))))
        let third = text.count / 3, prefix = text[..<third], suffix = text[(2 * third)...]
        let prompt = markers.marked(prefix: prefix, suffix: suffix)
        let middle = try base.continuation(of: prompt, tokenizer, endTokens: endTokens, tokens: 24)
        return (try "\(tokenizer.decode(Array(prefix))) [ … ] \(tokenizer.decode(Array(suffix)))", middle)
    }
}

/// The tokens that mark the parts of a text whose middle is to be filled in.
public struct MiddleMarkers: Sendable, Equatable {
    public var prefix, suffix, middle: Int32

    public init(prefix: Int32, suffix: Int32, middle: Int32) {
        (self.prefix, self.suffix, self.middle) = (prefix, suffix, middle)
    }

    /// What stands before a middle.
    func marked(prefix before: ArraySlice<Int32>, suffix behind: ArraySlice<Int32>) -> [Int32] {
        var text = [prefix]
        text += before
        text.append(suffix)
        text += behind
        text.append(middle)
        return text
    }

    /// Names of them in published tokenizers.
    static let names = [
        ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"), ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
        ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
        ("<\u{FF5C}fim\u{2581}begin\u{FF5C}>", "<\u{FF5C}fim\u{2581}hole\u{FF5C}>", "<\u{FF5C}fim\u{2581}end\u{FF5C}>"),
        ("\u{2581}<PRE>", "\u{2581}<SUF>", "\u{2581}<MID>"), ("<PRE>", "<SUF>", "<MID>"),
        ("[PREFIX]", "[SUFFIX]", "[MIDDLE]"),
    ]

    /// Those of a tokenizer.
    /// - Throws: `TrainingError` where it has none.
    public init(_ tokenizer: Tokenizer) throws(TrainingError) {
        for (first, second, third) in Self.names {
            guard let prefix = tokenizer.id(of: first), let suffix = tokenizer.id(of: second),
                let middle = tokenizer.id(of: third)
            else { continue }
            self.init(prefix: prefix, suffix: suffix, middle: middle)
            return
        }
        throw TrainingError(
            .data,
            "objective fim needs tokens that mark the parts of a text, and the tokenizer has none (as "
                + "\(Self.names[0].0), \(Self.names[0].1), \(Self.names[0].2)): train one with martlet tokenizer train "
                + "--special \"\(Self.names[0].0)\" and so on, and pack the data with it")
    }
}
