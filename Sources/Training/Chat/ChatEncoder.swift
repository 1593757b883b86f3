import MartletChat
import MartletData
import MartletJSON
import MartletTokenizers

/// Tokens of a conversation, and which of them the assistant is to learn.
public struct EncodedChat: Sendable, Equatable {
    public var tokens: [Int32]
    /// True for what the assistant says, up to and with the token that ends its turn.
    public var isTrained: [Bool]
    /// What each token counts in the loss; nil: 1 where it is trained on.
    public var weights: [Float]?

    public init(tokens: [Int32], isTrained: [Bool], weights: [Float]? = nil) {
        self.tokens = tokens
        self.isTrained = isTrained
        self.weights = weights
    }
}

/// What a conversation became: one sequence where the template only ever appends, else one for each reply; and what is
/// to be told of it.
public struct EncodedConversation: Sendable, Equatable {
    public var sequences: [EncodedChat]
    public var notes: [CorpusTally.Kind] = []
}

/// What becomes of a conversation that is longer than a row.
public enum LongConversations: String, Sendable, Hashable, CaseIterable {
    /// The part that does not fit is left out, and counted.
    case drop
    /// It goes on as another sequence that begins with the system prompt and a later turn of the user, so that every
    /// reply still has its prompt. A reply that does not fit even so is left out, and counted.
    case cut
}

/// What of a conversation is learnt.
public enum LearntMessages: String, Sendable, Hashable, CaseIterable {
    /// What the assistant says.
    case replies
    /// Of these the last alone.
    case last
    /// All of the text, as a template writes it.
    case all
}

/// What becomes of the thoughts of replies.
public enum ThinkingReplies: String, Sendable, Hashable, CaseIterable {
    /// They are learnt as the template writes them.
    case keep
    /// They are taken out of replies before anything is rendered.
    case drop
}

/// Turns conversations into tokens through a model's own chat template.
///
/// Each reply is what follows the prompt that would ask for it: the tokens of the conversation up to the reply, with
/// what opens the reply, then the reply's own. So the model is trained on exactly what it will be asked to write,
/// whatever the template; a template that renders earlier turns otherwise than the last (thoughts left out) makes a
/// sequence for each reply. A template with `{% generation %}` tags says itself what is learnt.
///
/// ```swift
/// guard let template = model.chatTemplate else { return }
/// let encoder = try ChatEncoder(tokenizer: model.tokenizer, template: template)
/// let encoded = try encoder.encode([
///     ChatMessage(role: "user", content: "Two and two?"), ChatMessage(role: "assistant", content: "Four."),
/// ])
/// ```
public struct ChatEncoder: Sendable {
    public let tokenizer: Tokenizer
    public let template: ChatTemplate
    /// The most tokens a sequence may have; nil for no limit.
    public var largestSequence: Int?
    public var long = LongConversations.drop
    public var learnt = LearntMessages.replies
    public var thinking = ThinkingReplies.keep

    public init(tokenizer: Tokenizer, template: ChatTemplate) {
        self.tokenizer = tokenizer
        self.template = template
    }

