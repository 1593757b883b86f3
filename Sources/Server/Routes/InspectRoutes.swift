import Martlet
import MartletAPI
import MartletJSON
import Synchronization

extension Server {
    /// The internal state of a model while it reads a text.
    func inspectRoutes() -> [Route] {
        let limits = requestLimits
        return [
            Route(
                .post, "/inspect", scope: .inference, summary: "Attention, logit lens and norms over a short text."
            ) { [self] call in
                let request = try InspectionRequest(call.body, limits: limits)
                return try await inspected(call, request.model) { try request.answer($0, name: $1) }
            }
        ] + interventionRoutes()
    }

    /// Looks into a model that generates, after the inspections that wait already.
    func inspected(
        _ call: Call, _ asked: String?, _ body: @escaping @Sendable (LanguageModel, String) throws -> JSON
    ) async throws -> Response {
        guard models.adapters.find(asked) == nil else {
            throw APIError(
                "The model '\(asked ?? "")' is an adapter, which is not looked into; name its base.",
                parameter: "model", code: "wrong_model_kind")
        }
        let lease = try await models.use(asked, for: .generates)
        guard let engine = lease.model.engine else { throw APIError.unknownModel(lease.model.name) }
        let name = lease.model.name
        call.note.update { $0.model = name }
        return .json(
            try await InspectionQueue.run(alone: models.isGenerating) {
                try withExtendedLifetime(lease) { try body(engine.model, name) }
            })
    }
}

/// Runs one inspection at a time, beside the engine: it computes for tenths of a second, and patching every cell of a large
/// model for many minutes, which is too long for the threads that serve requests and for the lane of embeddings.
private enum InspectionQueue {
    private static let waiting = Atomic(0)
    private static let mostWaiting = 8

    static func run(alone: Bool, _ body: @escaping @Sendable () throws -> JSON) async throws -> JSON {
        guard waiting.wrappingAdd(1, ordering: .relaxed).newValue <= mostWaiting else {
            waiting.wrappingSubtract(1, ordering: .relaxed)
            throw APIError(
                status: 429, "\(mostWaiting) inspections are waiting already.", type: "rate_limit_error",
                code: "overloaded", retryAfterSeconds: 2)
        }
        defer { waiting.wrappingSubtract(1, ordering: .relaxed) }
        return try await WorkLane.inspections.compute(alone: alone, body)
    }
}
