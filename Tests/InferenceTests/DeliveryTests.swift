import Dispatch
import MartletInference
import Testing
import TinyModels

/// When the events of a reply come changes nothing of them.
struct DeliveryTests {
    @Test func eventsThatComeTogetherAreTheSame() async throws {
        let engine = try Engine(LanguageModel.tiny())
        var request = EngineRequest.numbered(13, length: 30, maximum: 20, sampled: true)
        request.samples = 2
        let apart = try await Outcome(engine, request)
        for delivery in [EngineRequest.Delivery.together, .every(.milliseconds(1)), .every(.seconds(3600))] {
            request.delivery = delivery
            #expect(try await Outcome(engine, request).replies == apart.replies)
        }
    }

    @Test func tokensOfSeveralStepsComeInOneDelivery() async throws {
        let engine = try Engine(LanguageModel.tiny())
        var request = EngineRequest.numbered(16, length: 30, maximum: 40, sampled: true)
        request.options.ignoresEndOfSequence = true
        func tokens() async throws -> [Int] {
            var counts: [Int] = []
            for try await events in try engine.submit(request).deliveries {
                counts.append(events.count { $0.isToken })
            }
            return counts.filter { $0 > 0 }
        }
        // The last goes with the end.
        #expect(try await tokens() == [Int](repeating: 1, count: 40))
        request.delivery = .every(.seconds(3600))
        #expect(try await tokens() == [1, 39])
        request.delivery = .together
        #expect(try await tokens() == [40])
    }

    @Test func whatWaitsIsDeliveredBeforeWorkOnTheModel() async throws {
        let engine = try Engine(LanguageModel.tiny())
        var request = EngineRequest.numbered(17, length: 30, maximum: 200, sampled: true)
        request.options.ignoresEndOfSequence = true
        request.delivery = .every(.seconds(3600))
        var iterator = try engine.submit(request).deliveries.makeAsyncIterator()
        var seen = 0
        while seen < 1, let events = try await iterator.next() { seen += events.count { $0.isToken } }
        let held = DispatchSemaphore(value: 0)
        async let body: Void = engine.perform { _ in held.wait() }
        // Nothing is computed until the semaphore is signalled, so this comes from before.
        let waiting = try await iterator.next()
        held.signal()
        try await body
        #expect(waiting != nil)
        engine.stop()
    }
}

extension EngineEvent {
    fileprivate var isToken: Bool { if case .token = self { true } else { false } }
}
