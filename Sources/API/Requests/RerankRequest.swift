import MartletJSON

/// The body of `POST /v1/rerank` in the shape of Jina and Cohere.
public struct RerankRequest: Sendable {
    public var model: String?
    public var query: String
    public var documents: [String]
    /// How many of the best documents to return; nil returns all.
    public var top: Int?
    public var returnsDocuments: Bool
    public var truncation: Truncation?
    /// Whether the response has the shape of text-embeddings-inference, whose requests have `texts` instead of
    /// `documents`.
    public var isTextEmbeddings = false
    public var unknownFields: [String]

    public init(_ body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        model = try fields.string("model", longest: 1024)
        query = try fields.required("query", fields.string("query"))
        try FieldReader.checkBytes(query, limits.embeddingTextBytes, "query")
        var key = "documents"
        if fields.json(key) == nil, fields.json("texts") != nil {
            key = "texts"
            isTextEmbeddings = true
        }
        let items = try fields.required("documents", fields.array(key, most: limits.documents))
        guard !items.isEmpty else { throw .invalid(key, "must hold at least one document") }
        documents = []
        for (index, item) in items.enumerated() {
            if let text = item.string {
                documents.append(text)
            } else if item.object != nil {
                var document = try FieldReader(item, path: "\(key)[\(index)]", in: fields)
                documents.append(try document.required("text", document.string("text")))
            } else {
                throw .invalid("\(key)[\(index)]", "must be a string or an object with a 'text'")
            }
            try FieldReader.checkBytes(documents[index], limits.embeddingTextBytes, "\(key)[\(index)]")
        }
        if isTextEmbeddings {
            returnsDocuments = try fields.bool("return_text") ?? false
            try fields.refuse("raw_scores", unless: { $0.bool == false })
            truncation = try fields.textEmbeddingsTruncation()
        } else {
            top = try fields.integer("top_n", 1...Int(Int32.max))
            returnsDocuments = try fields.bool("return_documents") ?? true
            fields.ignore("max_tokens_per_doc", "priority")
        }
        unknownFields = fields.unread
    }

    private func order(of scores: [Float]) -> [Int] {
        scores.indices.sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }
    }

    /// The response: documents by descending score, the earlier first among equals.
    public func reply(model: String, scores: [Float], promptTokens: Int, id: String) -> JSON {
        let order = order(of: scores)
        if isTextEmbeddings {
            return .array(
                order.map { index in
                    var object = JSONObject([("index", .integer(index)), ("score", .number(Double(scores[index])))])
                    if returnsDocuments { object["text"] = .string(documents[index]) }
                    return .object(object)
                })
        }
        let results: [JSON] = order.prefix(top ?? .max).map { index in
            var object = JSONObject([
                ("index", .integer(index)), ("relevance_score", .number(Double(scores[index]))),
            ])
            if returnsDocuments { object["document"] = ["text": .string(documents[index])] }
            return .object(object)
        }
        return [
            "id": .string(id), "model": .string(model), "object": "list", "results": .array(results),
            "usage": ["prompt_tokens": .integer(promptTokens), "total_tokens": .integer(promptTokens)],
        ]
    }
}

/// The body of `POST /v1/score`: one text against one or more, or pairs from two lists.
public struct ScoreRequest: Sendable {
    public var model: String?
    /// Each distinct text, with its path in the request.
    public var texts: [(text: String, place: String)]
    /// By their indices among the texts.
    public var pairs: [(first: Int, second: Int)]
    public var unknownFields: [String]

    /// What vLLM calls the two sides.
    static let names = [
        ("text_1", "text_2"), ("data_1", "data_2"), ("queries", "documents"), ("queries", "items"),
    ]

    public init(_ body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        model = try fields.string("model", longest: 1024)
        let given = fields.object
        let names = Self.names.first { given[$0.0] != nil && given[$0.1] != nil } ?? Self.names[0]
        let first = try Self.texts(&fields, names.0, limits)
        let second = try Self.texts(&fields, names.1, limits)
        texts = first + second
        unknownFields = fields.unread
        if first.count == second.count {
            pairs = first.indices.map { ($0, first.count + $0) }
        } else if first.count == 1 {
            pairs = second.indices.map { (0, 1 + $0) }
        } else {
            throw .invalid(names.1, "has \(second.count) texts for the \(first.count) of \(names.0)")
        }
    }

    private static func texts(
        _ fields: inout FieldReader, _ key: String, _ limits: RequestLimits
    ) throws(APIError) -> [(text: String, place: String)] {
        if let text = fields.json(key)?.string {
            try FieldReader.checkBytes(text, limits.embeddingTextBytes, key)
            return [(text, key)]
        }
        let texts = try fields.required(key, fields.strings(key, most: limits.documents))
        guard !texts.isEmpty else { throw .invalid(key, "must hold at least one text") }
        var placed: [(text: String, place: String)] = []
        for (index, text) in texts.enumerated() {
            try FieldReader.checkBytes(text, limits.embeddingTextBytes, "\(key)[\(index)]")
            placed.append((text, "\(key)[\(index)]"))
        }
        return placed
    }

    public func reply(model: String, scores: [Float], promptTokens: Int, id: String, created: Int) -> JSON {
        [
            "id": .string(id), "object": "list", "created": .integer(created), "model": .string(model),
            "data": .array(
                scores.enumerated().map { index, score in
                    ["index": .integer(index), "object": "score", "score": .number(Double(score))]
                }),
            "usage": ["prompt_tokens": .integer(promptTokens), "total_tokens": .integer(promptTokens)],
        ]
    }
}
