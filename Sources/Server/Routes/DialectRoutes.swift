import Martlet
import MartletAPI
import MartletJSON

extension Server {
    /// Anthropic's Messages API.
    func messagesRoutes() -> [Route] {
        let limits = requestLimits
        return [
            Route(.post, "/v1/messages", scope: .inference, summary: "Anthropic's messages.", errors: .anthropic) {
                [self] call in
                try await generate(try GenerationRequest(messages: call.body, limits: limits), call)
            },
            Route(
                .post, "/v1/messages/count_tokens", scope: .inference, summary: "Tokens of messages.",
                errors: .anthropic
            ) { [self] call in
                let request = try GenerationRequest(messages: call.body, countsOnly: true, limits: limits)
                let count = try await withModel(request.model) {
                    try GenerationPlan.promptTokens(request, model: $0, adapter: $1)
                }
                return .json(["input_tokens": .integer(Int64(count))])
            },
        ]
    }

    /// The API of text-generation-inference.
    func textGenerationRoutes() -> [Route] {
        let limits = requestLimits
        let forms: [(String, GenerationRequest.TextGenerationForm, String)] = [
            ("/generate", .one, "text-generation-inference's continuation of a text."),
            ("/generate_stream", .events, "The same, token by token."),
            ("/", .list, "The same in either form, as the hub's clients ask for it."),
        ]
        return forms.map { path, form, summary in
            Route(.post, path, scope: .inference, summary: summary, errors: .textGeneration) { [self] call in
                let request = try GenerationRequest(textGeneration: call.body, form: form, limits: limits)
                return try await generate(request, call)
            }
        } + [
            Route(
                .get, "/info", scope: .inference, summary: "A model, for clients of text-generation-inference.",
                errors: .textGeneration
            ) { [self] call in
                // Querying information does not load a model.
                let model = try call.query["model"].map { try models.find($0) } ?? models.first()
                let loaded = models.loaded.first { $0.name == model.name }
                return .json(
                    InferenceInformation.json(
                        card(model, as: model.name, loaded: loaded), isEmbedding: !model.generates,
                        running: models.maximumRunning, limits: limits, version: Self.version))
            }
        ]
    }
}
