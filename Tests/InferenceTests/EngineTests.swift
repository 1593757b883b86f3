import Dispatch
import MartletGrammar
import MartletInference
import MartletModels
import Synchronization
import Testing
import TinyModels

/// The events of one sample, put together.
struct Reply: Equatable {
    var tokens: [Int32] = []
    var text = ""
    var reason: FinishReason?
    var statistics = GenerationStatistics()
    var logProbabilities: [Float] = []

    static func == (left: Reply, right: Reply) -> Bool {
        left.tokens == right.tokens && left.text == right.text && left.reason == right.reason
            && left.logProbabilities == right.logProbabilities
    }
}

/// Everything an engine said of one request.
struct Outcome {
    var replies: [Reply]
    var cachedTokens = -1
    var prompt: [TokenLogProbability?] = []

    init(_ engine: Engine, _ request: EngineRequest) async throws {
        try await self.init(engine.submit(request), request)
    }

    init(_ reply: EngineReply, _ request: EngineRequest) async throws {
        replies = [Reply](repeating: Reply(), count: request.samples)
        for try await event in reply {
            switch event {
            case .started(let cached, _): cachedTokens = cached
            case .prompt(let scores): prompt = scores
            case .token(let sample, let piece):
                if let token = piece.token { replies[sample].tokens.append(token) }
                replies[sample].text += piece.text
                if let value = piece.logProbability { replies[sample].logProbabilities.append(value.logProbability) }
            case .finished(let sample, let reason, let statistics):
                #expect(replies[sample].reason == nil, "a sample ends once")
                replies[sample].reason = reason
                replies[sample].statistics = statistics
            }
        }
    }
}

extension EngineRequest {
    /// A prompt that differs from others by its number from the third token on.
    static func numbered(_ number: Int, length: Int, maximum: Int, sampled: Bool) -> EngineRequest {
        let prompt = (0..<length).map { Int32(3 + ($0 * (number + 7) + ($0 > 2 ? number : 0)) % 120) }
        return EngineRequest(prompt: prompt, options: sampled ? .sampled(maximum, seed: 77) : .greedy(maximum))
    }
}

/// The same bytes whatever else happens, and everything ends as it should.
struct EngineTests {
    private func engine(
        _ model: LanguageModel? = nil, _ change: (inout EngineOptions) -> Void = { _ in }
    ) throws -> Engine {
        var options = EngineOptions()
        change(&options)
        return try Engine(model ?? LanguageModel.tiny(), options)
    }

    @Test(arguments: [false, true]) func aReplyIsTheOneAModelAloneGives(sampled: Bool) async throws {
        let request = EngineRequest.numbered(1, length: 70, maximum: 40, sampled: sampled)
        let alone = try await Said(LanguageModel.tiny().generate(request.options) { request.prompt })
        let reply = try await Outcome(engine(), request).replies[0]
        #expect(reply.tokens == alone.tokens && reply.text == alone.text && reply.reason == alone.reason)
    }

    @Test(arguments: [false, true]) func companyChangesNothing(sampled: Bool) async throws {
        let requests = (0..<16).map {
            EngineRequest.numbered($0, length: 5 + 11 * $0, maximum: 10 + 5 * ($0 % 7), sampled: sampled)
        }
        var alone: [Reply] = []
        for request in requests { alone.append(try await Outcome(engine(), request).replies[0]) }
        let shared = try engine { $0.tokensPerStep = 48 }
        let replies = try requests.map { (try shared.submit($0), $0) }
        for (index, (reply, request)) in replies.enumerated() {
            #expect(try await Outcome(reply, request).replies[0] == alone[index], "request \(index)")
        }
        #expect(shared.statistics().sequenceSteps > shared.statistics().steps, "they ran together")
    }

    @Test(arguments: [false, true]) func aKeptPromptChangesNothing(sampled: Bool) async throws {
        let request = EngineRequest.numbered(2, length: 150, maximum: 30, sampled: sampled)
        let engine = try engine()
        let first = try await Outcome(engine, request)
        let again = try await Outcome(engine, request)
        #expect(first.cachedTokens == 0 && again.cachedTokens == 149)
        #expect(again.replies == first.replies)
    }

    @Test func theNextTurnComputesOnlyWhatIsNew() async throws {
        let engine = try engine()
        let first = EngineRequest.numbered(3, length: 100, maximum: 30, sampled: true)
        let reply = try await Outcome(engine, first).replies[0]
        var second = EngineRequest(prompt: first.prompt + reply.tokens + [9, 10, 11], options: .sampled(20, seed: 5))
        let outcome = try await Outcome(engine, second)
        // The last token of a reply is never computed until something follows it.
        #expect(outcome.cachedTokens == 129)
        #expect(try await outcome.replies == Outcome(self.engine(), second).replies)
        second.cacheSalt = "somebody else"
        let other = try await Outcome(engine, second)
        #expect(other.cachedTokens == 0 && other.replies == outcome.replies)
    }

