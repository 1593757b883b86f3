import MartletInference
import MartletModels
import MartletTensor
import Testing
import TinyModels

/// A model with a sliding window in every other layer: replies far beyond the window, whatever is released, kept for
/// other requests, evicted, preempted and drafted.
struct WindowedEngineTests {
    private static let window = 40

    private static func model(_ change: (inout TinyModel) -> Void = { _ in }) throws -> LanguageModel {
        try .tiny {
            $0.window = window
            $0.contextLength = 1024
            change(&$0)
        }
    }

    private func engine(_ change: (inout EngineOptions) -> Void = { _ in }) throws -> Engine {
        var options = EngineOptions()
        change(&options)
        return try Engine(Self.model(), options)
    }

    private static func request(_ number: Int, length: Int, maximum: Int, sampled: Bool = false) -> EngineRequest {
        .numbered(number, length: length, maximum: maximum, sampled: sampled)
    }

    /// Greedy decoding over a cache that keeps every position.
    private func unbounded(_ prompt: [Int32], _ count: Int) throws -> [Int32] {
        let model = try Self.model(), decoder = model.decoder
        let cache = KVCache(decoder.configuration, precision: .fast, rollback: .max)
        var next = prompt, reply: [Int32] = []
        while reply.count < count {
            let logits = try decoder.prefill(next, cache).toArray(as: Float.self)
            next = [Int32(logits.indices.max { logits[$0] < logits[$1] } ?? 0)]
            reply += next
        }
        return reply
    }

    @Test func aReplyIsTheOneOfACacheThatKeepsAll() async throws {
        for length in [5, 39, 40, 41, 64, 128, 300] {
            let request = Self.request(1, length: length, maximum: 200)
            let wanted = try unbounded(request.prompt, 200)
            #expect(try await Outcome(engine { $0.tokensPerStep = 48 }, request).replies[0].tokens == wanted)
            let alone = try await Said(Self.model().generate(request.options) { request.prompt })
            #expect(alone.tokens == wanted)
        }
    }

    @Test func bytesAreThoseOfTheWindow() throws {
        var options = EngineOptions()
        options.keepsPrefixes = false
        options.tokensPerStep = 64
        let model = try Self.model(), generator = try Generator(model, options)
        let spec = model.configuration
        let bounded = spec.cacheBytes(tokens: 800, rows: 64)
        var other = spec
        for index in other.layers.indices { other.layers[index].attention.window = nil }
        #expect(Double(bounded) < 0.7 * Double(other.cacheBytes(tokens: 800, rows: 64)))
        var reply: [Int32] = []
        let request = Self.request(2, length: 600, maximum: 200)
        try generator.submit(request) { output in
            guard case .events(let events) = output else { return }
            for case .token(_, let piece) in events { reply += piece.token.map { [$0] } ?? [] }
        }
        var most = 0
        while generator.step() { most = max(most, generator.statistics.usedCacheBytes) }
        #expect(most <= bounded && most > bounded / 2)
        #expect(generator.statistics.usedCacheBytes == 0)
        #expect(try reply == unbounded(request.prompt, 200))
    }

    @Test(arguments: [false, true]) func companyAndPreemptionChangeNothing(sampled: Bool) async throws {
        let requests = (0..<6).map { Self.request($0, length: 150 + 90 * $0, maximum: 150, sampled: sampled) }
        var alone: [Reply] = []
        for request in requests { alone.append(try await Outcome(engine(), request).replies[0]) }
        for (keeps, bytes) in [(false, 1), (true, 1), (true, 400_000)] {
            let shared = try engine {
                $0.cacheBytes = bytes
                $0.keepsPrefixes = keeps
                $0.tokensPerStep = 96
            }
            for round in 0..<2 {
                let replies = try requests.map { (try shared.submit($0), $0) }
                for (index, (reply, request)) in replies.enumerated() {
                    let found = try await Outcome(reply, request).replies[0]
                    #expect(found == alone[index], "request \(index), round \(round), prefixes \(keeps)")
                }
            }
            let statistics = shared.statistics()
            #expect(bytes > 1 || statistics.preemptions > 0)
            #expect(statistics.usedCacheBytes <= statistics.totalCacheBytes)
        }
    }

