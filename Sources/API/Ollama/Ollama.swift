import MartletInference
import MartletJSON

/// What Ollama's routes say besides replies.
public enum Ollama {
    /// `{"error": "…"}`: Ollama has no other members.
    public static func error(_ error: APIError) -> JSON { ["error": .string(error.message)] }

    /// The version of Ollama whose interface this is: clients compare it with the one that has what they need. The
    /// server's own is at `/version`.
    public static let version: JSON = ["version": "0.32.0"]

    /// What `POST /api/pull` says of a model that is there already: the lines of a stream, or the last of them.
    public static func pulled(digest: String?) -> [JSON] {
        var lines: [JSON] = [["status": "pulling manifest"]]
        if let digest {
            lines.append(["status": .string("pulling \(digest.prefix(12))"), "digest": .string("sha256:" + digest)])
        }
        return lines + [["status": "verifying sha256 digest"], ["status": "writing manifest"], ["status": "success"]]
    }

    /// `GET /api/tags`.
    public static func tags(_ cards: [ModelCard]) -> JSON { ["models": .array(cards.map { .object(entry($0)) })] }

    /// `GET /api/ps`.
    ///
    /// `expires`: when each of them leaves memory if nobody asks for it again.
    public static func running(_ cards: [(card: ModelCard, expires: Int)]) -> JSON {
        [
            "models": .array(
                cards.map { card, expires in
                    var object = entry(card)
                    object["expires_at"] = .string(time(expires))
                    object["size_vram"] = 0
                    object["context_length"] = .integer(card.contextLength ?? 0)
                    return .object(object)
                })
        ]
    }

    /// `POST /api/show`.
    /// - Parameter made: what a model that was made of another says.
    public static func show(_ card: ModelCard, _ model: LanguageModel?, made: CreatedModel? = nil) -> JSON {
        var information = JSONObject([("general.basename", .string(card.id))])
        let family = card.family ?? "llama"
        information["general.architecture"] = .string(family)
        information["general.parameter_count"] = card.parameterCount.map { .integer($0) }
        information["\(family).context_length"] = card.contextLength.map { .integer($0) }
        information["\(family).embedding_length"] = card.embeddingSize.map { .integer($0) }
        var object: JSONObject = [
            "modelfile": .string(made?.modelfile ?? "FROM \(card.id)\n"), "parameters": .string(parameters(made)),
            "template": .string(made?.template ?? model?.chatTemplate?.source ?? ""), "details": details(card),
            "model_info": .object(information), "capabilities": .array(capabilities(card)),
            "modified_at": .string(time(card.created)),
        ]
        if let made {
            if let system = made.system { object["system"] = .string(system) }
            if !made.licences.isEmpty { object["license"] = .string(made.licences.joined(separator: "\n")) }
            if !made.messages.isEmpty { object["messages"] = .array(made.messages.map(\.json)) }
        }
        return .object(object)
    }

    /// A parameter a line.
    private static func parameters(_ made: CreatedModel?) -> String {
        (made?.parameters ?? [:]).flatMap { name, value in
            (value.array ?? [value]).map { "\(name) \($0.text())" }
        }.joined(separator: "\n")
    }

    /// `POST /api/embeddings`, which takes one text.
    public static func embedding(_ vectors: [[Float]]) -> JSON {
        ["embedding": .array((vectors.first ?? []).map { .number(Double($0)) })]
    }

    /// The reply to a request that only loads (or, with a `keep_alive` of 0, unloads) a model.
    public static func loaded(_ request: GenerationRequest, model: String, created: Int) -> JSON {
        var object = JSONObject([("model", .string(model)), ("created_at", .string(time(created)))])
        if request.dialect == .ollamaChat {
            object["message"] = ["role": "assistant", "content": ""]
        } else {
            object["response"] = ""
        }
        object["done"] = true
        object["done_reason"] = request.keepAliveSeconds == 0 ? "unload" : "load"
        return .object(object)
    }

    private static func entry(_ card: ModelCard) -> JSONObject {
        JSONObject([
            ("name", .string(tag(card.id))), ("model", .string(tag(card.id))),
            ("modified_at", .string(time(card.created))), ("size", .integer(card.fileBytes ?? 0)),
            ("digest", .string(card.digest ?? String(repeating: "0", count: 64))), ("details", details(card)),
        ])
    }

