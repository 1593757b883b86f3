import MartletChat
import MartletJSON
import Testing

/// Calls that are none: whatever a model writes, a call is told only with one JSON object as its arguments, and the rest
/// stays text.
struct MalformedCallTests {
    /// How a family writes one call with `¶` for the name and `§` for the arguments.
    private static let forms: [(ToolSyntax, String)] = [
        (.hermes, "<tool_call>\n{\"name\": \"¶\", \"arguments\": §}\n</tool_call>"),
        (.hermes, "<tool_call>{\"arguments\": §, \"name\": \"¶\"}</tool_call>"),
        (.llamaJSON, "{\"name\": \"¶\", \"parameters\": §}"),
        (.llamaJSON, "<|python_tag|>{\"name\": \"¶\", \"parameters\": §}"),
        (.llamaJSON, "{\"type\": \"function\", \"function\": {\"name\": \"¶\", \"parameters\": §}}"),
        (.json, "{\"name\": \"¶\", \"arguments\": §}"), (.json, "[{\"name\": \"¶\", \"arguments\": §}]"),
        (.mistral, "[TOOL_CALLS][{\"name\": \"¶\", \"arguments\": §}]"), (.mistral, "[TOOL_CALLS]¶[ARGS]§"),
        (.mistral, "[TOOL_CALLS]¶[CALL_ID]abc123def[ARGS]§"),
        (
            .deepSeek,
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>¶\n```json\n§\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
        ),
        (.deepSeek, "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>¶<｜tool▁sep｜>§<｜tool▁call▁end｜><｜tool▁calls▁end｜>"),
    ]

    private static let arguments = [
        "[1, 2]", "5", "-1.5e3", "true", "nope", "\"\\\"\"", "\"[1]\"", "\"{\\\"city\\\": \"", "{\"city\": }",
        "{\"city\"}",
        "{\"city\": \"Rom\",}", "{,}", "{\"city\": \"R\" \"o\"}", "{city: 1}", "{'city': 'Rom'}", "{\"city\": \"Rom\"",
        "{\"city\": \"Rom}", "{\"city\": \"Rom\", \"city\": \"Bern\"}", "{\"city\": 01}", "{\"a\": [1, 2}",
        "{\"a\": \"\u{1}\"}",
        "{\"a\": nan}", "{}}", "{\"a\": 1}{", "{{}}", "{\"a\": \"b\"c\"}", "", "{\"a\": \\\"b\\\"}", "{\"a\": 1} }",
        "[{}]",
    ]

    private static let others: [(ToolSyntax, String)] = [
        (.hermes, "<tool_call>{\"arguments\": {}}</tool_call>"),
        (.hermes, "<tool_call>{\"name\": null, \"arguments\": {}}</tool_call>"),
        (.hermes, "<tool_call>{\"name\": \"\", \"arguments\": {}}</tool_call>"), (.hermes, "<tool_call></tool_call>"),
        (.hermes, "<tool_call>{\"name\": \"now\", \"name\": \"now\", \"arguments\": {}}</tool_call>"),
        (.hermes, "<tool_call>{\"name\": \"now\", \"arguments\": {}, \"arguments\": {\"a\": 1}}</tool_call>"),
        (.hermes, "<tool_call>{\"name\": \"now\", \"arguments\": {},, \"id\": 1}</tool_call>"),
        (.hermes, "<tool_call>{\"name\" \"now\", \"arguments\": {}}</tool_call>"),
        (.json, "{\"name\": \"now\", \"arguments\": {}"),
        (.qwenCoder, "<tool_call>\n<function=now>\n<parameter=a>\n1\n"),
        (.qwenCoder, "<tool_call><function=></function></tool_call>"),
        (.qwenCoder, "<function=now><parameter=a>1</parameter><parameter=a>2</parameter></function>"),
        (.qwenCoder, "<function=now><parameter=>1</parameter></function>"),
        (.qwenCoder, "<function=now>text</function>"),
        (.gemma, "<start_function_call>call:now[1]<end_function_call>"),
        (.gemma, "<start_function_call>call:now{a}<end_function_call>"),
        (.gemma, "<start_function_call>call:now{a:1} and<end_function_call>"),
        (.gemma, "<start_function_call>call:now{a:1,a:2}<end_function_call>"),
        (.gemma, "<start_function_call>call:now{a:1"),
        (.gemma, "<start_function_call>call:{a:1}<end_function_call>"), (.gemma, "<|tool_call>call:now<tool_call|>"),
        (.pythonic, "[now(1)]"), (.pythonic, "[now(a=1, a=2)]"), (.pythonic, "[now(a=)]"), (.pythonic, "[now(a=b)]"),
        (.pythonic, "[now(a=1]"), (.pythonic, "[now(**{})]"), (.pythonic, "[now(a='x)]"), (.pythonic, "[now]"),
        (.mistral, "[TOOL_CALLS]now[ARGS]"), (.mistral, "[TOOL_CALLS]now{"), (.mistral, "[TOOL_CALLS]"),
        (.deepSeek, "<｜tool▁calls▁begin｜>"),
    ]

    private static var all: [(ToolSyntax, String)] {
        others
            + forms.flatMap { form in
                arguments.map { (form.0, form.1.replacing("§", with: $0).replacing("¶", with: "now")) }
            }
    }

    private func example(_ syntax: ToolSyntax, _ text: String) -> ReplyCase {
        ReplyCase(name: "", syntax: syntax, text: text)
    }

    @Test func argumentsAreAlwaysAnObject() throws {
        for (syntax, text) in Self.all {
            for text in [text, "Well. " + text + " So.", text + text] {
                for call in Parsed([text], example(syntax, text).parser).calls {
                    let arguments = (try? JSON(parsing: Array(call[1].utf8)))?.object
                    #expect(arguments != nil, "\(syntax): \(text) gives \(call)")
                }
            }
        }
    }

    /// What is not told as a call is shown, and nothing is told that is taken back.
    @Test func whatIsNoCallStaysText() {
        for (syntax, text) in Self.others {
            let parsed = Parsed([text], example(syntax, text).parser)
            #expect(parsed.calls.isEmpty, "\(syntax): \(text) gives \(parsed.calls)")
            #expect(
                parsed.content.filter { !$0.isWhitespace } == text.filter { !$0.isWhitespace }, "\(syntax): \(text)")
        }
    }

    @Test func everyCutGivesTheSame() {
        for (syntax, text) in Self.all {
            let parser = example(syntax, text).parser
            let whole = Parsed([text], parser)
            let scalars = text.unicodeScalars.map(String.init)
            #expect(Parsed(scalars, parser) == whole, "\(syntax): \(text)")
            for cut in stride(from: 1, to: scalars.count, by: 7) {
                #expect(
                    Parsed([scalars[..<cut].joined(), scalars[cut...].joined()], parser) == whole, "\(text), \(cut)")
            }
        }
    }

    @Test(arguments: ["null", "\"\"", "{}", "\"{}\"", "\" {} \""]) func noArgumentsAreAnEmptyObject(_ arguments: String)
    {
        for (syntax, form) in Self.forms where form.contains("arguments\": §") {
            let text = form.replacing("§", with: arguments).replacing("¶", with: "now")
            #expect(Parsed([text], example(syntax, text).parser).calls == [["now", "{}"]], "\(text)")
        }
    }

    @Test func aCallAfterOneThatIsNoneIsTold() {
        let text = #"<tool_call><tool_call>{"name": "now", "arguments": {}}</tool_call>"#
        let parsed = Parsed([text], example(.hermes, text).parser)
        #expect(parsed.calls == [["now", "{}"]] && parsed.content == "<tool_call>")
    }
}