    /// Others begin alike and go on differently: in the middle of a prompt, far from any window's end.
    @Test func aKeptPrefixChangesNothing() async throws {
        let engine = try engine { $0.tokensPerStep = 64 }
        let first = Self.request(3, length: 500, maximum: 60)
        let told = try await Outcome(engine, first)
        let again = try await Outcome(engine, first)
        // The block in which the prompt ended has left the reply's window: it is computed again.
        #expect(told.cachedTokens == 0 && again.cachedTokens == 448 && again.replies == told.replies)
        for length in [41, 64, 130, 333] {
            var other = first
            other.prompt = Array(first.prompt.prefix(length)) + [5, 6, 7, 8, 9]
            let outcome = try await Outcome(engine, other)
            // A chunk of the prompt was stored up to its last whole block.
            #expect(outcome.cachedTokens >= length / 64 * 64 && outcome.cachedTokens <= length)
            #expect(try await outcome.replies == Outcome(self.engine(), other).replies)
        }
        // The next turn goes on behind the reply.
        let turn = EngineRequest(
            prompt: first.prompt + told.replies[0].tokens + [9, 10, 11], options: .greedy(30))
        let next = try await Outcome(engine, turn)
        #expect(next.cachedTokens == 559)
        #expect(try await next.replies == Outcome(self.engine(), turn).replies)
    }

    /// A chat with one request at a time keeps the windows at the ends of prompt and reply: the next turn and another
    /// reply to the same prompt compute only what is new; memory stays that of the windows.
    @Test func aChatKeepsTheWindowsThatItGoesOnFrom() async throws {
        let model = try Self.model(), prompt = Self.request(4, length: 300, maximum: 1).prompt
        let first = try await Said(model.generate(.greedy(150)) { prompt })
        #expect(first.tokens == (try unbounded(prompt, 150)))
        let again = try await Said(model.generate(.greedy(150)) { prompt })
        #expect(again == first && again.statistics.cachedTokens == 256)
        let longer = prompt + first.tokens + [9, 10]
        let next = try await Said(model.generate(.greedy(100)) { longer })
        #expect(next.statistics.cachedTokens == 449)
        #expect(next.tokens == (try unbounded(longer, 100)))
        // Going on in the middle is computed anew, and right.
        let middle = Array(prompt.prefix(200)) + [7, 8]
        let fresh = try await Said(model.generate(.greedy(40)) { middle })
        #expect(fresh.tokens == (try unbounded(middle, 40)))
    }

    @Test(arguments: [false, true]) func guessingChangesNothing(sampled: Bool) async throws {
        let draft = try Self.model { $0.layerCount = 1 }, twin = try Self.model()
        for speculation in [
            EngineOptions.Speculation.promptLookup(tokens: 4), .draft(draft, tokens: 3), .draft(twin, tokens: 70),
        ] {
            let guessing = try engine {
                $0.speculation = speculation
                $0.tokensPerStep = 256
            }
            for number in 0..<2 {
                var request = Self.request(number, length: 150, maximum: 150, sampled: sampled)
                request.prompt += request.prompt[10..<30]
                let found = try await Outcome(guessing, request).replies
                #expect(try await found == Outcome(engine(), request).replies)
            }
            #expect(guessing.statistics().draftedTokens > 0)
        }
    }

    @Test func sharedContextsOfScoresAreCutAnywhere() throws {
        let model = try Self.model(), scorer = Scorer(model), shared = SharedContext()
        let text = Self.request(6, length: 400, maximum: 1).prompt
        for length in [400, 250, 90, 320] {
            let context = Array(text.prefix(length)) + [Int32(3 + length % 50)]
            let choices: [[Int32]] = [[5, 6, 7], [9], Array(text.prefix(70))]
            let found = try scorer.logLikelihood(context: context, continuations: choices, shared: shared)
            #expect(found == (try scorer.logLikelihood(context: context, continuations: choices)))
        }
        #expect(shared.reusedTokens == 250 + 90 + 90)
    }
}