    /// - Throws: `TrainingError` for a conversation that cannot be trained on: no reply, two beginning-of-sequence
    ///   tokens, a reply that no end token follows, a call that the template does not render, a template that rewrites
    ///   what it asks with.
    public func encode(_ messages: [ChatMessage], tools: [JSON]? = nil) throws -> EncodedConversation {
        var plain = messages, weights: [Float] = messages.map { $0.role == "assistant" ? 1 : 0 }, tools = tools
        for index in plain.indices {
            guard let weight = plain[index]["weight"] else { continue }
            // Templates are not to see it.
            plain[index]["weight"] = nil
            if weights[index] > 0, let weight = weight.double { weights[index] = Float(weight) }
        }
        var details: [[WeighedPart]] = plain.map { _ in [] }
        for index in plain.indices {
            details[index] = Self.weighed(plain[index]["train_detail"])
            plain[index]["train_detail"] = nil
            if thinking == .drop { plain[index].dropThoughts() }
        }
        if learnt == .last, let last = weights.lastIndex(where: { $0 > 0 }) {
            for index in weights.indices where index != last { weights[index] = 0 }
        }
        guard weights.contains(where: { $0 > 0 }) else {
            let why =
                messages.contains { $0.role == "assistant" }
                ? "only replies of weight 0" : "no message of the assistant"
            throw TrainingError(.data, "the conversation has \(why): \(Self.shown(messages))")
        }
        var notes: [CorpusTally.Kind] = []
        let calls = plain.map { $0.role == "assistant" ? $0.toolCalls : [] }
        if ToolTeaching.isNeeded(template: template.source), ToolTeaching.concerns(plain, tools: tools ?? []) {
            let before = plain.count
            plain = ToolTeaching.taught(plain, tools: tools ?? [])
            if plain.count > before {
                weights.insert(0, at: 0)
                details.insert([], at: 0)
            }
            tools = nil
            notes.append(.taughtCalls)
        }
        let offset = plain.count - calls.count
        let conversation = Conversation(
            messages: plain, tools: tools, weights: weights,
            calls: Array(repeating: [], count: offset) + calls, details: details)
        var encoded: EncodedConversation
        if learnt == .all {
            encoded = try encodeWhole(conversation, given: messages)
        } else if template.marksReplies, details.allSatisfy(\.isEmpty) {
            encoded = try encodeTagged(conversation)
        } else {
            encoded = try encodeTurns(conversation)
        }
        encoded.notes = notes + encoded.notes
        for sequence in encoded.sequences { try checkBeginning(sequence.tokens, messages) }
        return encoded
    }

    /// Characters of a message, and what they count beside the rest of it.
    struct WeighedPart {
        /// Unicode scalars of `content`.
        var characters: Range<Int>
        /// 0: they are not learnt.
        var factor: Float
    }

    /// A conversation ready to be rendered.
    struct Conversation {
        var messages: [ChatMessage]
        var tools: [JSON]?
        /// What each message counts in the loss; 0 is context.
        var weights: [Float]
        /// The calls of each message, before they were written as text.
        var calls: [[ChatMessage.ToolCall]]
        /// Of each message the characters that count less or more than the rest.
        var details: [[WeighedPart]]

        func isLearnt(_ index: Int) -> Bool { weights[index] > 0 }

        /// How many messages stand before the first turn.
        var leading: Int { messages.prefix { $0.role == "system" || $0.role == "developer" }.count }
    }

    private func checkBeginning(_ tokens: [Int32], _ messages: [ChatMessage]) throws {
        guard let begin = tokenizer.bosToken, tokens.count > 1, tokens[0] == begin, tokens[1] == begin else { return }
        throw TrainingError(
            .data,
            "the conversation begins with two beginning-of-sequence tokens; the template and the tokenizer "
                + "both add one: \(Self.shown(messages))")
    }

    /// Turns documents into tokens: conversations through the template, texts with `separator` at their end.
    public func documentEncoder(separator: Int32?) -> DocumentEncoder {
        DocumentEncoder(
            tokenizer: tokenizer, separator: separator,
            chats: .encoded { messages, tools in
                let encoded = try encode(messages, tools: tools)
                var bytes = messages.reduce(0) { $0 + ($1.content?.utf8.count ?? 0) }
                return DocumentEncoding(
                    encoded.sequences.map { sequence in
                        // Of several sequences the text counts once.
                        defer { bytes = 0 }
                        return EncodedDocument(
                            tokens: sequence.tokens, isTrained: sequence.isTrained, weights: sequence.weights,
                            sourceByteCount: bytes)
                    }, notes: encoded.notes)
            })
    }

    /// The prompt that asks for the next reply.
    public func prompt(_ messages: [ChatMessage], tools: [JSON]? = nil) throws -> [Int32] {
        try tokens(render(messages, tools, opening: true).segments)
    }

    func render(_ messages: [ChatMessage], _ tools: [JSON]?, opening: Bool) throws -> RenderedPrompt {
        try template.render(messages: messages, tools: tools, addGenerationPrompt: opening)
    }

    /// The template writes the special tokens itself.
    func tokens(_ segments: [(text: String, isTrusted: Bool)]) throws -> [Int32] {
        try tokenizer.encode(
            segments: segments.map { Tokenizer.Segment($0.text, isTrusted: $0.isTrusted) }, addSpecialTokens: false)
    }

    static func shown(_ messages: [ChatMessage]) -> String {
        let text = JSON.array(messages.map(\.json)).text()
        return text.count > 300 ? text.prefix(300) + "…" : text
    }
}
