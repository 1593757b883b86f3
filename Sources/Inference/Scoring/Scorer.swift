import Dispatch
import MartletModels
import MartletNN
import MartletTensor

/// Log-likelihoods of given texts, for evaluation, reranking and rewards.
///
/// A context is computed once for all of its continuations, which continue from copies of its cache, many per pass. A
/// score has the same bits regardless of what is scored beside it. Memory is bounded: keys and values of one context,
/// and passes of limited size; logits are computed for one block of rows at a time.
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
    /// The token before a text that has no context.
    private let beginToken: Int32?
    /// The queue of the asynchronous calls: a model's own, so that scoring does not compete with its replies.
    private let queue: DispatchQueue

    /// Scores with a loaded model, at its precision.
    public init(_ model: LanguageModel) {
        decoder = model.decoder
        precision = model.precision
        beginToken = model.tokenizer.bosToken ?? model.tokenizer.eosTokens.min()
        queue = model.queue
    }

    /// Scores with a decoder without tokenizer, such as one in training (`.exact` uses the weights as they are).
    public init(_ decoder: Decoder, precision: Precision, beginToken: Int32? = nil) {
        self.decoder = decoder
        self.precision = precision
        self.beginToken = beginToken
        queue = DispatchQueue(label: "martlet.scoring", qos: .userInitiated)
    }

    private var limit: Int { decoder.configuration.contextLength }

    /// The log-likelihood of each continuation given the context.
    ///
    /// If context and continuation together exceed the model's context (the last token is not an input and does not
    /// count), the start of the context is dropped, and `omittedContextTokens` reports how much.
    /// - Returns: one score per continuation, in order.
    /// - Throws: `OptionError` for an empty context or continuation, `ModelError.tokenOutOfRange`,
    ///   `ModelError.contextExceeded` for a continuation that does not fit even with one token before it,
    ///   `CancellationError`.
    /// - Parameter shared: keeps the keys and values of this context for the next call, which then computes only what
    ///   differs; the scores have the same bits without it.
    public func logLikelihood(
        context: [Int32], continuations: [[Int32]], shared: SharedContext? = nil, isCancelled: () -> Bool = { false }
    ) throws -> [ContinuationScore] {
        try check("context", context)
        for (index, continuation) in continuations.enumerated() {
            try check("continuation \(index)", continuation)
            guard continuation.count <= limit else {
                throw ModelError.contextExceeded(tokens: continuation.count + 1, limit: limit + 1)
            }
        }
        var scores = [ContinuationScore?](repeating: nil, count: continuations.count)
        // Continuations that drop the same number of context tokens share the rest.
        let groups = Dictionary(grouping: continuations.indices) {
            max(context.count - (limit + 1 - continuations[$0].count), 0)
        }
        for (omitted, members) in groups.sorted(by: { $0.key < $1.key }) {
            let found = try noGrad {
                try score(context[omitted...], members.map { continuations[$0] }, shared, isCancelled)
            }
            for (index, tokens) in zip(members, found) {
                scores[index] = ContinuationScore(tokens, omittedContextTokens: omitted)
            }
        }
        return scores.compactMap { $0 }
    }

    /// Rolling log-likelihood: log p of every token of a text, which may be longer than the context.
    ///
    /// The text is divided into windows of the context's length, each computed from its own start; every token is
    /// scored once. The first window scores as many tokens as the context holds, with `prefix` before them. Each later
    /// window scores the next `stride` tokens (or what is left), preceded by as many earlier tokens as fit:
    /// `contextLength − stride + 1`, and more in the last window. The default stride is the context's length, which is
    /// what `loglikelihood_rolling` of lm-evaluation-harness computes. A smaller stride gives tokens more context and
    /// takes longer.
    ///
    /// ```swift
    /// let logs = try scorer.rolling(model.tokenizer.encode(text))
    /// let perplexity = exp(-logs.reduce(0, +) / Double(logs.count))
    /// ```
    ///
    /// - Parameters:
    ///   - prefix: the token before the first one; by default the model's beginning-of-sequence token, or else its
    ///     end-of-sequence token.
    ///   - stride: new tokens per window, from 1 to the context's length.
    /// - Returns: one number per token; their sum is the text's log-likelihood, exp(−sum / count) its perplexity.
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

    /// The windows of a text of `count` tokens with one token before them: the range of the inputs, and the range
    /// scored by the last of these inputs (each input predicts the token after it).
    package static func windows(
        _ count: Int, length: Int, stride: Int
    ) -> [(inputs: Range<Int>, scored: Range<Int>)] {
        var windows: [(inputs: Range<Int>, scored: Range<Int>)] = []
        // Positions count from the prefix, so the tokens are at 1...count.
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
    /// Asynchronous `logLikelihood`, serialised with the model's replies on its queue. Cancelling the task ends it
    /// after the current pass.
    public func logLikelihood(context: [Int32], continuations: [[Int32]]) async throws -> [ContinuationScore] {
        try await run { try $0.logLikelihood(context: context, continuations: continuations, isCancelled: $1) }
    }

    /// Asynchronous `rolling`, serialised with the model's replies on its queue. Cancelling the task ends it after the
    /// current pass.
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