    @Test func preemptionChangesNothing() async throws {
        let requests = (0..<6).map { EngineRequest.numbered($0, length: 60, maximum: 150, sampled: $0 % 2 == 0) }
        var alone: [Reply] = []
        for request in requests { alone.append(try await Outcome(engine(), request).replies[0]) }
        // Room for one context and a block: five of six have to wait and to go back.
        let small = try engine {
            $0.cacheBytes = 1
            $0.keepsPrefixes = false
        }
        let replies = try requests.map { (try small.submit($0), $0) }
        for (index, (reply, request)) in replies.enumerated() {
            #expect(try await Outcome(reply, request).replies[0] == alone[index], "request \(index)")
        }
        #expect(small.statistics().preemptions > 0)
        #expect(small.statistics().usedCacheBytes <= small.statistics().totalCacheBytes)
    }

    @Test(arguments: [false, true]) func guessingChangesNothing(sampled: Bool) async throws {
        let draft = try LanguageModel.tiny { $0.layerCount = 1 }
        // The very same model agrees with itself; the one with another depth hardly ever.
        let twin = try LanguageModel.tiny()
        for speculation in [
            EngineOptions.Speculation.promptLookup(tokens: 4), .draft(draft, tokens: 3), .draft(twin, tokens: 3),
        ] {
            let guessing = try engine {
                $0.speculation = speculation
                $0.tokensPerStep = 64
            }
            let requests = (0..<5).map { number in
                var request = EngineRequest.numbered(number, length: 40, maximum: 60, sampled: sampled)
                request.prompt += request.prompt[10..<30]
                request.topLogProbabilities = 0
                return request
            }
            let replies = try requests.map { (try guessing.submit($0), $0) }
            for (reply, request) in replies {
                #expect(try await Outcome(reply, request).replies == Outcome(engine(), request).replies)
            }
            let statistics = guessing.statistics()
            #expect(statistics.draftedTokens > 0)
            if case .draft(let model, _) = speculation, model === twin {
                #expect(Double(statistics.acceptedTokens) > 0.9 * Double(statistics.draftedTokens))
            }
        }
    }

    // MARK: - Samples and probabilities

    @Test func samplesShareThePromptAndDifferBySeed() async throws {
        let engine = try engine { $0.keepsPrefixes = false }
        var request = EngineRequest.numbered(4, length: 130, maximum: 20, sampled: true)
        request.samples = 5
        let outcome = try await Outcome(engine, request)
        #expect(engine.statistics().promptTokens == 130)
        for sample in 0..<5 {
            var single = request
            single.samples = 1
            single.options.sampling.seed = 77 + UInt64(sample)
            #expect(try await Outcome(engine, single).replies[0] == outcome.replies[sample])
        }
        #expect(Set(outcome.replies.map(\.tokens)).count > 1)
    }

    @Test func logProbabilitiesAreThoseOfTheWholeText() async throws {
        let engine = try engine()
        var request = EngineRequest.numbered(5, length: 90, maximum: 10, sampled: true)
        request.topLogProbabilities = 3
        let reply = try await Outcome(engine, request).replies[0]
        var scored = EngineRequest(prompt: request.prompt + reply.tokens, options: .greedy(0))
        scored.promptLogProbabilities = 2
        let outcome = try await Outcome(engine, scored)
        #expect(outcome.replies[0].reason == .length && outcome.replies[0].tokens.isEmpty)
        #expect(outcome.prompt.count == 100 && outcome.prompt[0] == nil)
        #expect(outcome.prompt[90...].map { $0?.logProbability } == reply.logProbabilities)
        for score in outcome.prompt.compactMap({ $0 }) {
            #expect(score.top.count == 2 && score.top[0].logProbability >= score.top[1].logProbability)
            #expect(score.logProbability <= score.top[0].logProbability)
        }
        // They are probabilities: over the whole vocabulary they add up to one.
        scored.promptLogProbabilities = engine.model.configuration.vocabularySize
        let sum = try await Outcome(engine, scored).prompt[5]?.top.reduce(0) {
            $0 + Double($1.logProbability).exponential
        }
        #expect(abs((sum ?? 0) - 1) < 1e-5)
    }

    // MARK: - Ends

