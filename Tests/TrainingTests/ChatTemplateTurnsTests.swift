import MartletChat
import MartletData
import MartletJSON
import MartletTokenizers
import MartletTraining
import Testing

extension ChatEncoder {
    /// A sequence as text.
    func text(_ chat: EncodedChat) throws -> String { try tokenizer.decode(chat.tokens, skipSpecialTokens: false) }

    /// The stretches of a sequence that are trained on, as text.
    func learnt(_ chat: EncodedChat) throws -> [String] {
        var parts: [[Int32]] = [], before = false
        for (token, isTrained) in zip(chat.tokens, chat.isTrained) {
            if isTrained, !before { parts.append([]) }
            if isTrained { parts[parts.count - 1].append(token) }
            before = isTrained
        }
        return try parts.map { try tokenizer.decode($0, skipSpecialTokens: false) }
    }
}

/// What is learnt where a template does more than append messages.
struct ChatTemplateTurnsTests {
    static let special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<|end|>"]

    private func encoder(_ template: String, end: String = "<|im_end|>") throws -> ChatEncoder {
        ChatEncoder(
            tokenizer: try ByteTokenizer.make(special: Self.special, end: end),
            template: try ChatTemplate(source: template, specialTokens: ["eos_token": end]))
    }

    private let sums = [
        ChatMessage(role: "user", content: "2+2?"), ChatMessage(role: "assistant", content: "4"),
        ChatMessage(role: "user", content: "3+3?"), ChatMessage(role: "assistant", content: "6"),
    ]

    /// As Qwen 3 does: only what follows the last question shows its thought.
    private static let thinkingLast =
        """
        {%- set ns = namespace(last=messages|length - 1, found=false) %}
        {%- for message in messages[::-1] %}
        {%- if not ns.found and message.role == "user" %}
        {%- set ns.last = messages|length - 1 - loop.index0 %}{%- set ns.found = true %}{%- endif %}
        {%- endfor %}
        """ + turns

    /// One that takes the first question for the last while a question is the last message.
    private static let thinkingAsked =
        """
        {%- set ns = namespace(last=messages|length - 1) %}
        {%- for message in messages[::-1] %}
        {%- if ns.last == messages|length - 1 and message.role == "user" %}
        {%- set ns.last = messages|length - 1 - loop.index0 %}{%- endif %}
        {%- endfor %}
        """ + turns

    private static let turns = """
        {%- for message in messages %}{%- set content = message.content %}
        {%- if message.role != "assistant" %}{{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' }}
        {%- else %}{%- set thought = '' %}
        {%- if '</think>' in content %}
        {%- set thought = content.split('</think>')[0].split('<think>')[-1].strip('\\n') %}
        {%- set content = content.split('</think>')[-1].lstrip('\\n') %}{%- endif %}
        {%- if loop.index0 > ns.last %}
        {{- '<|im_start|>assistant\\n<think>\\n' + thought + '\\n</think>\\n\\n' + content }}
        {%- else %}{{- '<|im_start|>assistant\\n' + content }}{%- endif %}{{- '<|im_end|>\\n' }}{%- endif %}
        {%- endfor %}
        {%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
        """

