import MartletInference
import MartletJSON

/// A model as `/v1/models` tells of it.
public struct ModelCard: Sendable {
    public var id: String
    public var aliases: [String] = []
    public var created: Int
    public var owner = "martlet"
    /// Where the weights came from.
    public var root: String?
    /// The model that an adapter stands on.
    public var parent: String?
    /// Tokens of prompt and reply together; nil where it is not known before loading.
    public var contextLength: Int?
    public var vocabularySize: Int?
    public var embeddingSize: Int?
    public var parameterCount: Int?
    public var fileBytes: Int?
    /// `completion`, `translation` (an encoder reads the prompt), `embedding`, `rerank`, `tools`, `thinking`.
    public var capabilities: [String] = []
    public var isLoaded: Bool?
    /// `llama`, `qwen3`, ….
    public var family: String?
    /// `gguf` or `safetensors`.
    public var format: String?
    /// `Q4_K_M`, `F16`, ….
    public var quantization: String?
    /// What replies are drawn with where a request does not say.
    public var recommendation: SamplingRecommendation?
    /// SHA-256 of the file, in hexadecimal.
    public var digest: String?

    public init(id: String, created: Int) {
        self.id = id
        self.created = created
    }

    public init(id: String, created: Int, _ model: LanguageModel) {
        self.init(id: id, created: created)
        contextLength = model.configuration.contextLength
        vocabularySize = model.configuration.vocabularySize
        embeddingSize = model.configuration.hiddenSize
        let voice = ModelVoice(model)
        capabilities = ["completion"]
        if model.reader != nil { capabilities.append("translation") }
        if model.chatTemplate != nil { capabilities += ["chat", "tools"] }
        if voice.reasoning != nil { capabilities.append("thinking") }
    }

    public var json: JSON {
        var meta = JSONObject()
        meta["n_vocab"] = vocabularySize.map { .integer($0) }
        meta["n_ctx_train"] = contextLength.map { .integer($0) }
        meta["n_embd"] = embeddingSize.map { .integer($0) }
        meta["n_params"] = parameterCount.map { .integer($0) }
        meta["size"] = fileBytes.map { .integer($0) }
        var object = JSONObject([
            ("id", .string(id)), ("object", "model"), ("created", .integer(created)), ("owned_by", .string(owner)),
            ("root", .string(root ?? id)), ("parent", .string(orNull: parent)),
            ("max_model_len", contextLength.map { .integer($0) } ?? .null),
            ("capabilities", .array(capabilities.map { .string($0) })),
            ("aliases", .array(aliases.map { .string($0) })), ("meta", .object(meta)),
        ])
        if let recommendation {
            let sampling = recommendation.sampling
            object["default_sampling"] = [
                "temperature": .number(sampling.temperature.plain), "top_p": .number(sampling.topP.plain),
                "top_k": .integer(sampling.topK), "min_p": .number(sampling.minP.plain),
                "typical_p": .number(sampling.typicalP.plain),
                "repetition_penalty": .number(sampling.repetitionPenalty.plain),
                "source": .string("\(recommendation.source)"),
            ]
        }
        if let isLoaded { object["status"] = ["value": isLoaded ? "loaded" : "unloaded"] }
        return .object(object)
    }

    /// As Anthropic's clients read it.
    public var messagesJSON: JSON {
        [
            "type": "model", "id": .string(id), "display_name": .string(id),
            "created_at": .string(Ollama.time(created)),
        ]
    }

    /// The body of `GET /v1/models` for Anthropic's clients: all models on one page.
    public static func messagesList(_ cards: [ModelCard]) -> JSON {
        [
            "data": .array(cards.map(\.messagesJSON)), "has_more": false,
            "first_id": .string(orNull: cards.first?.id), "last_id": .string(orNull: cards.last?.id),
        ]
    }

    /// The body of `GET /v1/models`.
    public static func list(_ cards: [ModelCard]) -> JSON {
        ["object": "list", "data": .array(cards.map(\.json))]
    }
}

extension Float {
    /// The number as it is written: 0.2 and not 0.20000000298.
    var plain: Double { Double("\(self)") ?? Double(self) }
}
