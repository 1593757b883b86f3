import Foundation
import MartletInference
import Synchronization

/// An engine that rests before every step until it is let go, so that what a test does meanwhile comes before the end of
/// a reply however busy the machine is.
final class SlowedEngine: Sendable {
    let engine: Engine
    private let isLetGo = Atomic(false)

    init(_ engine: Engine) {
        self.engine = engine
        rest()
    }

    /// What was put in before a step is run before it, and each rest puts in the next.
    private func rest() {
        _ = engine.enqueue { [self] in
            guard !isLetGo.load(ordering: .relaxed) else { return }
            usleep(100_000)
            rest()
        }
    }

    func letGo() { isLetGo.store(true, ordering: .relaxed) }
}

extension RunningServer {
    /// The engine of a model, loaded and slow.
    func slowedEngine(of model: String = "tiny") async throws -> SlowedEngine {
        let loaded = try await post("/v1/completions", ["model": .string(model), "prompt": "hello", "max_tokens": 1])
        guard loaded.status == 200, let engine = server.models.loaded.first(where: { $0.name == model })?.engine else {
            throw SlowedEngineError(reply: loaded.text)
        }
        return SlowedEngine(engine)
    }
}

struct SlowedEngineError: Error {
    let reply: String
}
