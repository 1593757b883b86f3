import MartletJSON

extension EmbeddingsRequest {
    /// The body of text-embeddings-inference's `POST /embed`.
    public init(textEmbeddings body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        inputs = try GenerationRequest.Prompt.list(
            fields.required("inputs", fields.json("inputs")), "inputs", most: limits.embeddingInputs)
        try Self.check(inputs, "inputs", limits)
        model = try fields.string("model", longest: 1024)
        format = .float
        dimensions = try fields.integer("dimensions", 1...65536)
        truncation = try fields.textEmbeddingsTruncation()
        user = nil
        normalizes = try fields.bool("normalize") ?? true
        try fields.refuse("prompt_name")
        unknownFields = fields.unread
    }

    /// The body of llama.cpp's `POST /embedding`: `content` is one text or several.
    public init(llamaServer body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        let key = fields.json("content") == nil && fields.json("input") != nil ? "input" : "content"
        inputs = try GenerationRequest.Prompt.list(
            fields.required("content", fields.json(key)), key, most: limits.embeddingInputs)
        try Self.check(inputs, key, limits)
        model = try fields.string("model", longest: 1024)
        format = .float
        user = nil
        // llama.cpp's numbers of norms: −1 is none, 2 is Euclidean.
        let norm = try fields.integer("embd_normalize", -1...2) ?? 2
        guard norm == 2 || norm == -1 else { throw fields.error("embd_normalize", "may be 2 or -1") }
        normalizes = norm == 2
        unknownFields = fields.unread
    }

    /// A list of vectors, as in text-embeddings-inference.
    public static func plainReply(vectors: [[Float]]) -> JSON {
        .array(vectors.map { .array($0.map { .number(Double($0)) }) })
    }

    /// The reply of llama.cpp: for each input a list of vectors with one element.
    public static func llamaServerReply(vectors: [[Float]]) -> JSON {
        .array(
            vectors.enumerated().map { index, vector in
                ["index": .integer(index), "embedding": [.array(vector.map { .number(Double($0)) })]]
            })
    }
}

extension FieldReader {
    /// `truncate` and `truncation_direction`.
    mutating func textEmbeddingsTruncation() throws(APIError) -> Truncation? {
        let direction = try string("truncation_direction") ?? "Right"
        guard ["Right", "Left", "right", "left"].contains(direction) else {
            throw error("truncation_direction", "must be 'Right' or 'Left'")
        }
        guard try bool("truncate") ?? false else { return nil }
        return Truncation(tokens: -1, keepsEnd: direction.lowercased() == "left")
    }
}

/// The body of text-embeddings-inference's `POST /similarity`: the similarity of one text to each of several others.
public struct SimilarityRequest: Sendable {
    public var model: String?
    public var source: String
    public var sentences: [String]
    public var truncation: Truncation?
    public var unknownFields: [String]

    public init(_ body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        model = try fields.string("model", longest: 1024)
        var inputs = try fields.required("inputs", fields.fields("inputs"))
        source = try inputs.required("source_sentence", inputs.string("source_sentence"))
        sentences = try inputs.required("sentences", inputs.strings("sentences", most: limits.documents))
        guard !sentences.isEmpty else { throw inputs.error("sentences", "must hold at least one text") }
        try FieldReader.checkBytes(source, limits.embeddingTextBytes, "inputs.source_sentence")
        for (index, text) in sentences.enumerated() {
            try FieldReader.checkBytes(text, limits.embeddingTextBytes, "inputs.sentences[\(index)]")
        }
        if var parameters = try fields.fields("parameters") {
            truncation = try parameters.textEmbeddingsTruncation()
            try parameters.refuse("prompt_name")
        }
        unknownFields = fields.unread
    }

    public static func reply(scores: [Float]) -> JSON { .array(scores.map { .number(Double($0)) }) }
}

/// The body of text-embeddings-inference's `POST /predict`: texts to classify.
public struct PredictRequest: Sendable {
    public var model: String?
    public var unknownFields: [String]

    public init(_ body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        model = try fields.string("model", longest: 1024)
        switch try fields.required("inputs", fields.json("inputs")) {
        case .string: break
        case .array(let items) where !items.isEmpty && items.count <= limits.documents: break
        default: throw fields.error("inputs", "must be a text or 1 to \(limits.documents) of them")
        }
        _ = try fields.bool("raw_scores")
        _ = try fields.textEmbeddingsTruncation()
        unknownFields = fields.unread
    }
}

/// `GET /info` of text-generation-inference and text-embeddings-inference.
public enum InferenceInformation {
    public static func json(_ card: ModelCard, isEmbedding: Bool, running: Int, limits: RequestLimits, version: String)
        -> JSON
    {
        let length = card.contextLength ?? 0
        var object = JSONObject([
            ("model_id", .string(card.id)), ("model_sha", .string(orNull: card.digest)),
            ("model_dtype", .string(card.quantization ?? "")), ("max_concurrent_requests", .integer(running)),
            ("version", .string(version)), ("sha", .null), ("docker_label", .null),
        ])
        if isEmbedding {
            object["model_type"] = ["embedding": [:]]
            object["max_input_length"] = .integer(length)
            object["max_batch_tokens"] = .integer(limits.embeddingTokens)
            object["max_client_batch_size"] = .integer(limits.embeddingInputs)
            object["auto_truncate"] = false
        } else {
            object["model_device_type"] = "cpu"
            object["model_pipeline_tag"] = "text-generation"
            object["max_best_of"] = 1
            object["max_stop_sequences"] = .integer(limits.stopStrings)
            object["max_input_tokens"] = .integer(max(0, length - 1))
            object["max_total_tokens"] = .integer(length)
            object["max_client_batch_size"] = 1
            object["router"] = "martlet"
        }
        return .object(object)
    }
}
