import Dispatch
import MartletModels
import MartletNN
import MartletTensor

/// Log-likelihoods of given texts, which is what evaluation, reranking and rewards ask of a model.
///
/// A context is computed once for all of its continuations, which go on from copies of its cache, many in one pass. A
/// score is the same bits whatever is scored beside it. Memory is that of one context's keys and values and of passes of
/// bounded size: logits are made for a block of rows at a time.
///
/// ```swift
/// let scorer = Scorer(model)
/// let context = try model.tokenizer.encode("The capital of France is")
/// let scores = try scorer.logLikelihood(context: context, continuations: [
///     try model.tokenizer.encode(" Paris", addSpecialTokens: false),
///     try model.tokenizer.encode(" Rome", addSpecialTokens: false),
/// ])
/// print(scores[0].logProbability > scores[1].logProbability)
/// ```
///
/// Thread safe.
public final class Scorer: @unchecked Sendable {
    let decoder: Decoder
    let precision: Precision
    /// What stands before the first token of a text that begins with itself.
    private let beginToken: Int32?
    /// Where the asynchronous calls compute: a model's own, so that scoring does not compete with its replies.
    private let queue: DispatchQueue

    /// Scores with a loaded model, at its precision.
    public init(_ model: LanguageModel) {
        decoder = model.decoder
        precision = model.precision
        beginToken = model.tokenizer.bosToken ?? model.tokenizer.eosTokens.min()
        queue = model.queue
    }

    /// Scores with a decoder alone, such as one in training (`.exact`: its weights as they are).
    public init(_ decoder: Decoder, precision: Precision, beginToken: Int32? = nil) {
        self.decoder = decoder
        self.precision = precision
        self.beginToken = beginToken
        queue = DispatchQueue(label: "martlet.scoring", qos: .userInitiated)
    }

    private var limit: Int { decoder.configuration.contextLength }

    /// How probable each continuation is after the context.
    ///
    /// Where context and continuation together exceed the model's context by more than the last token, which is never an
    /// input, the beginning of the context is left out and the score says how much (`omittedContextTokens`).
    /// - Returns: a score for each continuation, in order.
    /// - Throws: `OptionError` for an empty context or continuation, `ModelError.tokenOutOfRange`,
    ///   `ModelError.contextExceeded` for a continuation that has no room even with one token before it,
    ///   `CancellationError`.
    public func logLikelihood(
        context: [Int32], continuations: [[Int32]], isCancelled: () -> Bool = { false }
    ) throws -> [ContinuationScore] {
        try check("context", context)
        for (index, continuation) in continuations.enumerated() {
            try check("continuation \(index)", continuation)
            guard continuation.count <= limit else {
                throw ModelError.contextExceeded(tokens: continuation.count + 1, limit: limit + 1)
            }
        }
        var scores = [ContinuationScore?](repeating: nil, count: continuations.count)
        // Those that leave out the same tokens share what they keep.
        let groups = Dictionary(grouping: continuations.indices) {
            max(context.count - (limit + 1 - continuations[$0].count), 0)
        }
        for (omitted, members) in groups.sorted(by: { $0.key < $1.key }) {
            let found = try noGrad {
                try score(context[omitted...], members.map { continuations[$0] }, isCancelled)
            }
            for (index, tokens) in zip(members, found) {
                scores[index] = ContinuationScore(tokens, omittedContextTokens: omitted)
            }
        }
        return scores.compactMap { $0 }
    }