    private static func details(_ card: ModelCard) -> JSON {
        let family: JSON = .string(card.family ?? "")
        return [
            "parent_model": .string(card.parent ?? ""), "format": .string(card.format ?? "gguf"), "family": family,
            "families": [family], "parameter_size": .string(card.parameterCount.map(size) ?? ""),
            "quantization_level": .string(card.quantization ?? ""),
        ]
    }

    private static func capabilities(_ card: ModelCard) -> [JSON] {
        card.capabilities.filter { ["completion", "tools", "embedding", "thinking"].contains($0) }.map { .string($0) }
    }

    /// Names without a tag get the one that means no other.
    static func tag(_ name: String) -> String { name.contains(":") ? name : name + ":latest" }

    /// A name without the tag that means nothing.
    public static func untagged(_ name: String) -> String {
        name.hasSuffix(":latest") ? String(name.dropLast(7)) : name
    }

    /// `7.6B`, `135M`.
    static func size(_ parameters: Int) -> String {
        let (value, unit) =
            parameters >= 1_000_000_000 ? (Double(parameters) / 1e9, "B") : (Double(parameters) / 1e6, "M")
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 || value >= 100
            ? "\(Int(value.rounded()))\(unit)" : "\(tenths / 10).\(tenths % 10)\(unit)"
    }

    /// Unix time as RFC 3339, in UTC. Source of the calendar: Hinnant, chrono-compatible low-level date algorithms.
    static func time(_ seconds: Int) -> String {
        let day = Int((Double(seconds) / 86400).rounded(.down)), second = seconds - day * 86400
        let shifted = day + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let year = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * year + year / 4 - year / 100)
        let month = (5 * dayOfYear + 2) / 153
        let date = dayOfYear - (153 * month + 2) / 5 + 1
        let civil = (month < 10 ? month + 3 : month - 9)
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return "\(year + era * 400 + (civil <= 2 ? 1 : 0))-\(two(civil))-\(two(date))"
            + "T\(two(second / 3600)):\(two(second / 60 % 60)):\(two(second % 60))Z"
    }
}

extension EmbeddingsRequest {
    /// The body of Ollama's `POST /api/embed`, or of the older `/api/embeddings` with one `prompt`. Without a text it asks
    /// for the model to be loaded. Texts that are too long for the model, or for `num_ctx`, are cut unless `truncate` is
    /// false.
    public init(ollama body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        let key = fields.json("input") == nil && fields.json("prompt") != nil ? "prompt" : "input"
        switch fields.json(key) {
        case nil, .string("")?: inputs = []
        case let value?: inputs = try GenerationRequest.Prompt.list(value, key, most: limits.embeddingInputs)
        }
        try Self.check(inputs, key, limits)
        model = try fields.required("model", fields.string("model", longest: 1024))
        format = .float
        // 0 is what Ollama's clients send for all of them.
        dimensions = try fields.integer("dimensions", 0...65536).flatMap { $0 > 0 ? $0 : nil }
        shortens = true
        truncation = try fields.bool("truncate") ?? true ? Truncation(tokens: -1, keepsEnd: false) : nil
        user = nil
        keepAliveSeconds = try GenerationRequest.keepAlive(&fields)
        if var options = try fields.fields("options") {
            contextLength = try options.integer("num_ctx", -1...Int(Int32.max)).flatMap { $0 > 0 ? $0 : nil }
            // The others are for what picks tokens, which nothing does here; what they could not mean is refused.
            var unused = GenerationRequest(dialect: .ollamaGenerate, input: .prompts([]))
            try unused.readOllamaOptions(&options, limits)
        }
        unknownFields = fields.unread
    }

    /// The reply of `/api/embed`.
    public func ollamaReply(model: String, vectors: [[Float]], promptTokens: Int, seconds: Double) -> JSON {
        [
            "model": .string(model),
            "embeddings": .array(vectors.map { .array($0.map { .number(Double($0)) }) }),
            "total_duration": .integer(Int64((seconds * 1e9).rounded())), "load_duration": 0,
            "prompt_eval_count": .integer(promptTokens),
        ]
    }
}
