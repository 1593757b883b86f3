import MartletInference
import MartletJSON

/// What a reply says about itself.
public struct ReplyHeader: Sendable {
    /// `chatcmpl-…`, `cmpl-…`: the same in every event.
    public var id: String
    /// Unix time in seconds.
    public var created: Int
    /// Which server and weights answered.
    public var systemFingerprint: String?

    public init(id: String, created: Int, systemFingerprint: String? = nil) {
        self.id = id
        self.created = created
        self.systemFingerprint = systemFingerprint
    }
}

/// The engine's events as a dialect's reply: bytes to send as they come, or one JSON value at the end.
///
/// Events of several prompts may come in any order, those of one prompt in theirs.
public protocol GenerationReply: Sendable {
    /// Of the stream.
    var contentType: String { get }
    /// Takes an event; returns what a stream sends because of it, often nothing.
    mutating func add(_ event: EngineEvent, prompt: Int) -> [UInt8]
    /// What ends a stream.
    mutating func finish() -> [UInt8]
    /// What ends a stream after an error.
    func failure(_ error: APIError) -> [UInt8]
    /// The whole reply, when every event has been added.
    func json() -> JSON
    /// Tokens so far, for quotas and logs.
    var usage: Usage { get }
}

extension GenerationPlan {
    /// An empty reply in the shape that the request's dialect wants.
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

    /// The beginning of the ids of this dialect's replies.
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