    /// log p of every token of a text that may be longer than the context.
    ///
    /// The text is cut into windows of the context's length, each computed from its own beginning; every token is scored
    /// once. The first window scores as many tokens as the context holds, with `prefix` before them. Each later one scores
    /// the next `stride` tokens, or what is left, after as many of those before them as there is room for:
    /// `contextLength − stride + 1`, and more in the last. The default stride is the context's length: that is what
    /// lm-evaluation-harness's `loglikelihood_rolling` computes. A smaller one gives tokens more context and takes longer.
    ///
    /// - Parameters:
    ///   - prefix: what stands before the first token; the model's beginning of sequence, else its end of sequence, when
    ///     left out.
    ///   - stride: new tokens of a window, from 1 to the context's length.
    /// - Returns: one number for each token; their sum is the text's log-likelihood, exp(−sum / count) its perplexity.
    /// - Throws: `OptionError`, `ModelError.tokenOutOfRange`, `CancellationError`.
    public func rolling(
        _ tokens: [Int32], prefix: Int32? = nil, stride: Int? = nil, isCancelled: () -> Bool = { false }
    ) throws -> [Double] {
        guard let prefix = prefix ?? beginToken else {
            throw OptionError(
                option: "prefix", value: "left out, and the model has no token that begins a text",
                expected: "a token that stands before the first")
        }
        let stride = stride ?? limit
        guard (1...max(limit, 1)).contains(stride) else {
            throw OptionError(option: "stride", value: "\(stride)", expected: "a number in 1…\(limit), the context")
        }
        guard !tokens.isEmpty else { return [] }
        let all = [prefix] + tokens
        try check("text", all)
        var scores: [Double] = []
        scores.reserveCapacity(tokens.count)
        for window in Self.windows(tokens.count, length: limit, stride: stride) {
            if isCancelled() { throw CancellationError() }
            let inputs = all[window.inputs]
            let run = ScoringRun(
                inputs: inputs, targets: all[window.scored], cache: KVCache(decoder.configuration, precision: precision)
            )
            let found = try noGrad { try score([run], isWhole: !sharesKeys(inputs.count), isCancelled) }
            scores += found[0].map(\.logProbability)
        }
        return scores
    }

    /// The windows of a text of `count` tokens with one token before them: places of what goes in, and of what is scored
    /// by the last of these (each input says what follows it).
    package static func windows(
        _ count: Int, length: Int, stride: Int
    ) -> [(inputs: Range<Int>, scored: Range<Int>)] {
        var windows: [(inputs: Range<Int>, scored: Range<Int>)] = []
        // Places count from the prefix, so that tokens stand at 1...count.
        var done = 0
        while done < count {
            let end = min(done + (done == 0 ? length : stride), count)
            windows.append((max(end - length, 0)..<end, (done + 1)..<(end + 1)))
            done = end
        }
        return windows
    }

    private func check(_ name: String, _ tokens: [Int32]) throws {
        guard !tokens.isEmpty else {
            throw OptionError(option: name, value: "empty", expected: "at least one token")
        }
        let size = decoder.configuration.vocabularySize
        for token in tokens where !(0..<size).contains(Int(token)) {
            throw ModelError.tokenOutOfRange(token: Int(token), vocabularySize: size)
        }
    }
}

// MARK: - Asynchronous

extension Scorer {
    /// `logLikelihood` on a queue of the model's, one computation at a time with its replies. Cancelling the task ends it
    /// with the pass that is under way.
    public func logLikelihood(context: [Int32], continuations: [[Int32]]) async throws -> [ContinuationScore] {
        try await run { try $0.logLikelihood(context: context, continuations: continuations, isCancelled: $1) }
    }

    /// `rolling` on a queue of the model's, one computation at a time with its replies. Cancelling the task ends it with
    /// the pass that is under way.
    public func rolling(_ tokens: [Int32], prefix: Int32? = nil, stride: Int? = nil) async throws -> [Double] {
        try await run { try $0.rolling(tokens, prefix: prefix, stride: stride, isCancelled: $1) }
    }

    private func run<Result: Sendable>(
        _ body: @escaping @Sendable (Scorer, () -> Bool) throws -> Result
    ) async throws -> Result {
        let cancelled = CancellationFlag()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                queue.async { [self] in
                    continuation.resume(with: Swift.Result { try body(self) { cancelled.isSet } })
                }
            }
        } onCancel: {
            cancelled.set()
        }
    }
}
