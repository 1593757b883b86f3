import MartletInference
import MartletJSON

/// The metadata of a reply.
public struct ReplyHeader: Sendable {
    /// `chatcmpl-…`, `cmpl-…`: the same in every event.
    public var id: String
    /// Unix time in seconds.
    public var created: Int
    /// Identifies the server version and the model.
    public var systemFingerprint: String?

    public init(id: String, created: Int, systemFingerprint: String? = nil) {
        self.id = id
        self.created = created
        self.systemFingerprint = systemFingerprint
    }
}

/// Converts the engine's events to a dialect's response: bytes to stream, or one JSON value at the end.
///
/// Events of several prompts may arrive in any order, those of one prompt in order.
public protocol GenerationReply: Sendable {
    /// The content type of the stream.
    var contentType: String { get }
    /// Adds an event; returns the bytes to stream, often none.
    mutating func add(_ event: EngineEvent, prompt: Int) -> [UInt8]
    /// The end of a stream.
    mutating func finish() -> [UInt8]
    /// The end of a stream after an error.
    func failure(_ error: APIError) -> [UInt8]
    /// The complete response, after all events have been added.
    func json() -> JSON
    /// The token counts so far, for quotas and logs.
    var usage: Usage { get }
}

extension GenerationPlan {
    /// An empty response in the shape of the request's dialect.
    public func reply(_ header: ReplyHeader) -> any GenerationReply {
        switch request.dialect {
        case .chatCompletions: ChatReply(self, header)
        case .completions: CompletionReply(self, header)
        case .ollamaChat, .ollamaGenerate: OllamaReply(self, header)
        case .messages: MessagesReply(self, header)
        case .responses: ResponsesReply(self, header)
        case .llamaCompletion: LlamaCompletionReply(self, header)
        case .textGeneration: TextGenerationReply(self, header)
        }
    }

    /// The prefix of response ids in this dialect.
    public var identifierPrefix: String {
        switch request.dialect {
        case .completions, .llamaCompletion, .textGeneration: "cmpl-"
        case .responses: "resp_"
        case .messages: "msg_"
        case .chatCompletions, .ollamaChat, .ollamaGenerate: "chatcmpl-"
        }
    }
}

/// Server-sent events.
enum ServerEvent {
    static let contentType = "text/event-stream"
    static let done = Array("data: [DONE]\n\n".utf8)

    static func data(_ json: JSON, event: String? = nil) -> [UInt8] {
        var bytes: [UInt8] = []
        if let event { bytes += "event: \(event)\n".utf8 }
        bytes += "data: ".utf8
        bytes += json.bytes()
        bytes += "\n\n".utf8
        return bytes
    }
}
