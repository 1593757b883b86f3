import MartletGrammar
import MartletJSON
import Testing

struct CallGrammarTests {
    private func calls(_ allowsSeveral: Bool) -> CallGrammar {
        var calls = CallGrammar()
        calls.opening = "<call>"
        calls.separator = "\n"
        calls.closing = "</call>"
        calls.allowsSeveral = allowsSeveral
        calls.alternatives = [
            .init(
                opening: #"{"name": "add", "arguments": "#,
                schema: [
                    "$defs": ["n": ["type": "integer"]], "type": "object", "properties": ["a": ["$ref": "#/$defs/n"]],
                    "required": ["a"], "additionalProperties": false,
                ], closing: "}"),
            .init(
                opening: #"{"name": "now", "arguments": "#, schema: ["type": "object", "maxProperties": 0], closing: "}"
            ),
        ]
        return calls
    }

    @Test func argumentsAreHeldAgainstTheToolThatIsCalled() throws {
        let runner = try GrammarRunner(.calls(calls(false)))
        #expect(try runner.accepts(#"<call>{"name": "add", "arguments": {"a": 3}}</call>"#))
        #expect(try runner.accepts(#"<call>{"name": "now", "arguments": {}}</call>"#))
        for text in [
            #"<call>{"name": "now", "arguments": {"a": 3}}</call>"#, #"<call>{"name": "add", "arguments": {}}</call>"#,
            #"<call>{"name": "add", "arguments": {"a": 3}}"#, "<call></call>", #"<call>{"name": "sub", "#,
            "<call>{\"name\": \"now\", \"arguments\": {}}\n{\"name\": \"now\", \"arguments\": {}}</call>",
        ] {
            #expect(try !runner.accepts(text), "\(text)")
        }
    }

    @Test func severalCallsAreSeparated() throws {
        let runner = try GrammarRunner(.calls(calls(true)))
        let call = #"{"name": "now", "arguments": {}}"#
        #expect(try runner.accepts("<call>\(call)</call>"))
        #expect(try runner.accepts("<call>\(call)\n\(call)\n\(call)</call>"))
        #expect(try !runner.accepts("<call>\(call)\(call)</call>"))
        #expect(try !runner.accepts("<call>\(call)\n</call>"))
    }

    @Test func argumentsMayBeMembersWithTextsAsTheyAre() throws {
        var calls = CallGrammar()
        func member(_ name: String, _ value: CallGrammar.Value, _ isRequired: Bool) -> CallGrammar.Member {
            .init(opening: "<p=\(name)>\n", value: value, closing: "\n</p>\n", isRequired: isRequired)
        }
        calls.alternatives = [
            .init(
                opening: "<f>\n",
                arguments: .members([
                    member("text", .text(without: "</p>"), true), member("kind", .choice(["a", "b c"]), false),
                    member("count", .json(["type": "integer"]), false),
                ]), closing: "</f>")
        ]
        let runner = try GrammarRunner(.calls(calls))
        for text in [
            "<f>\n<p=text>\nx < y </p </x>\né\n</p>\n</f>",
            "<f>\n<p=text>\n\n</p>\n<p=kind>\nb c\n</p>\n<p=count>\n12\n</p>\n</f>",
            "<f>\n<p=text>\n\"\n\n\n</p>\n<p=count>\n12\n</p>\n</f>",
        ] {
            #expect(try runner.accepts(text), "\(text)")
        }
        for text in [
            "<f>\n</f>", "<f>\n<p=kind>\na\n</p>\n</f>", "<f>\n<p=text>\nx</p>\n</f>",
            "<f>\n<p=text>\nx\n</p>\n<p=kind>\nc\n</p>\n</f>", "<f>\n<p=text>\nx\n</p>\n<p=count>\n1.5\n</p>\n</f>",
            "<f>\n<p=text>\nx\n</p>\n<p=count>\n1\n</p>\n<p=kind>\na\n</p>\n</f>",
        ] {
            #expect(try !runner.accepts(text), "\(text)")
        }
    }

    @Test func callsOfNothingAreRefused() {
        #expect(throws: GrammarError.self) { _ = try GrammarRunner(.calls(CallGrammar())) }
    }
}
