import MartletGrammar
import MartletInference
import Testing
import TinyModels

/// A reply whose grammar is not ready sits out, the others go on, and no reply changes by it.
struct GrammarDeferralTests {
    private func engine(_ model: LanguageModel, _ change: (inout EngineOptions) -> Void = { _ in }) throws -> Engine {
        var options = EngineOptions()
        change(&options)
        return try Engine(model, options)
    }

    private func grammar(_ source: GrammarSource, _ model: LanguageModel) throws -> CompiledGrammar {
        try GrammarCompiler(TokenTree(model.tokenizer, endTokens: model.endTokens)).compile(source)
    }

    @Test(arguments: [false, true]) func sittingOutChangesNoReply(guesses: Bool) async throws {
        let model = try LanguageModel.tiny()
        let requests = (0..<8).map { number in
            var request = EngineRequest.numbered(number, length: 9 + 7 * number, maximum: 24, sampled: true)
            request.samples = 1 + number % 3
            request.topLogProbabilities = 2
            return request
        }
        func replies(_ time: Duration) async throws -> (replies: [[Reply]], deferred: Int) {
            let engine = try engine(model) {
                $0.grammarTime = time
                $0.samplingTime = .seconds(3600)
                if guesses { $0.speculation = .promptLookup(tokens: 3) }
            }
            // What was found out is not there from the run before. One takes more work than is done between two looks at
            // the clock, the other less.
            let long = try grammar(.gbnf(HardGrammar.parities(24)), model)
            let short = try grammar(.regularExpression("([a-zA-Z0-9]+ ?)*"), model)
            let all = try await withThrowingTaskGroup(of: (Int, [Reply]).self) { group in
                for (number, request) in requests.enumerated() {
                    var request = request
                    if number % 4 != 3 { request.constraint = number % 4 == 2 ? short : long }
                    let reply = try engine.submit(request), sent = request
                    group.addTask { (number, try await Outcome(reply, sent).replies) }
                }
                return try await group.reduce(into: [Int: [Reply]]()) { $0[$1.0] = $1.1 }
            }
            return (requests.indices.compactMap { all[$0] }, engine.statistics().deferredPicks)
        }
        let ready = try await replies(.seconds(3600))
        let late = try await replies(.zero)
        #expect(ready.deferred == 0)
        #expect(late.deferred > 0)
        #expect(late.replies == ready.replies)
    }

    /// Sixteen samples with costly filters take turns, and nothing else changes.
    @Test(arguments: [false, true]) func samplingLaterChangesNoReply(guesses: Bool) async throws {
        let model = try LanguageModel.tiny()
        let requests = (0..<4).map { number in
            var request = EngineRequest.numbered(number, length: 9 + 7 * number, maximum: 16, sampled: true)
            request.samples = number == 0 ? 16 : 2
            request.options.sampling.temperature = 0.9
            request.options.sampling.typicalP = number % 2 == 0 ? 0.8 : 1
            request.options.sampling.topK = number == 3 ? 0 : 20
            request.topLogProbabilities = 2
            return request
        }
        func replies(_ time: Duration) async throws -> (replies: [[Reply]], deferred: Int) {
            let engine = try engine(model) {
                $0.samplingTime = time
                if guesses { $0.speculation = .promptLookup(tokens: 3) }
            }
            let all = try await withThrowingTaskGroup(of: (Int, [Reply]).self) { group in
                for (number, request) in requests.enumerated() {
                    let reply = try engine.submit(request)
                    group.addTask { (number, try await Outcome(reply, request).replies) }
                }
                return try await group.reduce(into: [Int: [Reply]]()) { $0[$1.0] = $1.1 }
            }
            return (requests.indices.compactMap { all[$0] }, engine.statistics().deferredPicks)
        }
        let ready = try await replies(.seconds(3600))
        let late = try await replies(.zero)
        #expect(ready.deferred == 0)
        #expect(late.deferred > 0)
        #expect(late.replies == ready.replies)
    }

