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
                    .bytes(try request.reply($0), type: "application/json")
                }
            },
            Route(.post, "/detokenize", scope: .inference, summary: "The text of tokens.") { [self] call in
                let request = try DetokenizeRequest(call.body, limits: limits)
                return try await withModel(request.model) { .json(try request.reply($0)) }
            },
            Route(.post, "/apply-template", scope: .inference, summary: "The prompt of a conversation.") {
                [self] call in
                let request = try ApplyTemplateRequest(call.body, limits: limits)
                return try await withModel(request.model) { .json(try request.reply($0)) }
            },
            Route(
                .get, "/tokenizer_info", scope: .inference, summary: "What a tokenizer is.", changesState: true
            ) { [self] call in
                try await withModel(call.query["model"]) { .json(TokenizerInformation.json($0)) }
            },
        ]
    }

    func withModel<Result>(_ name: String?, _ body: (LanguageModel) throws -> Result) async throws -> Result {
        let lease = try await models.use(name, for: .generates, .translates)
        guard let engine = lease.model.engine else { throw APIError.unknownModel(lease.model.name) }
        return try body(engine.model)
    }
}
