import MartletChat
import MartletJSON

/// What a model answered, with its thinking and its calls told apart from what it says.
public struct ChatReply: Sendable {
    public var content = ""
    /// Nil where the model's template has no thinking, or it did none.
    public var reasoning: String?
    public var calls: [ChatMessage.ToolCall] = []
    public var finishReason: FinishReason?
    public var statistics: GenerationStatistics?

    public init() {}

    /// The reply as a message of the conversation.
    public var message: ChatMessage {
        var message = ChatMessage(role: "assistant", content: content)
        if let reasoning { message.reasoningContent = reasoning }
        if !calls.isEmpty { message.toolCalls = calls }
        return message
    }

    /// The content as JSON: what a schema was asked for.
    /// - Throws: `JSONError` where it is none, as a reply is that was cut short.
    public func json() throws -> JSON { try JSON(parsing: Array(content.utf8)) }
}

/// What happens while a model answers.
public enum ChatEvent: Sendable {
    case text(String)
    case reasoning(String)
    /// A whole call.
    case call(ChatMessage.ToolCall)
    /// The last event.
    case done(ChatReply)
}

/// Puts a reply together from the pieces of a stream.
package struct ChatReplyReader {
    package private(set) var reply = ChatReply()
    private var parser: ReplyParser
    /// Calls of which not all arguments may have come: the JSON text so far.
    private var open: [(name: String, arguments: String)] = []

    package init(_ parser: ReplyParser) { self.parser = parser }

    package mutating func append(_ piece: GeneratedToken) throws -> [ChatEvent] {
        var events = try note(parser.append(piece.text))
        guard let reason = piece.finishReason else { return events }
        events += try note(parser.finish())
        reply.finishReason = reason
        reply.statistics = piece.statistics
        for (index, call) in open.enumerated() {
            // Arguments that were cut short by the end are no call.
            guard let arguments = try? JSON(parsing: Array((call.arguments.isEmpty ? "{}" : call.arguments).utf8))
            else {
                continue
            }
            let made = ChatMessage.ToolCall(id: "call_\(index)", name: call.name, arguments: arguments)
            reply.calls.append(made)
            events.append(.call(made))
        }
        open = []
        return events + [.done(reply)]
    }

    private mutating func note(_ deltas: [ReplyDelta]) throws -> [ChatEvent] {
        var events: [ChatEvent] = []
        for delta in deltas {
            switch delta {
            case .content(let text):
                reply.content += text
                events.append(.text(text))
            case .reasoning(let text):
                reply.reasoning = (reply.reasoning ?? "") + text
                events.append(.reasoning(text))
            case .callStarted(_, let name): open.append((name, ""))
            case .callArguments(let index, let text):
                if open.indices.contains(index) { open[index].arguments += text }
            }
        }
        return events
    }
}
