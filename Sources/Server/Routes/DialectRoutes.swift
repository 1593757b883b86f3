import Hummingbird
import Martlet
import MartletAPI
import MartletJSON

extension Server {
    /// The interfaces of others than OpenAI's first: its Responses, Anthropic's Messages, Ollama's.
    func dialectRoutes() -> [Route] {
        let limits = requestLimits
        return [
            Route(.post, "/v1/responses", scope: .inference, summary: "A response, without a store.") { [self] call in
                try await generate(try GenerationRequest(responses: call.body, limits: limits), call)
            },
            Route(.post, "/v1/messages", scope: .inference, summary: "Anthropic's messages.") { [self] call in
                try await answering(MessagesReply.error, call) {
                    try await generate(try GenerationRequest(messages: call.body, limits: limits), call)
                }
            },
            Route(.post, "/v1/messages/count_tokens", scope: .inference, summary: "Tokens of messages.") {
                [self] call in
                try await answering(MessagesReply.error, call) {
                    let request = try GenerationRequest(messages: call.body, countsOnly: true, limits: limits)
                    let count = try await withModel(request.model) {
                        try GenerationPlan.promptTokens(request, model: $0)
                    }
                    return .json(["input_tokens": .integer(Int64(count))])
                }
            },
        ] + ollamaRoutes(limits) + ollamaModelRoutes(limits)
    }

    private func ollamaRoutes(_ limits: RequestLimits) -> [Route] {
        [
            Route(.post, "/api/chat", scope: .inference, summary: "Ollama's chat.") { [self] call in
                try await answering(Ollama.error, call) {
                    try await ollama(try GenerationRequest(ollamaChat: call.body, limits: limits), call)
                }
            },
            Route(.post, "/api/generate", scope: .inference, summary: "Ollama's continuation of a text.") {
                [self] call in
                try await answering(Ollama.error, call) {
                    try await ollama(try GenerationRequest(ollamaGenerate: call.body, limits: limits), call)
                }
            },
        ]
    }

    private func ollamaModelRoutes(_ limits: RequestLimits) -> [Route] {
        [
            Route(.post, "/api/embed", scope: .inference, summary: "Ollama's vectors of texts.") { [self] call in
                try await answering(Ollama.error, call) {
                    let request = try Self.ollamaEmbedding(call, limits)
                    let start = ContinuousClock.now
                    let (model, vectors, tokens) = try await vectors(of: request, call)
                    return .json(
                        request.ollamaReply(
                            model: request.model ?? model, vectors: vectors, promptTokens: tokens,
                            seconds: (ContinuousClock.now - start) / .seconds(1)))
                }
            },
            Route(.post, "/api/embeddings", scope: .inference, summary: "Ollama's older vector of one text.") {
                [self] call in
                try await answering(Ollama.error, call) {
                    let request = try Self.ollamaEmbedding(call, limits)
                    return .json(Ollama.embedding(try await vectors(of: request, call).vectors))
                }
            },
            Route(.post, "/api/show", scope: .inference, summary: "A model, for Ollama's clients.") { [self] call in
                try await answering(Ollama.error, call) {
                    // Who looks loads nothing.
                    let name = try ModelRequest(call.body, alias: "name", limits: limits).model
                    let model = try models.find(name.map(Ollama.untagged))
                    let loaded = models.loaded.first { $0.name == model.name }
                    return .json(Ollama.show(card(model, as: model.name, loaded: loaded), loaded?.engine?.model))
                }
            },
            Route(.get, "/api/version", scope: .inference, summary: "The server's version, for Ollama's clients.") {
                _ in .json(Ollama.version(Self.version))
            },
            Route(.get, "/api/tags", scope: .inference, summary: "The models, for Ollama's clients.") { [self] _ in
                .json(Ollama.tags(models.models.map { card($0.model, as: $0.model.name, loaded: $0.loaded) }))
            },
            Route(.get, "/api/ps", scope: .inference, summary: "The models in memory, for Ollama's clients.") {
                [self] _ in
                let loaded = models.models.filter { $0.loaded != nil }
                let cards = loaded.map { card($0.model, as: $0.model.name, loaded: $0.loaded) }
                return .json(Ollama.running(cards, expires: Self.now() + 300))
            },
        ]
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
        let model = try models.find(request.model, embedding: false)
        if request.keepAliveSeconds == 0 {
            _ = try models.unload(model.name)
        } else {
            _ = try await models.use(model.name)
        }
        return .json(Ollama.loaded(request, model: request.model ?? model.name, created: Self.now()))
    }

    /// Errors in a dialect's own shape.
    private func answering(
        _ shape: @Sendable (APIError) -> JSON, _ call: Call, _ body: () async throws -> Response
    ) async throws -> Response {
        do { return try await body() } catch {
            let refusal = Failure.refusal(error, requestID: call.requestID, logger: call.logger)
            var response = Response(refusal)
            response.body = ResponseBody(byteBuffer: ByteBuffer(bytes: shape(refusal).bytes()))
            return response
        }
    }
}
