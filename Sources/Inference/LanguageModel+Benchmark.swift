import MartletModels
import MartletTensor

extension LanguageModel {
    public struct BenchmarkResult: Sendable {
        public let promptTokensPerSecond: Double
        public let newTokensPerSecond: Double
    }

    /// The speed of the prefill of random tokens and of greedy decoding after it, with an empty cache.
    public func benchmark(promptTokens: Int, newTokens: Int, seed: UInt64) throws -> BenchmarkResult {
        let limit = configuration.contextLength
        guard promptTokens + newTokens <= limit else {
            throw ModelError.contextExceeded(tokens: promptTokens + newTokens, limit: limit)
        }
        var random = RandomStream(seed: seed)
        let prompt = (0..<promptTokens).map { _ in Int32(random.nextIndex(below: configuration.vocabularySize)) }
        var engine = EngineOptions.oneAtATime
        engine.keepsPrefixes = false
        let generator = try Generator(decoder, nil, precision: precision, endTokens: [], engine)
        var options = GenerationOptions()
        options.sampling = .greedy
        // The first token is sampled in the prefill.
        options.maximumTokens = newTokens == 0 ? 0 : min(newTokens + 1, limit - promptTokens)
        var statistics = GenerationStatistics()
        try generator.run(EngineRequest(prompt: prompt, options: options)) { events in
            for case .finished(_, _, let counts) in events { statistics = counts }
        }
        return BenchmarkResult(
            promptTokensPerSecond: statistics.promptTokensPerSecond,
            newTokensPerSecond: statistics.replyTokensPerSecond)
    }
}
