import MartletModels
import MartletNN
import MartletSystem
import MartletTensor

extension LanguageModel {
    public struct BenchmarkResult: Sendable {
        public let promptTokensPerSecond: Double
        public let newTokensPerSecond: Double
    }

    /// The speed of the prefill of random tokens and of greedy decoding after it, with an empty cache.
    ///
    /// ```swift
    /// let speed = try model.benchmark(promptTokens: 512, newTokens: 64, seed: 0)
    /// print(speed.promptTokensPerSecond, speed.newTokensPerSecond)
    /// ```
    /// - Throws: `ModelError.contextExceeded`.
    public func benchmark(promptTokens: Int, newTokens: Int, seed: UInt64) throws -> BenchmarkResult {
        try decoder.benchmark(
            precision, cacheType: cacheType, promptTokens: promptTokens, newTokens: newTokens, seed: seed)
    }
}

extension Decoder {
    /// The same of a decoder that was prepared for this precision.
    /// - Parameter cacheType: how keys and values are stored.
    package func benchmark(
        _ precision: Precision, cacheType: KVCacheType, promptTokens: Int, newTokens: Int, seed: UInt64
    ) throws -> LanguageModel.BenchmarkResult {
        let limit = configuration.contextLength
        let tokens = promptTokens.adding(clamped: newTokens)
        guard tokens <= limit else { throw ModelError.contextExceeded(tokens: tokens, limit: limit) }
        var random = RandomStream(seed: seed)
        let prompt = (0..<promptTokens).map { _ in Int32(random.nextIndex(below: configuration.vocabularySize)) }
        var engine = EngineOptions.oneAtATime
        engine.keepsPrefixes = false
        engine.cacheType = cacheType
        let generator = try Generator(self, nil, precision: precision, endTokens: [], engine)
        var options = GenerationOptions()
        options.sampling = .greedy
        // The first token is sampled in the prefill.
        options.maximumTokens = newTokens == 0 ? 0 : min(newTokens + 1, limit - promptTokens)
        var statistics = GenerationStatistics()
        try noGrad {
            try generator.run(EngineRequest(prompt: prompt, options: options)) { events in
                for case .finished(_, _, let counts) in events { statistics = counts }
            }
        }
        return LanguageModel.BenchmarkResult(
            promptTokensPerSecond: statistics.promptTokensPerSecond,
            newTokensPerSecond: statistics.replyTokensPerSecond)
    }
}
