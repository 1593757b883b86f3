import MartletJSON

/// One assistant reply of a conversation as a training example: its prompt, and the text it adds.
public struct RenderedReply: Sendable {
    /// The index of its message.
    public var message: Int
    /// The prompt of the reply: the messages before it and the generation prompt.
    public var prompt: RenderedPrompt
    /// The messages up to and including the reply, rendered with the reply as the last message.
    public var conversation: RenderedPrompt
    /// The reply in `conversation.text`, as ranges of UTF-8 bytes: the template's `{% generation %}` blocks if it has
    /// them, else everything from where the conversation differs from the prompt to its end.
    public var ranges: [Range<Int>]
    /// Whether `conversation` starts with the whole `prompt`. False if the template opens a turn with text that it does
    /// not render for a finished one (DeepSeek-R1 opens with `<think>` and drops the reasoning).
    public var continuesPrompt: Bool
    /// Whether the whole conversation starts with `conversation`, so that one rendering serves this and later replies.
    /// False if the template renders a turn differently once others follow (Qwen 3 drops earlier reasoning): such a
    /// reply is trained from `conversation`, as a row of its own.
    public var isKeptLater: Bool
}

extension ChatTemplate {
    /// Whether the template marks assistant text with `{% generation %}` blocks, reported as
    /// `RenderedPrompt.generationRanges`.
    public var marksReplies: Bool { template.marksGeneration }

    /// The replies of a conversation in order, each as it was when it was generated: training needs to know which text
    /// to learn, and from which rendering.
    ///
    /// Renders the conversation twice per reply, and once more.
    /// - Throws: `ChatTemplateError` when the template refuses the conversation, or any part of it that ends with a reply.
    public func replies(
        messages: [ChatMessage], tools: [JSON]? = nil, documents: [JSON]? = nil, extra: JSONObject = JSONObject()
    ) throws(ChatTemplateError) -> [RenderedReply] {
        let whole = try render(messages: messages, tools: tools, documents: documents, extra: extra)
        var replies: [RenderedReply] = []
        for (index, message) in messages.enumerated() where message.role == "assistant" {
            let prompt = try render(
                messages: Array(messages[..<index]), tools: tools, documents: documents, addGenerationPrompt: true,
                extra: extra)
            let isLast = index == messages.count - 1
            let conversation =
                isLast
                ? whole
                : try render(messages: Array(messages[...index]), tools: tools, documents: documents, extra: extra)
            let common = Self.commonPrefix(prompt.text, conversation.text)
            replies.append(
                RenderedReply(
                    message: index, prompt: prompt, conversation: conversation,
                    ranges: Self.reply(in: conversation, after: common, isMarked: marksReplies),
                    continuesPrompt: common == prompt.text.utf8.count,
                    isKeptLater: isLast
                        || whole.text.utf8.starts(with: conversation.text.utf8)))
        }
        return replies
    }

    /// Whether the template renders a turn of this conversation differently once later turns are added, so that its
    /// replies cannot all be trained from one rendering.
    public func rewritesEarlierTurns(
        of messages: [ChatMessage], tools: [JSON]? = nil, documents: [JSON]? = nil, extra: JSONObject = JSONObject()
    ) throws(ChatTemplateError) -> Bool {
        let whole = try render(messages: messages, tools: tools, documents: documents, extra: extra).text
        for (index, message) in messages.enumerated().dropLast() where message.role == "assistant" {
            let part = try render(
                messages: Array(messages[...index]), tools: tools, documents: documents, extra: extra)
            if !whole.utf8.starts(with: part.text.utf8) { return true }
        }
        return false
    }

    /// The blocks after the prompt; those of earlier replies are before it.
    private static func reply(in conversation: RenderedPrompt, after start: Int, isMarked: Bool) -> [Range<Int>] {
        let end = conversation.text.utf8.count
        guard isMarked else { return start < end ? [start..<end] : [] }
        return conversation.generationRanges.filter { $0.upperBound > start && !$0.isEmpty }
    }

    /// The length of the common prefix in bytes, reduced to a character boundary.
    private static func commonPrefix(_ left: String, _ right: String) -> Int {
        var count = zip(left.utf8, right.utf8).prefix { $0 == $1 }.count
        let bytes = Array(right.utf8)
        while count > 0, count < bytes.count, bytes[count] & 0xC0 == 0x80 { count -= 1 }
        return count
    }
}