    @Test func leavingTheLoopFreesTheBlocksWithinAStep() async throws {
        let engine = try engine { $0.keepsPrefixes = false }
        // While the loop is held, nothing of the request can have begun.
        let held = DispatchSemaphore(value: 0), isHeld = Flag()
        async let body: Void = engine.perform { _ in
            isHeld.set()
            held.wait()
        }
        while !isHeld.isSet { try await Task.sleep(for: .milliseconds(1)) }
        let request = EngineRequest.numbered(6, length: 30, maximum: 200, sampled: true)
        let reply = try engine.submit(request)
        reply.cancel()
        held.signal()
        try await body
        let cancelled = try await Outcome(reply, request).replies[0]
        #expect(cancelled.reason == .cancelled && cancelled.tokens.isEmpty)
        let task = Task {
            for try await event in try engine.submit(.numbered(7, length: 30, maximum: 200, sampled: true)) {
                if case .token = event { break }
            }
        }
        try await task.value
        await engine.drain()
        #expect(engine.statistics().usedCacheBytes == 0 && engine.statistics().runningRequests == 0)
    }

    @Test func aDeadlineEndsWhatIsUnderWay() async throws {
        let engine = try engine()
        var request = EngineRequest.numbered(8, length: 30, maximum: 200, sampled: true)
        request.deadline = ContinuousClock.now
        request.samples = 3
        let outcome = try await Outcome(engine, request)
        #expect(outcome.replies.map(\.reason) == [.deadline, .deadline, .deadline])
    }

    @Test func whatWaitsIsBounded() async throws {
        let engine = try engine {
            $0.maximumWaiting = 2
            $0.maximumRunning = 1
        }
        // While the loop is held, none of them ends.
        let held = DispatchSemaphore(value: 0), isHeld = Flag()
        async let body: Void = engine.perform { _ in
            isHeld.set()
            held.wait()
        }
        while !isHeld.isSet { try await Task.sleep(for: .milliseconds(1)) }
        defer { held.signal() }
        var replies: [(EngineReply, EngineRequest)] = []
        var refused = 0
        for number in 0..<40 {
            let request = EngineRequest.numbered(number, length: 20, maximum: 200, sampled: true)
            do { replies.append((try engine.submit(request), request)) } catch let error as EngineError {
                guard case .overloaded(let seconds) = error else { throw error }
                #expect(seconds >= 1)
                refused += 1
            }
        }
        held.signal()
        try await body
        #expect(refused > 0 && engine.statistics().refused == refused)
        for (reply, request) in replies { #expect(try await Outcome(reply, request).replies[0].reason == .length) }
    }

    @Test func whoFindsAPlaceToRunDoesNotWait() async throws {
        let engine = try engine {
            $0.maximumWaiting = 1
            $0.maximumRunning = 6
        }
        for round in 0..<3 {
            let requests = (0..<7).map {
                EngineRequest.numbered(7 * round + $0, length: 20, maximum: 50, sampled: true)
            }
            let replies = try requests.map { try engine.submit($0) }
            for (reply, request) in zip(replies, requests) { _ = try await Outcome(reply, request) }
            // The last of them is told of before its place is.
            while engine.statistics().runningRequests > 0 { try await Task.sleep(for: .milliseconds(1)) }
        }
        #expect(engine.statistics().refused == 0)
    }

    @Test func drainingFinishesWhatWasTakenAndRefusesTheRest() async throws {
        let engine = try engine()
        let request = EngineRequest.numbered(9, length: 30, maximum: 100, sampled: true)
        let reply = try engine.submit(request)
        async let drained: Void = engine.drain()
        #expect(try await Outcome(reply, request).replies[0].tokens.count == 100)
        await drained
        #expect(throws: EngineError.shuttingDown) { try engine.submit(request) }
    }

    @Test func stoppingEndsEverything() async throws {
        let engine = try engine()
        let request = EngineRequest.numbered(10, length: 30, maximum: 225, sampled: true)
        let replies = try (0..<8).map { _ in try engine.submit(request) }
        engine.stop()
        for reply in replies {
            do { _ = try await Outcome(reply, request) } catch { #expect(error as? EngineError == .shuttingDown) }
        }
        await engine.drain()
        await #expect(throws: EngineError.shuttingDown) { try await engine.perform { _ in 1 } }
    }

    @Test func whatIsWrongIsRefusedAtOnce() async throws {
        let engine = try engine()
        func request(_ change: (inout EngineRequest) -> Void) -> EngineRequest {
            var request = EngineRequest.numbered(1, length: 20, maximum: 5, sampled: false)
            change(&request)
            return request
        }
        #expect(throws: EngineError.contextExceeded(tokens: 256, maximumTokens: nil, limit: 256)) {
            try engine.submit(EngineRequest(prompt: [Int32](repeating: 5, count: 256)))
        }
        #expect(throws: EngineError.contextExceeded(tokens: 20, maximumTokens: 237, limit: 256)) {
            try engine.submit(request { $0.options.maximumTokens = 237 })
        }
        #expect(throws: OptionError.self) { try engine.submit(request { $0.prompt = [] }) }
        #expect(throws: ModelError.self) { try engine.submit(request { $0.prompt[3] = 128 }) }
        #expect(throws: OptionError.self) { try engine.submit(request { $0.samples = 1_000_000_000 }) }
        #expect(throws: OptionError.self) { try engine.submit(request { $0.options.sampling.temperature = .nan }) }
        // A prompt that fills the context can be scored all the same.
        var whole = EngineRequest(prompt: [Int32](repeating: 5, count: 256), options: .greedy(0))
        whole.promptLogProbabilities = 0
        #expect(try await Outcome(engine, whole).prompt.count == 256)
    }