    @Test func aTemplateThatDropsEarlierThoughtsMakesASequenceForEachReply() throws {
        let encoder = try encoder(Self.thinkingLast)
        let encoded = try encoder.encode(sums)
        #expect(encoded.notes == [.renderedByTurn])
        #expect(
            try encoded.sequences.map(encoder.text) == [
                "<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n4<|im_end|>\n",
                "<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n4<|im_end|>\n<|im_start|>user\n3+3?<|im_end|>\n"
                    + "<|im_start|>assistant\n<think>\n\n</think>\n\n6<|im_end|>\n",
            ])
        #expect(
            try encoded.sequences.map(encoder.learnt) == [
                ["<think>\n\n</think>\n\n4<|im_end|>"], ["<think>\n\n</think>\n\n6<|im_end|>"],
            ])
        // Each is what the model is asked with, token by token.
        for (chat, length) in zip(encoded.sequences, [1, 3]) {
            let prompt = try encoder.prompt(Array(sums[..<length]))
            #expect(chat.tokens.starts(with: prompt) && chat.isTrained.firstIndex(of: true) == prompt.count)
        }
        var thoughtful = sums
        thoughtful[1].content = "<think>\nTwo and two.\n</think>\n\n4"
        #expect(
            try encoder.encode(thoughtful).sequences.map(encoder.learnt).first == [
                "<think>\nTwo and two.\n</think>\n\n4<|im_end|>"
            ])
    }

    @Test func aTemplateThatAsksOtherwiseThanItWritesIsLearntAsItAsks() throws {
        let encoder = try encoder(Self.thinkingAsked)
        let encoded = try encoder.encode(sums)
        #expect(encoded.sequences.count == 1)
        #expect(
            try encoder.learnt(encoded.sequences[0]) == [
                "<think>\n\n</think>\n\n4<|im_end|>", "<think>\n\n</think>\n\n6<|im_end|>",
            ])
        #expect(encoded.sequences[0].tokens.starts(with: try encoder.prompt(Array(sums[..<3]))))
    }

    @Test func generationTagsSayWhatIsLearnt() throws {
        let encoder = try encoder(
            "{%- for message in messages %}{%- if message.role == 'assistant' %}{{- '<|im_start|>assistant\\n' }}"
                + "{% generation %}{%- if loop.last %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}"
                + "{{- message.content + '<|im_end|>' }}{% endgeneration %}{{- '\\n' }}{%- else %}"
                + "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{%- endif %}"
                + "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}")
        let encoded = try encoder.encode(sums)
        #expect(encoded.notes.isEmpty && encoded.sequences.count == 1)
        #expect(try encoder.learnt(encoded.sequences[0]) == ["4<|im_end|>", "<think>\n\n</think>\n\n6<|im_end|>"])
        var weighed = sums
        weighed[1]["weight"] = 0
        #expect(
            try encoder.learnt(encoder.encode(weighed).sequences[0]) == ["<think>\n\n</think>\n\n6<|im_end|>"])
    }

    @Test func anEndThatOnlyTheWholeConversationHasIsNoObstacle() throws {
        // As Phi-3 does: without a prompt for a reply, the end of the text follows.
        let template =
            "{% for m in messages %}{{ '<|' + m.role + '|>\\n' + m.content + '<|end|>\\n' }}{% endfor %}"
            + "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}"
        let encoder = try encoder(template, end: "<|end|>")
        let encoded = try encoder.encode(sums)
        #expect(encoded.sequences.count == 1 && encoded.notes.isEmpty)
        #expect(try encoder.learnt(encoded.sequences[0]) == ["4<|end|>", "6<|end|>"])
        let other = try self.encoder(template.replacing("<|end|>", with: "[E]"), end: "<|endoftext|>")
        #expect(
            try other.encode(sums).sequences.map(other.learnt) == [
                ["4[E]\n<|endoftext|>"], ["6[E]\n<|endoftext|>"],
            ])
    }

    @Test func aThoughtThatThePromptOpensIsThoughtOrClosed() throws {
        // As DeepSeek-R1 does: the prompt opens a thought, and no message shows one.
        let encoder = try encoder(
            "{% for m in messages %}{% if m.role == 'assistant' %}"
                + "{{ '[A]' + m.content.split('</think>')[-1].strip() + '<|im_end|>' }}"
                + "{% else %}{{ '[U]' + m.content }}{% endif %}{% endfor %}"
                + "{% if add_generation_prompt %}{{ '[A]<think>\\n' }}{% endif %}")
        var messages = Array(sums[..<2])
        let bare = try encoder.encode(messages)
        #expect(bare.notes == [.closedThought])
        #expect(try encoder.text(bare.sequences[0]) == "[U]2+2?[A]<think>\n</think>\n\n4<|im_end|>")
        messages[1].content = "<think>Easy.</think>4"
        let thought = try encoder.encode(messages)
        #expect(thought.notes.isEmpty)
        #expect(try encoder.learnt(thought.sequences[0]) == ["Easy.\n</think>\n\n4<|im_end|>"])
        #expect(thought.sequences[0].tokens.starts(with: try encoder.prompt(Array(sums[..<1]))))
        // A template that leaves the line ends behind the thought writes them itself.
        let leaving = try self.encoder(
            "{% for m in messages %}{% if m.role == 'assistant' %}"
                + "{{ '[A]' + m.content.split('</think>')[-1] + '<|im_end|>' }}"
                + "{% else %}{{ '[U]' + m.content }}{% endif %}{% endfor %}"
                + "{% if add_generation_prompt %}{{ '[A]<think>\\n' }}{% endif %}")
        for between in ["", "\n", "\n\n"] {
            messages[1].content = "<think>\nEasy.\n</think>\(between)4"
            #expect(
                try leaving.learnt(leaving.encode(messages).sequences[0]) == ["Easy.\n</think>\n\n4<|im_end|>"])
        }
    }

    @Test func repliesOfWeightZeroAreContext() throws {
        let encoder = try encoder(ChatMarkup.template)
        var messages = sums
        messages[1]["weight"] = 0
        messages[3]["weight"] = 1
        let encoded = try encoder.encode(messages)
        #expect(try encoder.learnt(encoded.sequences[0]) == ["6<|im_end|>"])
        #expect(try encoder.text(encoded.sequences[0]).contains("assistant\n4<|im_end|>"))
        messages[3]["weight"] = 0
        #expect { try encoder.encode(messages) } throws: { "\($0)".contains("only replies of weight 0") }
    }

    @Test func callsAreTaughtAsTextWhereTheTemplateKnowsNone() throws {
        let encoder = try encoder(ChatMarkup.template)
        var call = ChatMessage(role: "assistant", content: "")
        call.toolCalls = [.init(name: "get_weather", arguments: ["city": "Oslo"])]
        let messages = [
            ChatMessage(role: "user", content: "Weather in Oslo?"), call,
            ChatMessage(role: "tool", content: "{\"temp\": 3}"),
            ChatMessage(role: "assistant", content: "It is 3 degrees."),
        ]
        let encoded = try encoder.encode(messages)
        #expect(encoded.notes == [.taughtCalls])
        #expect(
            try encoder.learnt(encoded.sequences[0]) == [
                "<tool_call>{\"name\":\"get_weather\",\"arguments\":{\"city\":\"Oslo\"}}</tool_call><|im_end|>",
                "It is 3 degrees.<|im_end|>",
            ])
        #expect(try encoder.text(encoded.sequences[0]).contains("<tool_response>{\"temp\": 3}</tool_response>"))
        let told = try encoder.encode(messages, tools: [["type": "function", "function": ["name": "get_weather"]]])
        #expect(try encoder.text(told.sequences[0]).contains("You can call these functions"))
        #expect(try encoder.learnt(told.sequences[0]).count == 2)
        // One that speaks of tools and renders no call.
        let mute = try self.encoder(
            "{% if tools %}{{ tools|length }}{% endif %}{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + "
                + "(m.content or '') + '<|im_end|>\\n' }}{% endfor %}"
                + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
        #expect { try mute.encode(messages) } throws: {
            "\($0)".contains("reply 1 calls get_weather") && "\($0)".contains("does not render the call")
        }
    }

    @Test func whatATemplateDoesNotRenderIsTold() throws {
        let deaf = try encoder(
            "{% for m in messages %}{% if m.role != 'system' %}{{ '<|im_start|>' + m.role + '\\n' + m.content + "
                + "'<|im_end|>\\n' }}{% endif %}{% endfor %}"
                + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
        #expect(
            try deaf.encode([ChatMessage(role: "system", content: "Be brief.")] + sums).notes == [.messageNotRendered])
        var thinking = sums
        thinking[3].reasoningContent = "Three and three."
        #expect(try deaf.encode(thinking).notes == [.replyNotRendered])
    }

    @Test func longConversationsAreLeftOutOrCutBetweenTurns() throws {
        var encoder = try encoder(ChatMarkup.template)
        let system = ChatMessage(role: "system", content: "S")
        let messages =
            [system]
            + (0..<6).flatMap {
                [
                    ChatMessage(role: "user", content: "question \($0)"),
                    ChatMessage(role: "assistant", content: "answer \($0)"),
                ]
            }
        let whole = try encoder.encode(messages).sequences[0]
        encoder.largestSequence = whole.tokens.count
        #expect(try encoder.encode(messages).notes == [])
        encoder.largestSequence = 150
        let dropped = try encoder.encode(messages)
        #expect(dropped.notes == [.tooLong] && dropped.sequences.allSatisfy { $0.tokens.count <= 150 })
        encoder.long = .cut
        let cut = try encoder.encode(messages)
        #expect(cut.notes == [.cutAtTurns] && cut.sequences.count > 1)
        #expect(try cut.sequences.flatMap(encoder.learnt) == (0..<6).map { "answer \($0)<|im_end|>" })
        for sequence in cut.sequences {
            #expect(sequence.tokens.count <= 150)
            #expect(try encoder.text(sequence).hasPrefix("<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n"))
        }
        encoder.largestSequence = 20
        #expect(try encoder.encode(messages).notes == [.tooLong] && encoder.encode(messages).sequences.isEmpty)
    }

    @Test func aReplyThatTheTokenizerWouldJoinWithItsPromptIsKeptApart() throws {
        let encoder = try encoder(ChatMarkup.template)
        let messages = [sums[0], ChatMessage(role: "assistant", content: "\n\n4")]
        let encoded = try encoder.encode(messages)
        #expect(encoded.sequences[0].tokens.starts(with: try encoder.prompt([sums[0]])))
        #expect(try encoder.learnt(encoded.sequences[0]) == ["\n\n4<|im_end|>"])
    }
}
