import MartletJSON
import MartletSystem

/// An error in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}` with an HTTP status.
public struct APIError: Error, Sendable, Equatable, CustomStringConvertible {
    public var status: Int
    public var message: String
    /// `invalid_request_error`, `authentication_error`, `rate_limit_error`, `server_error`, ….
    public var type: String
    /// The invalid parameter, by its path in the request: `messages[2].content`.
    public var parameter: String?
    /// A machine-readable code: `context_length_exceeded`, `model_not_found`, ….
    public var code: String?
    /// When to retry, for 429 and 503.
    public var retryAfterSeconds: Double?

    public init(
        status: Int = 400, _ message: String, type: String = "invalid_request_error", parameter: String? = nil,
        code: String? = nil, retryAfterSeconds: Double? = nil
    ) {
        self.status = status
        self.message = message
        self.type = type
        self.parameter = parameter
        self.code = code
        self.retryAfterSeconds = retryAfterSeconds
    }

    public var description: String { message }

    /// The body of the reply.
    public var json: JSON {
        [
            "error": [
                "message": .string(message), "type": .string(type), "param": .string(orNull: parameter),
                "code": .string(orNull: code),
            ]
        ]
    }
}

extension APIError {
    /// A parameter of the wrong type or outside its range.
    public static func invalid(_ parameter: String, _ problem: String, code: String? = nil) -> APIError {
        APIError("\(parameter) \(problem)", parameter: parameter, code: code)
    }

    /// A parameter that the server knows but does not support.
    public static func unsupported(_ parameter: String, _ problem: String = "is not supported") -> APIError {
        APIError("\(parameter) \(problem)", parameter: parameter, code: "unsupported_parameter")
    }

    public static func contextExceeded(promptTokens: Int, maximumTokens: Int?, limit: Int) -> APIError {
        let asked = maximumTokens.flatMap { $0 < Int(Int32.max) ? $0 : nil }
        let reply = asked.map { " and \($0) were asked for in the reply" } ?? ""
        return APIError(
            "This model's maximum context length is \(limit) tokens. The prompt has \(promptTokens) tokens\(reply). "
                + "Shorten one or both.", parameter: "messages", code: "context_length_exceeded")
    }

    /// The client has disconnected.
    public static let clientLeft = APIError(
        status: 499, "The client closed the connection.", code: "client_closed_request")

    public static func unknownModel(_ name: String) -> APIError {
        APIError(
            status: 404, "The model '\(name.shown(limit: 200))' does not exist.", parameter: "model",
            code: "model_not_found")
    }

    /// An internal error without details: the request id leads to the log entry.
    public static func internalError(requestID: String) -> APIError {
        APIError(status: 500, "Internal error. Request id: \(requestID)", type: "server_error")
    }
}

extension JSON {
    /// The string, or null.
    static func string(orNull text: String?) -> JSON { text.map { .string($0) } ?? .null }
    static func integer(_ value: Int) -> JSON { .integer(Int64(value)) }
}
