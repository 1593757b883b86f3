import MartletInference
import MartletJSON
import Testing

@Suite struct CallGrammarTests {
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

    @Test func callsOfNothingAreRefused() {
        #expect(throws: GrammarError.self) { _ = try GrammarRunner(.calls(CallGrammar())) }
    }
}
