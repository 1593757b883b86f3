import MartletModels
import MartletNN
import MartletTensor
import MartletText
import Synchronization

/// One sequence being extended: its tokens, its cache, and the loop that predicts, picks and appends.
///
/// Not for use from several threads at once; `LanguageModel` runs each on its own queue.
package final class GenerationSession {
    let decoder: Decoder
    let tokenizer: Tokenizer
    /// Of the sequence as far as it has been computed.
    let cache: KVCache
    /// The tokens whose keys and values are in the cache.
    private var cachedTokens: [Int32] = []
    /// Tokens of a prompt computed in one pass: enough to fill the kernels, few enough to bound memory.
    private static let prefillChunk = 512

    package init(decoder: Decoder, tokenizer: Tokenizer, precision: Precision) {
        self.decoder = decoder
        self.tokenizer = tokenizer
        cache = KVCache(decoder.configuration, precision: precision)
    }

    /// Generates a reply to `prompt`, calling `emit` for each token until it returns false.
    package func run(
        _ prompt: [Int32], _ options: GenerationOptions, endTokens: Set<Int32>, isCancelled: () -> Bool,
        emit: (GeneratedToken) -> Void
    ) throws {
        if let beams = options.beams {
            let result = try search(prompt, options, beams, endTokens: endTokens, isCancelled: isCancelled)
            guard let (found, statistics) = result else {
                return emit(GeneratedToken(token: nil, text: "", finishReason: .cancelled, statistics: nil))
            }
            let reason = found.first?.finishReason ?? .length
            return emit(
                GeneratedToken(token: nil, text: found.first?.text ?? "", finishReason: reason, statistics: statistics))
        }
        let (maximum, ends) = try plan(prompt, options, endTokens: endTokens)
        var statistics = GenerationStatistics()
        let clock = ContinuousClock()
        var started = clock.now
        statistics.promptTokens = prompt.count
        statistics.cachedTokens = reuse(prompt)
        var sampler = Sampler(options.sampling, prompt: prompt)
        var text = StopStringScanner(options.stopStrings)
        var decoding = tokenizer.streamingDecoder(skipSpecialTokens: options.skipsSpecialTokens)
        func finish(_ reason: FinishReason, _ last: String) {
            emit(GeneratedToken(token: nil, text: last, finishReason: reason, statistics: statistics))
        }
        guard maximum > 0 else { return finish(.length, "") }
        guard var logits = try extend(prompt[statistics.cachedTokens...], isCancelled: isCancelled) else {
            return finish(.cancelled, "")
        }
        statistics.promptSeconds = (clock.now - started).seconds
        started = clock.now
        while true {
            let row = UnsafeMutableBufferPointer(start: logits.floats, count: logits.elementCount)
            if statistics.replyTokens < options.minimumTokens { row.forbid(ends) }
            let token = sampler.next(row)
            statistics.replyTokens += 1
            statistics.replySeconds = (clock.now - started).seconds
            if ends.contains(token) { return finish(.stop, text.append(decoding.finish()).text + text.finish()) }
            let characters = try decoding.append(token)
            let mayStop = statistics.replyTokens > options.minimumTokens
            let (shown, stop) = mayStop ? text.append(characters) : (characters, nil)
            emit(GeneratedToken(token: token, text: shown, finishReason: nil, statistics: nil))
            if let stop { return finish(.stop, options.includesStopString ? stop : "") }
            if statistics.replyTokens >= maximum {
                return finish(.length, text.append(decoding.finish()).text + text.finish())
            }
            if isCancelled() { return finish(.cancelled, text.append(decoding.finish()).text + text.finish()) }
            guard let next = try extend([token], isCancelled: isCancelled) else { return finish(.cancelled, "") }
            logits = next
        }
    }

    /// Checks prompt and options; the tokens there is room for, and those that end the reply.
    func plan(_ prompt: [Int32], _ options: GenerationOptions, endTokens: Set<Int32>) throws -> (
        maximum: Int, ends: Set<Int32>
    ) {
        let limit = decoder.configuration.contextLength
        guard !prompt.isEmpty else {
            throw OptionError(option: "prompt", value: "empty", expected: "at least one token")
        }
        guard prompt.count < limit else { throw ModelError.contextExceeded(tokens: prompt.count, limit: limit) }
        try options.sampling.validate(vocabularySize: decoder.configuration.vocabularySize)
        return (
            min(options.maximumTokens ?? .max, limit - prompt.count),
            (options.ignoresEndOfSequence ? [] : endTokens).union(options.stopTokens)
        )
    }

    /// Keeps what the cache shares with `tokens`, all but the last of them at most; returns how many that is.
    func reuse(_ tokens: [Int32]) -> Int {
        var shared = 0
        while shared < min(cachedTokens.count, tokens.count - 1), cachedTokens[shared] == tokens[shared] { shared += 1 }
        cache.truncate(to: shared)
        cachedTokens.removeSubrange(shared...)
        return shared
    }

    /// Appends tokens to the sequence; the logits after the last, `[1, vocabulary]`, or nil when cancelled.
    func extend(_ tokens: ArraySlice<Int32>, isCancelled: () -> Bool) throws -> Tensor? {
        var rest = tokens
        while true {
            let chunk = Array(rest.prefix(Self.prefillChunk))
            rest = rest.dropFirst(chunk.count)
            let hidden = try decoder.hiddenStates(chunk, [DecoderSequence(rows: 0..<chunk.count, cache: cache)])
            cachedTokens += chunk
            if rest.isEmpty { return try decoder.logits(hidden.leadingRows(chunk.count - 1, count: 1)) }
            if isCancelled() { return nil }
        }
    }
}

extension UnsafeMutableBufferPointer<Float> {
    /// Makes tokens impossible, unless only they are possible.
    func forbid(_ tokens: Set<Int32>) {
        var kept: [(index: Int, value: Float)] = []
        for token in tokens where indices.contains(Int(token)) {
            kept.append((Int(token), self[Int(token)]))
            self[Int(token)] = -.infinity
        }
        guard !contains(where: { $0 > -.infinity }) else { return }
        for (index, value) in kept { self[index] = value }
    }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
