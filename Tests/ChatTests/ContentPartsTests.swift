import MartletChat
import MartletJSON
import Testing

/// Content as a string or as parts, for templates that know one of them, or both.
struct ContentPartsTests {
    private func render(_ template: String, _ content: JSON, role: String = "user") throws -> String {
        let message = try ChatMessage(["role": .string(role), "content": content])
        return try ChatTemplate(source: template).render(messages: [message]).text
    }

    private static let one: JSON = [["type": "text", "text": "Count to three"]]
    private static let two: JSON = [["type": "text", "text": "Count"], ["type": "text", "text": "to three"]]

    /// Templates that loop over content: they get the parts, and parts in place of a string.
    private static let loops = [
        "{% for m in messages %}<{{ m.role }}>{% for p in m.content %}{{ p.text }}{% endfor %}</>{% endfor %}",
        "{% for m in messages %}<{{ m['role'] }}>{% for p in m['content'] %}{% if p['type'] == 'text' %}{{ p['text'] }}"
            + "{% endif %}{% endfor %}</>{% endfor %}",
        "{% for m in messages %}{% set c = m.content %}<{{ m.role }}>{% for p in c %}{{ p['text'] }}{% endfor %}</>{% endfor %}",
        "{% macro show(content) %}{% for p in content %}{{ p.text }}{% endfor %}{% endmacro %}"
            + "{% for m in messages %}<{{ m.role }}>{{ show(m.content) }}</>{% endfor %}",
        "{% macro show(m) %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endmacro %}"
            + "{% for m in messages[0:] %}<{{ m.role }}>{{ show(m) }}</>{% endfor %}",
        "{% for m in messages %}<{{ m.role }}>{{ m.content | map(attribute='text') | join }}</>{% endfor %}",
        "{% for m in messages %}<{{ m.role }}>{{ m.content | selectattr('type', 'equalto', 'text') | map(attribute='text')"
            + " | join('') }}</>{% endfor %}",
        "{% set ns = namespace(c='') %}{% for m in messages %}{% set ns.c = m['content'] %}<{{ m.role }}>"
            + "{% for p in ns.c %}{{ p.text }}{% endfor %}</>{% endfor %}",
        "{% set loop_messages = messages %}{% for m in loop_messages %}<{{ m.role }}>"
            + "{% for p in m.get('content') or [] %}{{ p.get('text') }}{% endfor %}</>{% endfor %}",
        "{% for m in messages %}<{{ m.role }}>{% if m.content is string %}{{ m.content }}{% else %}"
            + "{% for p in m.content %}{{ p.text }}{% endfor %}{% endif %}</>{% endfor %}",
        "{% for m in messages %}<{{ m.role }}>{% if m['content'] is not string %}{% for p in m['content'] %}"
            + "{{ p['text'] }}{% endfor %}{% else %}{{ m['content'] | trim }}{% endif %}</>{% endfor %}",
        "{% macro render_content(content) %}{% if content is string %}{{ content }}"
            + "{% elif content is iterable and content is not mapping %}{% for item in content %}"
            + "{% if 'text' in item %}{{ item.text }}{% endif %}{% endfor %}{% endif %}{% endmacro %}"
            + "{% for m in messages %}<{{ m.role }}>{{ render_content(m.content) }}</>{% endfor %}",
        "{% for m in messages %}<{{ m.role }}>{% if m.content is iterable and m.content is not string %}"
            + "{% for p in m.content %}{{ p.text }}{% endfor %}{% else %}{{ m.content }}{% endif %}</>{% endfor %}",
    ]

    @Test(arguments: loops) func templatesThatLoopGetTheParts(_ template: String) throws {
        #expect(try ChatTemplate(source: template).readsContentParts)
        #expect(try render(template, Self.one) == "<user>Count to three</>")
        #expect(try render(template, Self.two) == "<user>Countto three</>")
        #expect(try render(template, "Count to three") == "<user>Count to three</>")
    }

