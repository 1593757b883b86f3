/// A body with only a model name.
public struct ModelRequest: Sendable {
    public var model: String?

    /// - Parameter alias: an alternative name of the member.
    public init(
        _ body: some Sequence<UInt8>, alias: String? = nil, limits: RequestLimits = RequestLimits()
    ) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        model = try fields.string("model", longest: 1024)
        if let alias {
            let other = try fields.string(alias, longest: 1024)
            model = model ?? other
        }
    }
}
