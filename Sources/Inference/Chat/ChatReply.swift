import MartletChat
import MartletJSON

/// A model's reply: its content, with thinking and calls separated.
public struct ChatReply: Sendable {
    public var content = ""
    /// Nil if the model's template has no thinking, or the model did not think.
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

    /// The content as JSON, for replies that follow a schema.
    /// - Throws: `JSONError` if it is not JSON, for example because the reply was cut off.
    public func json() throws -> JSON { try JSON(parsing: Array(content.utf8)) }
}

/// An event of a reply.
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
    /// Calls whose arguments may be incomplete: the JSON text so far.
    private var open: [(name: String, arguments: String)] = []

    package init(_ parser: ReplyParser) { self.parser = parser }

    package mutating func append(_ piece: GeneratedToken) throws -> [ChatEvent] {
        var events = try note(parser.append(piece.text))
        guard let reason = piece.finishReason else { return events }
        events += try note(parser.finish())
        reply.finishReason = reason
        reply.statistics = piece.statistics
        for (index, call) in open.enumerated() {
            // Arguments that were cut off by the end are not a call.
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
