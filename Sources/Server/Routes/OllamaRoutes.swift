import Hummingbird
import Martlet
import MartletAPI
import MartletJSON

extension Server {
    /// Ollama's interface.
    func ollamaRoutes() -> [Route] {
        let limits = requestLimits
        return [
            Route(.post, "/api/chat", scope: .inference, summary: "Ollama's chat.", errors: .ollama) { [self] call in
                try await ollama(try GenerationRequest(ollamaChat: call.body, limits: limits), call)
            },
            Route(
                .post, "/api/generate", scope: .inference, summary: "Ollama's continuation of a text.",
                errors: .ollama
            ) { [self] call in
                try await ollama(try GenerationRequest(ollamaGenerate: call.body, limits: limits), call)
            },
            Route(.post, "/api/embed", scope: .inference, summary: "Ollama's vectors of texts.", errors: .ollama) {
                [self] call in
                let request = try Self.ollamaEmbedding(call, limits)
                let start = ContinuousClock.now
                let (model, vectors, tokens) = try await vectors(of: request, call)
                return .json(
                    request.ollamaReply(
                        model: request.model ?? model, vectors: vectors, promptTokens: tokens,
                        seconds: (ContinuousClock.now - start) / .seconds(1)))
            },
            Route(
                .post, "/api/embeddings", scope: .inference, summary: "Ollama's older vector of one text.",
                errors: .ollama
            ) { [self] call in
                var request = try Self.ollamaEmbedding(call, limits)
                request.normalizes = false
                return .json(Ollama.embedding(try await vectors(of: request, call).vectors))
            },
        ] + ollamaModelRoutes(limits)
    }

    private func ollamaModelRoutes(_ limits: RequestLimits) -> [Route] {
        [
            Route(
                .post, "/api/show", scope: .inference, summary: "A model, for Ollama's clients.", errors: .ollama
            ) { [self] call in
                // Who looks loads nothing.
                let name = try ModelRequest(call.body, alias: "name", limits: limits).model
                let model = try models.find(name.map(Ollama.untagged))
                let loaded = models.loaded.first { $0.name == model.name }
                return .json(Ollama.show(card(model, as: model.name, loaded: loaded), loaded?.engine?.model))
            },
            Route(
                .post, "/api/pull", scope: .inference, summary: "Whether a model is there, for Ollama's clients.",
                errors: .ollama
            ) { [self] call in try pull(try PullRequest(call.body, limits: limits), call) },
            Route(
                .get, "/api/version", scope: .inference, summary: "The version of Ollama that is spoken here.",
                errors: .ollama
            ) { _ in .json(Ollama.version) },
            Route(
                .get, "/api/tags", scope: .inference, summary: "The models, for Ollama's clients.", errors: .ollama
            ) { [self] _ in
                .json(Ollama.tags(models.models.map { card($0.model, as: $0.model.name, loaded: $0.loaded) }))
            },
            Route(
                .get, "/api/ps", scope: .inference, summary: "The models in memory, for Ollama's clients.",
                errors: .ollama
            ) { [self] _ in
                let loaded = models.models.filter { $0.loaded != nil }
                let cards = loaded.map { card($0.model, as: $0.model.name, loaded: $0.loaded) }
                return .json(Ollama.running(cards, expires: Self.now() + 300))
            },
        ]
    }

    /// Models come with the start of the server: one that is there has been pulled, another cannot be.
    private func pull(_ request: PullRequest, _ call: Call) throws -> Response {
        let model = try models.find(Ollama.untagged(request.model))
        let lines = Ollama.pulled(digest: model.digest)
        guard request.isStreamed else { return .json(lines.last ?? .null) }
        return .bytes(lines.flatMap { $0.bytes() + [0x0A] }, type: "application/x-ndjson")
    }

    private static func ollamaEmbedding(_ call: Call, _ limits: RequestLimits) throws(APIError) -> EmbeddingsRequest {
        var request = try EmbeddingsRequest(ollama: call.body, limits: limits)
        request.model = request.model.map(Ollama.untagged)
        return request
    }

    private func ollama(_ request: GenerationRequest, _ call: Call) async throws -> Response {
        var request = request
        request.model = request.model.map(Ollama.untagged)
        guard request.loadsOnly else { return try await generate(request, call) }
        let model = try models.find(request.model, for: .generates)
        if request.keepAliveSeconds == 0 {
            guard call.caller.scopes.contains(.admin) else {
                throw APIError(
                    status: 403, "Taking a model out of memory needs the scope \"admin\".", type: "permission_error",
                    code: "insufficient_scope")
            }
            _ = try models.unload(model.name)
        } else {
            _ = try await models.use(model.name)
        }
        return .json(Ollama.loaded(request, model: request.model ?? model.name, created: Self.now()))
    }
}
