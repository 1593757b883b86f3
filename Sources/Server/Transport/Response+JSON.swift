import HTTPTypes
import MartletAPI
import MartletJSON
import NIOCore

extension Response {
    /// A JSON response.
    package static func json(_ json: JSON, status: Int = 200) -> Response {
        bytes(json.bytes(), type: "application/json", status: status)
    }

    package static func text(_ text: String, type: String = "text/plain; charset=utf-8", status: Int = 200) -> Response
    {
        bytes(Array(text.utf8), type: type, status: status)
    }

    package static func bytes(_ bytes: [UInt8], type: String, status: Int = 200) -> Response {
        Response(
            status: .init(code: status), headers: [.contentType: type],
            body: ResponseBody(ByteBuffer(bytes: bytes)))
    }

    /// An error response.
    package init(_ error: APIError, _ shape: ErrorShape = .openAI) {
        self = .json(shape.json(error), status: shape.status(error))
        if let seconds = error.retryAfterSeconds {
            headers[.retryAfter] = "\(max(1, Int(seconds.rounded(.up))))"
            headers[.retryAfterMilliseconds] = "\(max(1, Int((seconds * 1000).rounded(.up))))"
        }
        if error.status == 401 { headers[.wwwAuthenticate] = "Bearer" }
    }
}

extension HTTPField.Name {
    private static func name(_ text: String) -> HTTPField.Name { HTTPField.Name(text) ?? .via }

    package static let requestID = name("x-request-id")
    package static let apiKey = name("x-api-key")
    /// As Azure's clients send it.
    package static let azureKey = name("api-key")
    package static let anthropicVersion = name("anthropic-version")
    package static let fetchSite = name("sec-fetch-site")
    package static let retryAfterMilliseconds = name("retry-after-ms")
    static let limitRequests = name("x-ratelimit-limit-requests")
    static let remainingRequests = name("x-ratelimit-remaining-requests")
    static let resetRequests = name("x-ratelimit-reset-requests")
    static let limitTokens = name("x-ratelimit-limit-tokens")
    static let remainingTokens = name("x-ratelimit-remaining-tokens")
    static let resetTokens = name("x-ratelimit-reset-tokens")
    static let referrerPolicy = name("referrer-policy")
    static let buffering = name("x-accel-buffering")
}
