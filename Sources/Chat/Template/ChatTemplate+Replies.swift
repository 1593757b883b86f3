import MartletJSON

/// One reply of a conversation, as the model was to write it: the conversation up to it, and what it adds.
public struct RenderedReply: Sendable {
    /// Which of the messages it is.
    public var message: Int
    /// The prompt it answers: the messages before it and what opens the assistant's turn.
    public var prompt: RenderedPrompt
    /// The messages up to and with the reply, as the template renders them while the reply is the last message.
    public var conversation: RenderedPrompt
    /// The reply in `conversation.text`, as ranges of UTF-8 bytes: what stands in the template's `{% generation %}`
    /// blocks where it has some, else all from where the conversation stops being the prompt, to its end.
    public var ranges: [Range<Int>]
    /// `conversation` begins with all of `prompt`. False where the template opens a turn with more than it renders of a
    /// finished one (DeepSeek-R1 asks with `<think>` and drops the thinking).
    public var continuesPrompt: Bool
    /// The whole conversation begins with `conversation`, so that one rendering serves this reply and the later ones.
    /// False where the template renders a turn otherwise once others follow (Qwen 3 drops earlier thinking): such a
    /// reply is learned from `conversation`, in a row of its own.
    public var isKeptLater: Bool
}

extension ChatTemplate {
    /// Whether the template marks what the assistant says with `{% generation %}` blocks, which
    /// `RenderedPrompt.generationRanges` tells of every rendering.
    public var marksReplies: Bool { template.marksGeneration }

    /// The replies of a conversation, in order, each as it was when it was written: what training needs to know which
    /// text the model is to learn, and from which rendering.
    ///
    /// Renders the conversation twice for each reply and once more.
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

    /// Whether the template renders a turn of this conversation otherwise once later turns are added, so that its replies
    /// cannot all be learned from one rendering.
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

    /// The blocks that reach beyond the prompt: those of earlier replies stand before.
    private static func reply(in conversation: RenderedPrompt, after start: Int, isMarked: Bool) -> [Range<Int>] {
        let end = conversation.text.utf8.count
        guard isMarked else { return start < end ? [start..<end] : [] }
        return conversation.generationRanges.filter { $0.upperBound > start && !$0.isEmpty }
    }

    /// Bytes that both texts begin with, up to the beginning of a character.
    private static func commonPrefix(_ left: String, _ right: String) -> Int {
        var count = zip(left.utf8, right.utf8).prefix { $0 == $1 }.count
        let bytes = Array(right.utf8)
        while count > 0, count < bytes.count, bytes[count] & 0xC0 == 0x80 { count -= 1 }
        return count
    }
}
