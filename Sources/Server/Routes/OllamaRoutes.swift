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
                guard !request.inputs.isEmpty else {
                    try await load(request, call)
                    return .json(
                        request.ollamaReply(model: request.model ?? "", vectors: [], promptTokens: 0, seconds: 0))
                }
                try keep(request.model, request.keepAliveSeconds, call, for: .embeds)
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
                guard !request.inputs.isEmpty else {
                    try await load(request, call)
                    return .json(Ollama.embedding([]))
                }
                try keep(request.model, request.keepAliveSeconds, call, for: .embeds)
                return .json(Ollama.embedding(try await vectors(of: request, call).vectors))
            },
        ] + ollamaModelRoutes(limits) + ollamaMakingRoutes(limits)
    }

    private func ollamaModelRoutes(_ limits: RequestLimits) -> [Route] {
        [
            Route(
                .post, "/api/show", scope: .inference, summary: "A model, for Ollama's clients.", errors: .ollama
            ) { [self] call in
                // Who looks loads nothing.
                let name = try ModelRequest(call.body, alias: "name", limits: limits).model.map(Ollama.untagged)
                let model = try models.find(name)
                let loaded = models.loaded.first { $0.name == model.name }
                if let adapter = models.adapters.find(name) {
                    return .json(
                        Ollama.show(card(adapter), loaded?.engine?.model, made: try Self.made(of: model, adapter)))
                }
                return .json(
                    Ollama.show(card(model, as: model.name, loaded: loaded), loaded?.engine?.model, made: model.made))
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
                .json(Ollama.tags(cards()))
            },
            Route(
                .get, "/api/ps", scope: .inference, summary: "The models in memory, for Ollama's clients.",
                errors: .ollama
            ) { [self] _ in
                let loaded = models.models.filter { $0.loaded != nil }
                let cards = loaded.map { model, loaded in
                    // Ollama's own word for good is as many seconds as a duration has.
                    let left = models.secondsLeft(model.name) ?? GenerationRequest.longestDuration
                    return (
                        card: card(model, as: model.name, loaded: loaded),
                        expires: Self.now().adding(clamped: Int(clamping: max(0, left).rounded(.up)))
                    )
                }
                return .json(Ollama.running(cards))
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

    /// Loads the model of a request that has no text, or takes it out of memory.
    private func load(_ request: EmbeddingsRequest, _ call: Call) async throws {
        noteUnknown(request.unknownFields, call)
        let model = try models.find(request.model, for: .embeds)
        try keep(model.name, request.keepAliveSeconds, call, for: .embeds)
        if request.keepAliveSeconds == 0 {
            _ = try models.unload(model.name)
        } else {
            _ = try await models.use(model.name)
        }
    }

    /// Has a model stay in memory for as long as its request says. Who may not take it out of memory cannot shorten the
    /// time the server was started with: others use it, too.
    private func keep(
        _ name: String?, _ seconds: Double?, _ call: Call, for kinds: ModelKind...
    ) throws(APIError) {
        let mayUnload = call.caller.scopes.contains(.admin)
        guard seconds != 0 || mayUnload else {
            throw APIError(
                status: 403, "Taking a model out of memory needs the scope \"admin\".", type: "permission_error",
                code: "insufficient_scope")
        }
        models.keep(try models.find(name, among: kinds).name, seconds: seconds, mayShorten: mayUnload)
    }

    private func ollama(_ request: GenerationRequest, _ call: Call) async throws -> Response {
        var request = request
        request.model = request.model.map(Ollama.untagged)
        try keep(request.model, request.keepAliveSeconds, call, for: .generates, .translates)
        guard request.loadsOnly else { return try await generate(request, call) }
        let model = try models.find(request.model, for: .generates, .translates)
        if request.keepAliveSeconds == 0 {
            _ = try models.unload(model.name)
        } else {
            _ = try await models.use(model.name)
        }
        return .json(Ollama.loaded(request, model: request.model ?? model.name, created: Self.now()))
    }
}
