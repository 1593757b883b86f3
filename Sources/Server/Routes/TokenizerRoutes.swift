import Martlet
import MartletAPI

extension Server {
    /// Tokenization, detokenization, and rendering of chat templates.
    func tokenizerRoutes() -> [Route] {
        let limits = requestLimits
        return [
            Route(.post, "/tokenize", scope: .inference, summary: "The tokens of a text.") { [self] call in
                let request = try TokenizeRequest(call.body, limits: limits)
                return try await withModel(request.model) {
                    .bytes(try request.reply($0, adapter: $1), type: "application/json")
                }
            },
            Route(.post, "/detokenize", scope: .inference, summary: "The text of tokens.") { [self] call in
                let request = try DetokenizeRequest(call.body, limits: limits)
                return try await withModel(request.model) { model, _ in .json(try request.reply(model)) }
            },
            Route(.post, "/apply-template", scope: .inference, summary: "The prompt of a conversation.") {
                [self] call in
                let request = try ApplyTemplateRequest(call.body, limits: limits)
                return try await withModel(request.model) { .json(try request.reply($0, adapter: $1)) }
            },
            Route(
                .get, "/tokenizer_info", scope: .inference, summary: "What a tokenizer is.", changesState: true
            ) { [self] call in
                try await withModel(call.query["model"]) { .json(TokenizerInformation.json($0, adapter: $1)) }
            },
        ]
    }

    /// - Parameter body: is given the adapter with it where the name is one's, whose chat template may be another.
    func withModel<Result>(
        _ name: String?, _ body: (LanguageModel, LoadedAdapter?) throws -> Result
    ) async throws -> Result {
        let served = try models.find(name, for: .generates, .translates)
        let lease = try await models.use(served.name)
        guard let engine = lease.model.engine else { throw APIError.unknownModel(lease.model.name) }
        let chosen = try await adapter(named: name, on: served, lease.model)
        return try withExtendedLifetime(lease) { try body(engine.model, chosen) }
    }
}
