import MartletModels
import MartletTensor

extension LanguageModel {
    public struct BenchmarkResult: Sendable {
        public let promptTokensPerSecond: Double
        public let newTokensPerSecond: Double
    }

    /// The speed of one prompt of random tokens and of greedy generation after it, with an empty cache.
    public func benchmark(promptTokens: Int, newTokens: Int, seed: UInt64) throws -> BenchmarkResult {
        let limit = configuration.contextLength
        guard promptTokens + newTokens <= limit else {
            throw ModelError.contextExceeded(tokens: promptTokens + newTokens, limit: limit)
        }
        var random = RandomStream(seed: seed)
        let prompt = (0..<promptTokens).map { _ in Int32(random.nextIndex(below: configuration.vocabularySize)) }
        let cache = KVCache(configuration, precision: precision)
        let clock = ContinuousClock()
        var started = clock.now
        var logits = try decoder.prefill(prompt, cache)
        let promptSeconds = (clock.now - started).seconds
        started = clock.now
        var sampler = Sampler(.greedy)
        for _ in 0..<newTokens {
            let token = sampler.next(UnsafeMutableBufferPointer(start: logits.floats, count: logits.elementCount))
            logits = try decoder.prefill([token], cache)
        }
        let newSeconds = (clock.now - started).seconds
        return BenchmarkResult(
            promptTokensPerSecond: Double(promptTokens) / promptSeconds,
            newTokensPerSecond: newTokens == 0 ? 0 : Double(newTokens) / newSeconds)
    }
}

extension Decoder {
    /// Extends a cache by a prompt in pieces; the logits after its last token, `[1, vocabulary]`.
    package func prefill(_ tokens: [Int32], _ cache: KVCache, chunk: Int = 512) throws -> Tensor {
        var start = 0
        while true {
            let end = min(start + chunk, tokens.count)
            let hidden = try hiddenStates(
                Array(tokens[start..<end]), [DecoderSequence(rows: 0..<(end - start), cache: cache)])
            if end == tokens.count { return try logits(hidden.leadingRows(end - start - 1, count: 1)) }
            start = end
        }
    }
}