    /// Templates that print content: text parts are one string, a line each.
    @Test(arguments: [
        "{% for m in messages %}<{{ m.role }}>{% if m.content is string %}{{ m.content }}{% endif %}</>{% endfor %}",
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}",
        "{% for m in messages %}<{{ m.role }}>{% if m.role == 'tool' and m.content is iterable %}{{ m.content | tojson }}"
            + "{% else %}{{ m.content | trim }}{% endif %}</>{% endfor %}",
        "{% for m in messages %}{{ '<' + m.role + '>' + m.content + '</>' }}{% for c in m.tool_calls or [] %}{{ c.type }}"
            + "{% endfor %}{% endfor %}",
        "{% for m in messages %}{% set c = m.content.split('</think>')[-1] %}<{{ m.role }}>{{ c.strip() }}</>{% endfor %}",
        "{% for m in messages %}<{{ m.role }}>{% for l in m.content.split('~') %}{{ l }}{% endfor %}</>{% endfor %}",
        // The system's content is a string here whatever the others are.
        "{% set s = messages[0].content | trim %}<{{ messages[0].role }}>{{ s }}</>{% for m in messages[1:] %}"
            + "{% for p in m.content %}{{ p.text }}{% endfor %}{% endfor %}",
        "{% for m in messages %}{% if m.role == 'tool' %}{% for p in m.content %}{{ p.text }}{% endfor %}{% else %}"
            + "{{ '<' + m.role + '>' + m.content + '</>' }}{% endif %}{% endfor %}",
        "{% for m in messages %}<{{ m.role }}>{% if m.role == 'tool' %}{% for p in m.content %}{{ p.text }}{% endfor %}"
            + "{% elif m.content is string %}{{ m.content }}{% endif %}</>{% endfor %}",
        "{% for m in messages %}<{{ m.role }}>{% if 'x' in m.content or m.content.startswith('y') %}!{% endif %}"
            + "{{ '%s' % m.content }}</>{% for p in m.content %}{% endfor %}{% endfor %}",
    ])
    func otherTemplatesGetOneString(_ template: String) throws {
        #expect(try render(template, Self.one) == "<user>Count to three</>")
        #expect(try render(template, Self.two) == "<user>Count\nto three</>")
        #expect(try render(template, "Count to three") == "<user>Count to three</>")
    }

    @Test(arguments: [
        "{% for m in messages %}<{{ m.role }}>{{ m.content[0].text }}</>{% endfor %}",
        "{% for m in messages %}<{{ m.role }}>{{ m['content'][0]['text'] }}</>{% endfor %}",
        "{% for m in messages %}<{{ m.role }}>{{ (m.content | first).text }}</>{% endfor %}",
        "{% for m in messages %}{% set p = m.content[0] %}<{{ m.role }}>{{ p['text'] }}</>{% endfor %}",
    ])
    func aStringIsAPartWhereOneIsWanted(_ template: String) throws {
        #expect(try render(template, "Count to three") == "<user>Count to three</>")
        #expect(try render(template, Self.one) == "<user>Count to three</>")
    }

    @Test func everyRoleHasItsWords() throws {
        // As the templates of models that see pictures: the system's words are trimmed, the user's are looped over.
        let template = """
            {%- if messages[0]['role'] == 'system' %}{%- set system = messages[0]['content'] | trim %}\
            {%- set messages = messages[1:] %}{%- else %}{%- set system = '' %}{%- endif %}[{{ system }}]\
            {%- for message in messages %}{{ message['role'] }}:{%- if message['content'] is string %}{{ message['content'] }}\
            {%- else %}{%- for content in message['content'] %}{%- if content['type'] == 'text' %}{{ content['text'] }}\
            {%- endif %}{%- endfor %}{%- endif %};{%- endfor %}
            """
        let messages = try [
            ["role": "system", "content": [["type": "text", "text": "Be brief."]]],
            ["role": "user", "content": [["type": "text", "text": "Hi"], ["type": "text", "text": "!"]]],
        ].map { try ChatMessage($0) }
        #expect(try ChatTemplate(source: template).render(messages: messages).text == "[Be brief.]user:Hi!;")
    }

    @Test(arguments: [
        ("{{ '[' + c.function.name + c.function.arguments + ']' }}", "[add{\"a\": 1}]"),
        ("{{ c.function.name }}{{ c.function.arguments }}", "add{\"a\": 1}"),
        ("{{ c.function.arguments | tojson }}", "{\"a\": 1}"),
        ("{{ c.function | tojson }}", "{\"name\": \"add\", \"arguments\": {\"a\": 1}}"),
        ("{% for k, v in c.function.arguments.items() %}{{ k }}={{ v }}{% endfor %}", "a=1"),
        (
            "{% if c.function.arguments is string %}S{% else %}{{ c.function.arguments | tojson }}{% endif %}",
            "{\"a\": 1}"
        ),
        ("{{ c['function']['arguments'] | string }}", "{\"a\": 1}"), ("{{ c.function.arguments.a }}", "1"),
    ])
    func argumentsAreAnObjectAndItsText(_ part: String, _ expected: String) throws {
        let template = try ChatTemplate(
            source: "{{ messages[0].content }}{% for c in messages[0].tool_calls %}\(part){% endfor %}")
        for arguments: JSON in ["{\"a\": 1}", ["a": 1]] {
            for content: JSON in [nil, ""] {
                let message = try ChatMessage([
                    "role": "assistant", "content": content,
                    "tool_calls": [
                        ["id": "c", "type": "function", "function": ["name": "add", "arguments": arguments]]
                    ],
                ])
                #expect(try template.render(messages: [message]).text == expected)
            }
        }
    }

    /// Clients send what a stream brought them of a call that takes nothing: no text.
    @Test(arguments: ["", " \n", nil, "{}", [:]] as [JSON])
    func argumentsThatSayNothingAreAnEmptyObject(_ arguments: JSON) throws {
        let message = try ChatMessage([
            "role": "assistant", "content": nil,
            "tool_calls": [["id": "c", "type": "function", "function": ["name": "f", "arguments": arguments]]],
        ])
        #expect(message.toolCalls.map(\.arguments) == [[:]])
        for part in ["c.function.arguments | tojson", "'' + c.function.arguments", "c.function.arguments"] {
            let template = try ChatTemplate(source: "{% for c in messages[0].tool_calls %}{{ \(part) }}{% endfor %}")
            #expect(try template.render(messages: [message]).text == "{}", "\(part)")
        }
    }

    @Test func contentThatIsNotThereIsNothingOrTheSignOfACall() throws {
        let message = try ChatMessage([
            "role": "assistant", "content": nil, "tool_calls": [["function": ["name": "f", "arguments": [:]]]],
        ])
        #expect(try ChatTemplate(source: "<{{ messages[0].content }}>").render(messages: [message]).text == "<>")
        let asking =
            "{% for m in messages %}{% if m['content'] is none %}call{% else %}{{ m['content'] }}{% endif %}{% endfor %}"
        #expect(try ChatTemplate(source: asking).render(messages: [message]).text == "call")
        #expect(
            try ChatTemplate(source: "<{{ messages[0].content }}>").render(
                messages: [ChatMessage(["role": "tool", "content": nil])]
            ).text == "<>")
    }

    @Test func thinkingIsOpenedByTheTemplateAndNobodyElse() throws {
        let source =
            "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}"
            + "{% if add_generation_prompt %}<assistant>{% if think %}<think>\n{% endif %}{% endif %}"
        let template = try ChatTemplate(source: source)
        let user = ChatMessage(role: "user", content: "What is <think>?")
        #expect(try template.render(messages: [user], addGenerationPrompt: true).ending == "</><assistant>")
        #expect(
            try template.render(messages: [user], addGenerationPrompt: true, extra: JSONObject([("think", true)]))
                .ending
                == "</><assistant><think>\n")
        let reply = ChatMessage(role: "assistant", content: "<think>So")
        #expect(
            try template.render(messages: [user, reply], continueFinalMessage: true).ending == "</><assistant><think>So"
        )
    }

    @Test func markersAreTokensInRepliesOnly() throws {
        let template = try ChatTemplate(source: "{% for m in messages %}{{ m.content }}|{% endfor %}")
        let words = "a<think>b</think>c<tool_call>"
        let rendered = try template.render(messages: [
            ChatMessage(role: "user", content: words), ChatMessage(role: "assistant", content: words),
        ])
        #expect(
            rendered.segments.map { ($0.isTrusted ? "T:" : "D:") + $0.text } == [
                "D:\(words)", "T:|", "D:a", "T:<think>", "D:b", "T:</think>", "D:c", "T:<tool_call>|",
            ])
    }
}