    // MARK: - Grammar and limits of a reply

    @Test func aConstraintDecidesWhatMayFollow() async throws {
        let engine = try engine()
        var request = EngineRequest.numbered(11, length: 20, maximum: 30, sampled: true)
        request.constraint = Countdown(tokens: [40, 41, 42], end: engine.model.endTokens.min() ?? 0)
        let replies = try await Outcome(engine, request).replies
        #expect(replies[0].tokens == [40, 41, 42, engine.model.endTokens.min() ?? 0] && replies[0].reason == .stop)
    }

    @Test func aReplyIsAtLeastAsLongAsAsked() async throws {
        let engine = try engine()
        let end = engine.model.endTokens.min() ?? 0
        var request = EngineRequest.numbered(12, length: 20, maximum: 30, sampled: false)
        request.options.sampling.logitBias = [end: 1000]
        #expect(try await Outcome(engine, request).replies[0].tokens == [end])
        request.options.minimumTokens = 4
        let reply = try await Outcome(engine, request).replies[0]
        #expect(reply.tokens.count == 5 && reply.tokens.last == end && !reply.tokens.dropLast().contains(end))
    }

    @Test func aStopStringEndsNoReplyThatIsTooShort() async throws {
        let engine = try engine()
        var request = EngineRequest.numbered(14, length: 20, maximum: 30, sampled: false)
        request.options.ignoresEndOfSequence = true
        let free = try await Outcome(engine, request).replies[0]
        // Some character of it, which is there more than once or not.
        let text = try #require(free.text.first { $0.isLetter }).description
        request.options.stopStrings = [text]
        let stopped = try await Outcome(engine, request).replies[0]
        #expect(stopped.reason == .stop && !stopped.text.contains(text))
        request.options.includesStopString = true
        #expect(try await Outcome(engine, request).replies[0].text == stopped.text + text)
        request.options.minimumTokens = stopped.tokens.count + 3
        let longer = try await Outcome(engine, request).replies[0]
        #expect(longer.tokens.count > stopped.tokens.count + 3 || longer.reason == .length)
        #expect(free.text.hasPrefix(longer.text))
    }

    @Test func aGrammarThatEndsIsStrongerThanALeastLength() async throws {
        let engine = try engine()
        let end = engine.model.endTokens.min() ?? 0
        var request = EngineRequest.numbered(15, length: 20, maximum: 30, sampled: true)
        request.constraint = Countdown(tokens: [40, 41], end: end)
        request.options.minimumTokens = 9
        #expect(try await Outcome(engine, request).replies[0].tokens == [40, 41, end])
    }

    @Test func workOnTheModelRunsBetweenSteps() async throws {
        let engine = try engine()
        let size = try await engine.perform { $0.configuration.vocabularySize }
        #expect(size == engine.model.configuration.vocabularySize)
    }
}

/// Set on one thread, seen on another.
private final class Flag: Sendable {
    private let value = Atomic(false)
    var isSet: Bool { value.load(ordering: .acquiring) }
    func set() { value.store(true, ordering: .releasing) }
}

/// Allows one token after another, then the end.
private struct Countdown: TokenConstraint {
    let tokens: [Int32]
    let end: Int32

    struct Matcher: TokenMatcher {
        let tokens: [Int32]
        let end: Int32
        var position = 0

        mutating func allowedTokens() -> TokenMask {
            let token = position < tokens.count ? tokens[position] : end
            var words: [UInt64] = [0, 0]
            words[Int(token) / 64] |= 1 << UInt64(token % 64)
            return TokenMask(words: words)
        }
        mutating func accept(_ token: Int32) { position += 1 }
        var isComplete: Bool { position == tokens.count }
    }

    func makeMatcher() -> any TokenMatcher { Matcher(tokens: tokens, end: end) }
}

extension Double {
    fileprivate var exponential: Double {
        var (sum, term) = (1.0, 1.0)
        // exp(x) = exp(x / 64)^64: the series converges at once.
        for n in 1..<20 {
            term *= self / 64 / Double(n)
            sum += term
        }
        for _ in 0..<6 { sum *= sum }
        return sum
    }
}
