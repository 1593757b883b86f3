import MartletInference
import MartletModels
import Testing
import TinyModels

/// What the bytes of a generator's cache are counted from, and what gives way when they are used up.
struct CacheAccountingTests {
    /// Runs requests to their ends together.
    /// - Returns: for each request and sample its tokens, and the statistics after each step.
    private func run(
        _ model: LanguageModel, _ requests: [EngineRequest], _ change: (inout EngineOptions) -> Void
    ) throws -> (tokens: [[[Int32]]], steps: [EngineStatistics]) {
        var options = EngineOptions()
        options.keepsPrefixes = false
        change(&options)
        let generator = try Generator(model, options)
        var tokens = requests.map { [[Int32]](repeating: [], count: $0.samples) }, steps: [EngineStatistics] = []
        for (index, request) in requests.enumerated() {
            try generator.submit(request) { output in
                guard case .events(let events) = output else { return }
                for case .token(let sample, let piece) in events {
                    if let token = piece.token { tokens[index][sample].append(token) }
                }
            }
        }
        while generator.step() { steps.append(generator.statistics) }
        return (tokens, steps)
    }

    private func alone(_ model: LanguageModel, _ requests: [EngineRequest]) throws -> [[[Int32]]] {
        try requests.map { try run(model, [$0]) { _ in }.tokens[0] }
    }

    /// The draft model's keys and values are part of the bytes in use and of the bytes there may be.
    @Test func draftsAreCounted() throws {
        let model = try LanguageModel.tiny(), draft = try LanguageModel.tiny()
        let requests = [EngineRequest.numbered(1, length: 60, maximum: 150, sampled: false)]
        let plain = try run(model, requests) { $0.cacheBytes = 1 }
        let drafted = try run(model, requests) {
            $0.cacheBytes = 1
            $0.speculation = .draft(draft, tokens: 3)
        }
        #expect(drafted.tokens == plain.tokens)
        let most = try #require(plain.steps.map(\.usedCacheBytes).max())
        #expect(try #require(drafted.steps.map(\.usedCacheBytes).max()) > most * 3 / 2)
        #expect(drafted.steps[0].totalCacheBytes > plain.steps[0].totalCacheBytes)
        // One context of both always fits.
        #expect(drafted.steps.last?.droppedDrafts == 0 && drafted.steps.last?.draftedTokens ?? 0 > 0)
    }

    /// Where there is no room for all, drafts go before sequences do, replies stay, and no step takes more than there is.
    @Test func draftsGiveWay() throws {
        let model = try LanguageModel.tiny(), draft = try LanguageModel.tiny()
        let requests = (0..<6).map {
            EngineRequest.numbered($0, length: 60, maximum: 150, sampled: $0 % 2 == 0)
        }
        let found = try run(model, requests) {
            $0.cacheBytes = 1
            $0.speculation = .draft(draft, tokens: 3)
        }
        #expect(try found.tokens == alone(model, requests))
        let last = try #require(found.steps.last)
        #expect(last.droppedDrafts > 0 && last.draftedTokens > 0)
        #expect(found.steps.allSatisfy { $0.usedCacheBytes <= $0.totalCacheBytes })
    }

    /// A request takes the places of all its samples; one with more samples than places runs alone.
    @Test func samplesTakePlaces() throws {
        let model = try LanguageModel.tiny()
        let requests = [3, 3, 6, 1].enumerated().map { number, samples in
            var request = EngineRequest.numbered(number, length: 40, maximum: 20, sampled: true)
            request.samples = samples
            return request
        }
        let found = try run(model, requests) { $0.maximumRunning = 4 }
        #expect(try found.tokens == alone(model, requests))
        #expect(found.steps.map(\.runningRequests).max() == 6)
        #expect(found.steps.allSatisfy { $0.runningRequests <= 4 || $0.runningRequests == 6 })
    }

    /// What samples share counts once, so that another request finds the room that is there.
    @Test func sharedBlocksCountOnce() throws {
        let model = try LanguageModel.tiny()
        let block = KVCache(model.configuration, precision: model.precision).blockByteCount
        let shared = 192 / KVCache.blockLength, own = 64 / KVCache.blockLength
        var many = EngineRequest.numbered(1, length: 193, maximum: 40, sampled: true)
        many.samples = 8
        let other = EngineRequest.numbered(2, length: 193, maximum: 40, sampled: true)
        let found = try run(model, [many, other]) {
            // The samples have a common beginning and each an end; the other request has both.
            $0.cacheBytes = block * (shared + 8 * own + shared + own + 2)
        }
        #expect(try found.tokens == alone(model, [many, other]))
        #expect(found.steps.map(\.runningRequests).max() == 9)
        #expect(found.steps.last?.preemptions == 0)
        #expect(found.steps.allSatisfy { $0.usedCacheBytes <= $0.totalCacheBytes })
    }
}
