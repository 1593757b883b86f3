/// The body of Ollama's `POST /api/pull`.
public struct PullRequest: Sendable {
    public var model: String
    public var isStreamed: Bool
    public var unknownFields: [String]

    public init(_ body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        let older = try fields.string("name", longest: 1024)
        let name = try fields.string("model", longest: 1024)
        model = try fields.required("model", name ?? older)
        isStreamed = try fields.bool("stream") ?? true
        _ = try fields.bool("insecure")
        unknownFields = fields.unread
    }
}