    /// The constraint that takes the longest: it is never ready, and says so at once or after a while.
    private struct Never: TokenConstraint, TokenMatcher {
        func makeMatcher() -> any TokenMatcher { self }
        mutating func allowedTokens() throws -> TokenMask { TokenMask(words: []) }
        mutating func accept(_ token: Int32) throws {}
        var isComplete: Bool { false }
        mutating func prepare(until end: ContinuousClock.Instant) throws -> Bool { false }
    }

    @Test(.timeLimit(.minutes(20))) func othersGoOnMeanwhile() async throws {
        let engine = try engine(LanguageModel.tiny())
        var stuck = EngineRequest.numbered(1, length: 12, maximum: 5, sampled: false)
        stuck.constraint = Never()
        let waiting = try engine.submit(stuck)
        var free = EngineRequest.numbered(2, length: 12, maximum: 60, sampled: false)
        free.options.ignoresEndOfSequence = true
        #expect(try await Outcome(engine, free).replies[0].tokens.count == 60)
        // Alone, it can still be left.
        waiting.cancel()
        #expect(try await Outcome(waiting, stuck).replies[0].reason == .cancelled)
        var late = stuck
        late.deadline = .now + .milliseconds(50)
        #expect(try await Outcome(engine, late).replies[0].reason == .deadline)
    }

    /// What a hostile grammar takes is divided over many steps, in each of which the others go on. Counted in steps and not
    /// in time: a machine that does other things makes every step long.
    @Test(.timeLimit(.minutes(20))) func aHostileGrammarDelaysNobody() throws {
        let model = try LanguageModel.tiny()
        var options = EngineOptions()
        // As little work in a step as can be.
        options.grammarTime = .zero
        let generator = try Generator(model, options)
        var hostile = EngineRequest.numbered(3, length: 12, maximum: 5, sampled: false)
        var limits = GrammarLimits()
        limits.maskWork = .max / 2
        let compiler = GrammarCompiler(
            TokenTree(model.tokenizer, endTokens: model.endTokens), limits: limits)
        hostile.constraint = try compiler.compile(.gbnf(HardGrammar.parities(480)))
        var free = EngineRequest.numbered(4, length: 12, maximum: 100, sampled: false)
        free.options.ignoresEndOfSequence = true
        var (slow, quick, open, before) = (0, 0, 2, 0)
        func tokens(_ output: GeneratorOutput) -> Int {
            switch output {
            case .events(let events):
                return events.count { if case .token(_, let piece) = $0 { piece.token != nil } else { false } }
            case .finished, .failed:
                open -= 1
                return 0
            }
        }
        try generator.submit(hostile) { slow += tokens($0) }
        try generator.submit(free) { quick += tokens($0) }
        while open > 0 {
            generator.step()
            if slow == 0 { before = quick }
        }
        #expect(quick == 100 && slow == 5)
        // Were it all done in one step, the others would have come no further than that.
        #expect(before >= 20, "the hostile one was ready after \(before) tokens of the other")
    }

    /// Samples whose grammar fails in the same step are one failure of their request.
    @Test(.timeLimit(.minutes(20))) func samplesFailOnce() async throws {
        struct Failing: TokenConstraint, TokenMatcher {
            func makeMatcher() -> any TokenMatcher { self }
            mutating func allowedTokens() throws -> TokenMask { throw GrammarError.noToken }
            mutating func accept(_ token: Int32) throws {}
            var isComplete: Bool { false }
        }
        let engine = try engine(LanguageModel.tiny())
        var request = EngineRequest.numbered(5, length: 12, maximum: 5, sampled: false)
        request.constraint = Failing()
        request.samples = 4
        await #expect(throws: GrammarError.noToken) { _ = try await Outcome(engine, request) }
        // It counts once: an engine with nothing open drains.
        await engine.drain()
    }
}
