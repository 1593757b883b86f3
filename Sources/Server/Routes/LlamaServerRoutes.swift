import MartletAPI
import MartletJSON

extension Server {
    /// Routes that clients of llama.cpp's server use.
    func llamaServerRoutes() -> [Route] {
        let limits = requestLimits
        return [
            Route(.post, "/completion", scope: .inference, summary: "llama.cpp's own continuation of a text.") {
                [self] call in
                try await generate(try GenerationRequest(llamaCompletion: call.body, limits: limits), call)
            },
            Route(.post, "/infill", scope: .inference, summary: "What goes into the gap between two texts.") {
                [self] call in
                try await generate(try GenerationRequest(infill: call.body, limits: limits), call)
            },
            Route(.post, "/embedding", scope: .inference, summary: "Vectors, in llama.cpp's own shape.") {
                [self] call in
                let request = try EmbeddingsRequest(llamaServer: call.body, limits: limits)
                return .json(EmbeddingsRequest.llamaServerReply(vectors: try await vectors(of: request, call).vectors))
            },
            Route(
                .get, "/props", scope: .inference, summary: "A model's properties, in llama.cpp's words.",
                changesState: true
            ) { [self] call in
                let lease = try await models.use(call.query["model"], for: .generates, .translates)
                guard let engine = lease.model.engine else { throw APIError.unknownModel(lease.model.name) }
                return .json(
                    LlamaServerReply.properties(
                        engine.model, name: models.adapters.find(call.query["model"])?.name ?? lease.model.name,
                        slots: engine.options.maximumRunning,
                        build: "martlet-\(Self.version)"))
            },
            Route(.get, "/slots", scope: .inference, summary: "Replies under way, in llama.cpp's words.") {
                [self] call in
                // Watching slots does not load a model.
                let model = try models.find(call.query["model"], for: .generates, .translates)
                guard let engine = models.loaded.first(where: { $0.name == model.name })?.engine else {
                    return .json([])
                }
                let total = engine.options.maximumRunning, running = engine.statistics().runningRequests
                if let asked = call.query["fail_on_no_slot"], asked != "0", running >= total {
                    throw APIError(
                        status: 503, "All \(total) slots are taken.", type: "unavailable_error", code: "no_slot")
                }
                return .json(
                    LlamaServerReply.slots(running: running, of: total, contextLength: engine.contextLength))
            },
        ]
    }
}
