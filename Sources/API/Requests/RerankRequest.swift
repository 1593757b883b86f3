import MartletJSON

/// The body of `POST /v1/rerank` in the shape of Jina and Cohere.
public struct RerankRequest: Sendable {
    public var model: String?
    public var query: String
    public var documents: [String]
    /// The best so many; nil keeps all.
    public var top: Int?
    public var returnsDocuments: Bool

    public init(_ body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        model = try fields.string("model", longest: 1024)
        query = try fields.required("query", fields.string("query"))
        var key = "documents"
        // The name that text-embeddings-inference uses.
        if fields.json(key) == nil, fields.json("texts") != nil { key = "texts" }
        let items = try fields.required("documents", fields.array(key, most: limits.documents))
        guard !items.isEmpty else { throw .invalid("documents", "must hold at least one document") }
        documents = []
        for (index, item) in items.enumerated() {
            if let text = item.string {
                documents.append(text)
            } else if item.object != nil {
                var document = try FieldReader(item, path: "\(key)[\(index)]")
                documents.append(try document.required("text", document.string("text")))
            } else {
                throw .invalid("\(key)[\(index)]", "must be a string or an object with a 'text'")
            }
        }
        top = try fields.integer("top_n", 1...Int(Int32.max))
        returnsDocuments = try fields.bool("return_documents") ?? true
    }

    /// The reply: documents by falling score, the earlier first among equals.
    public func reply(model: String, scores: [Float], promptTokens: Int, id: String) -> JSON {
        let order = scores.indices.sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }
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

/// The body of `POST /v1/score`: one text against one or more, or pairs of two lists.
public struct ScoreRequest: Sendable {
    public var model: String?
    public var pairs: [(first: String, second: String)]

    public init(_ body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        model = try fields.string("model", longest: 1024)
        let first = try Self.texts(&fields, "text_1", limits)
        let second = try Self.texts(&fields, "text_2", limits)
        if first.count == second.count {
            pairs = zip(first, second).map { ($0, $1) }
        } else if let only = first.first, first.count == 1 {
            pairs = second.map { (only, $0) }
        } else {
            throw .invalid("text_2", "has \(second.count) texts for the \(first.count) of text_1")
        }
    }

    private static func texts(
        _ fields: inout FieldReader, _ key: String, _ limits: RequestLimits
    ) throws(APIError) -> [String] {
        if let text = fields.json(key)?.string { return [text] }
        let texts = try fields.required(key, fields.strings(key, most: limits.documents))
        guard !texts.isEmpty else { throw .invalid(key, "must hold at least one text") }
        return texts
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
