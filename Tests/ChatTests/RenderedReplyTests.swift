import MartletChat
import MartletJSON
import Testing

/// Replies as training needs them: which text, of which rendering.
struct RenderedReplyTests {
    private static let conversation = [
        ChatMessage(role: "system", content: "Kurz."), ChatMessage(role: "user", content: "Zürich?"),
        ChatMessage(role: "assistant", content: "<think>hm</think>\n\nJa 🙂."),
        ChatMessage(role: "user", content: "Und?"),
        ChatMessage(role: "assistant", content: "Nein."),
    ]

    private static let chatML = ChatTemplates.fallback

    /// What the assistant says stands in blocks, and is more in the last turn.
    private static let marked = """
        {%- for message in messages %}{%- if message.role == 'assistant' %}{{- '<|im_start|>assistant\\n' }}\
        {% generation %}{%- if loop.last %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}\
        {{- message.content + '<|im_end|>' }}{% endgeneration %}{{- '\\n' }}\
        {%- else %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{%- endif %}\
        {%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
        """

    /// Thinking is rendered in the last turn only, and asked for by an opening that finished turns have not.
    private static let dropping = """
        {%- for message in messages %}{%- set content = message.content %}\
        {%- if message.role == 'assistant' and '</think>' in content and not loop.last %}\
        {%- set content = content.split('</think>')[-1].lstrip('\\n') %}{%- endif %}\
        {{- '<|' + message.role + '|>' + content }}{%- endfor %}\
        {%- if add_generation_prompt %}{{- '<|assistant|><think>\\n' }}{%- endif %}
        """

    private func texts(_ reply: RenderedReply) -> [String] {
        let bytes = Array(reply.conversation.text.utf8)
        return reply.ranges.map { String(decoding: bytes[$0], as: UTF8.self) }
    }

    @Test func repliesAreWhatTheConversationAddsToThePrompt() throws {
        let template = try ChatTemplate(source: Self.chatML)
        let replies = try template.replies(messages: Self.conversation)
        #expect(replies.map(\.message) == [2, 4])
        #expect(replies.map(texts) == [["<think>hm</think>\n\nJa 🙂.<|im_end|>\n"], ["Nein.<|im_end|>\n"]])
        #expect(replies.allSatisfy(\.isKeptLater) && replies.allSatisfy(\.continuesPrompt))
        #expect(!template.marksReplies)
        #expect(try !template.rewritesEarlierTurns(of: Self.conversation))
    }

    @Test func blocksSayWhatIsLearned() throws {
        let template = try ChatTemplate(source: Self.marked)
        #expect(template.marksReplies)
        let replies = try template.replies(messages: Self.conversation)
        #expect(
            replies.map(texts) == [
                ["<think>\n\n</think>\n\n<think>hm</think>\n\nJa 🙂.<|im_end|>"],
                ["<think>\n\n</think>\n\nNein.<|im_end|>"],
            ])
        #expect(replies.map(\.isKeptLater) == [false, true])
        #expect(try template.rewritesEarlierTurns(of: Self.conversation))
        let whole = try template.render(messages: Self.conversation)
        let bytes = Array(whole.text.utf8)
        #expect(
            whole.generationRanges.map { String(decoding: bytes[$0], as: UTF8.self) } == [
                "<think>hm</think>\n\nJa 🙂.<|im_end|>", "<think>\n\n</think>\n\nNein.<|im_end|>",
            ])
    }

    @Test func turnsThatAreRenderedOtherwiseLaterAreTold() throws {
        let template = try ChatTemplate(source: Self.dropping)
        let replies = try template.replies(messages: Self.conversation)
        #expect(replies.map(texts) == [["hm</think>\n\nJa 🙂."], ["Nein."]])
        #expect(replies.map(\.isKeptLater) == [false, true])
        #expect(replies.map(\.continuesPrompt) == [false, false])
        #expect(try template.rewritesEarlierTurns(of: Self.conversation))
        #expect(try !template.rewritesEarlierTurns(of: Array(Self.conversation.prefix(3))))
    }

    @Test func conversationsWithoutAReplyHaveNone() throws {
        let template = try ChatTemplate(source: Self.chatML)
        #expect(try template.replies(messages: Array(Self.conversation.prefix(2))).isEmpty)
        #expect(try template.replies(messages: []).isEmpty)
    }
}
