import MartletAPI
import MartletJSON

extension Server {
    /// What is served, and taking it into memory and out.
    func modelRoutes() -> [Route] {
        let list: Route.Handler = { [self] call in
            let cards = cards(), isMessages = call.head.headerFields[.anthropicVersion] != nil
            return .json(isMessages ? ModelCard.messagesList(cards) : ModelCard.list(cards))
        }
        let published = [
            Route(.get, "/v1/models", scope: .inference, summary: "The models.", list),
            Route(.get, "/v1/models/{model...}", scope: .inference, summary: "One model.") { [self] call in
                let isMessages = call.head.headerFields[.anthropicVersion] != nil
                if let adapter = models.adapters.find(call.parameters["model"]) {
                    let card = card(adapter)
                    return .json(isMessages ? card.messagesJSON : card.json)
                }
                let model = try models.find(call.parameters["model"])
                let loaded = models.models.first { $0.model.name == model.name }?.loaded
                let card = card(model, as: call.parameters["model"] ?? model.name, loaded: loaded)
                return .json(isMessages ? card.messagesJSON : card.json)
            },
        ].flatMap(\.withAndWithoutVersion)
        return published + [
            Route(.post, "/admin/models/load", scope: .admin, summary: "Takes a model into memory.") { [self] call in
                let lease = try await models.use(try ModelRequest(call.body).model)
                return .json(["model": .string(lease.model.name), "loaded": true])
            },
            Route(.post, "/admin/models/unload", scope: .admin, summary: "Takes a model out of memory.") {
                [self] call in
                let model = try models.find(try ModelRequest(call.body).model)
                return .json(["model": .string(model.name), "unloaded": .bool(try models.unload(model.name))])
            },
        ]
    }

    /// What clients may name: models, and adapters behind them.
    func cards() -> [ModelCard] {
        models.models.map { card($0.model, as: $0.model.name, loaded: $0.loaded) }
            + models.adapters.all.map { card($0) }
    }

    func card(_ model: ServedModel, as name: String, loaded: LoadedModel?) -> ModelCard {
        var card: ModelCard
        if let model = loaded?.engine?.model {
            card = ModelCard(id: name, created: 0, model)
        } else {
            card = ModelCard(id: name, created: 0)
            card.capabilities =
                switch model.kind {
                case .generates: model.hasChatTemplate ? ["completion", "chat"] : ["completion"]
                case .embeds: ["embedding"]
                case .scores: ["rerank"]
                case .translates:
                    ["completion", "translation"] + (model.hasChatTemplate ? ["chat"] : [])
                case .classifies: []
                }
            card.embeddingSize = loaded?.embedder?.width
        }
        card.created = model.created
        card.aliases = model.aliases
        card.root = model.name
        card.contextLength = model.contextLength
        card.vocabularySize = model.vocabularySize
        card.fileBytes = model.fileBytes
        card.isLoaded = loaded != nil
        card.parameterCount = model.parameterCount
        card.family = model.family
        card.format = model.format
        card.quantization = model.quantization
        card.digest = model.digest
        card.parent = model.made?.from ?? model.baseName
        card.recommendation = model.recommendation
        return card
    }
}
