import MartletJSON

/// A refusal in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}` with an HTTP status.
public struct APIError: Error, Sendable, Equatable, CustomStringConvertible {
    public var status: Int
    public var message: String
    /// `invalid_request_error`, `authentication_error`, `rate_limit_error`, `server_error`, ….
    public var type: String
    /// The parameter that is to blame, by its path in the request: `messages[2].content`.
    public var parameter: String?
    /// A word for programs: `context_length_exceeded`, `model_not_found`, ….
    public var code: String?

    public init(
        status: Int = 400, _ message: String, type: String = "invalid_request_error", parameter: String? = nil,
        code: String? = nil
    ) {
        self.status = status
        self.message = message
        self.type = type
        self.parameter = parameter
        self.code = code
    }

    public var description: String { message }
}
