import MartletData
import MartletJSON
import MartletText

/// A conversation as tokens, and which of them the assistant is to learn.
public struct EncodedChat: Sendable, Equatable {
    public var tokens: [Int32]
    /// True for what the assistant says, up to and with the token that ends its turn.
    public var isTrained: [Bool]
}

/// Turns conversations into tokens through a model's own chat template.
///
/// What the assistant says is found by rendering: the tokens of the conversation up to a reply, with what opens the
/// reply, must begin the tokens of the conversation with the reply; the rest is the reply. So the model is trained on
/// exactly what it will be asked to write, whatever the template.
public struct ChatEncoder: Sendable {
    public let tokenizer: Tokenizer
    public let template: ChatTemplate

    public init(tokenizer: Tokenizer, template: ChatTemplate) {
        self.tokenizer = tokenizer
        self.template = template
    }

    /// - Throws: `TrainingError` for a conversation that cannot be trained on: no reply, two beginning-of-sequence
    ///   tokens, a reply that no end token follows, a template that rewrites what came before.
    public func encode(_ messages: [ChatMessage], tools: [JSON]? = nil) throws -> EncodedChat {
        let whole = try tokens(messages, tools, opening: false)
        var isTrained = Array(repeating: false, count: whole.count)
        var replies = 0
        for (index, message) in messages.enumerated() where message.role == "assistant" {
            let before = try tokens(Array(messages[..<index]), tools, opening: true)
            let after = try tokens(Array(messages[...index]), tools, opening: false)
            guard after.starts(with: before), whole.starts(with: after) else {
                throw TrainingError(
                    .data,
                    "the chat template rewrites earlier messages, so the tokens of reply \(replies + 1) cannot be "
                        + "told apart: \(shown(messages))")
            }
            let end = (before.count..<after.count).first { tokenizer.eosTokens.contains(after[$0]) }
            guard let end else {
                throw TrainingError(
                    .data,
                    "no end token follows reply \(replies + 1), the model would not learn to stop: \(shown(messages))")
            }
            for place in before.count...end { isTrained[place] = true }
            replies += 1
        }
        guard replies > 0 else {
            throw TrainingError(.data, "the conversation has no message of the assistant: \(shown(messages))")
        }
        if let begin = tokenizer.bosToken, whole.count > 1, whole[0] == begin, whole[1] == begin {
            throw TrainingError(
                .data,
                "the conversation begins with two beginning-of-sequence tokens; the template and the tokenizer "
                    + "both add one: \(shown(messages))")
        }
        return EncodedChat(tokens: whole, isTrained: isTrained)
    }

    /// Turns documents into tokens: conversations through the template, texts with `separator` at their end.
    public func documentEncoder(separator: Int32?) -> DocumentEncoder {
        DocumentEncoder(
            tokenizer: tokenizer, separator: separator,
            chats: .encoded { messages, tools in
                let encoded = try encode(messages, tools: tools)
                return (encoded.tokens, encoded.isTrained)
            })
    }

    /// The prompt that asks for the next reply.
    public func prompt(_ messages: [ChatMessage], tools: [JSON]? = nil) throws -> [Int32] {
        try tokens(messages, tools, opening: true)
    }

    private func tokens(_ messages: [ChatMessage], _ tools: [JSON]?, opening: Bool) throws -> [Int32] {
        let rendered = try template.render(messages: messages, tools: tools, addGenerationPrompt: opening)
        let segments = rendered.segments.map { Tokenizer.Segment($0.text, isTrusted: $0.isTrusted) }
        // The template writes the special tokens itself.
        return try tokenizer.encode(segments: segments, addSpecialTokens: false)
    }

    private func shown(_ messages: [ChatMessage]) -> String {
        let text = JSON.array(messages.map(\.json)).text()
        return text.count > 300 ? text.prefix(300) + "…" : text
    }
}
