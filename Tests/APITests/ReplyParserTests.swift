import MartletAPI
import MartletChat
import MartletJSON
import Testing

/// What a parser made of a reply.
struct Parsed: Equatable {
    var content = ""
    var reasoning = ""
    var calls: [[String]] = []

    init(_ pieces: [String], _ parser: ReplyParser) {
        var parser = parser
        for piece in pieces { note(parser.append(piece)) }
        note(parser.finish())
    }

    private mutating func note(_ deltas: [ReplyDelta]) {
        for delta in deltas {
            switch delta {
            case .content(let text): content += text
            case .reasoning(let text): reasoning += text
            case .callStarted(let index, let name):
                #expect(index == calls.count)
                calls.append([name, ""])
            case .callArguments(let index, let text): calls[index][1] += text
            }
        }
    }
}

struct ReplyCase: Sendable, CustomTestStringConvertible {
    var name: String
    var syntax: ToolSyntax?
    var text: String
    var content = ""
    var reasoning = ""
    var calls: [[String]] = []
    var startsInReasoning = false

    var testDescription: String { name }

    static let tools: [Tool] = {
        let body = """
            {"messages": [{"role": "user", "content": "?"}], "tools": [
              {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties":
                {"city": {"type": "string"}, "days": {"type": "integer"}, "detail": {"type": "boolean"}}}}},
              {"type": "function", "function": {"name": "now"}}]}
            """
        return (try? GenerationRequest(chatCompletion: body.utf8))?.tools.tools ?? []
    }()

    var parser: ReplyParser {
        ReplyParser(
            reasoning: ReasoningSyntax(opening: "<think>", closing: "</think>"),
            startsInReasoning: startsInReasoning, syntax: syntax, tools: Self.tools)
    }

    static let all = plain + marked + whole + broken

    static let plain = [
        ReplyCase(name: "text alone", syntax: nil, text: " Hello, wörld! \n", content: " Hello, wörld! \n"),
        ReplyCase(
            name: "thinking first", syntax: nil, text: "\n<think>\nHm, 1 < 2 </thin \n</think>\n\nYes.",
            content: "Yes.", reasoning: "Hm, 1 < 2 </thin"),
        ReplyCase(
            name: "the prompt opened the thinking", syntax: .hermes, text: "So…</think>\n4", content: "4",
            reasoning: "So…", startsInReasoning: true),
        ReplyCase(
            name: "thinking that never ends", syntax: nil, text: "<think>and so on </th", reasoning: "and so on </th"),
        ReplyCase(
            name: "a tag in the middle of the answer is text", syntax: nil, text: "Write <think> here",
            content: "Write <think> here"),
        ReplyCase(
            name: "no call at all", syntax: .hermes, text: "a < b <tool_cal and <tool\n",
            content: "a < b <tool_cal and <tool\n"),
    ]

    static let marked = [
        ReplyCase(
            name: "hermes", syntax: .hermes,
            text: """
                <think>look it up</think>Let me see.
                <tool_call>
                {"name": "get_weather", "arguments": {"city": "Zürich \\"}</tool_call>", "days": [1, {"a": null}]}}
                </tool_call>
                <tool_call>{"arguments": {}, "name": "now"}</tool_call>
                Done.
                """, content: "Let me see.Done.", reasoning: "look it up",
            calls: [
                ["get_weather", #"{"city": "Zürich \"}</tool_call>", "days": [1, {"a": null}]}"#], ["now", "{}"],
            ]),
        ReplyCase(
            name: "hermes with a list", syntax: .hermes,
            text:
                #"<tool_call>[{"name": "now", "arguments": {}}, {"name": "get_weather", "arguments": {"city": "Rom"}}]</tool_call>"#,
            calls: [["now", "{}"], ["get_weather", #"{"city": "Rom"}"#]]),
        ReplyCase(
            name: "hermes with arguments as text", syntax: .hermes,
            text: #"<tool_call>{"name": "get_weather", "arguments": "{\"city\": \"Rom\"}"}</tool_call>"#,
            calls: [["get_weather", #"{"city": "Rom"}"#]]),
        ReplyCase(
            name: "hermes, the last tag missing", syntax: .hermes,
            text: #"<tool_call>{"name": "now"}"#, calls: [["now", "{}"]]),
        ReplyCase(
            name: "qwen coder", syntax: .qwenCoder,
            text: """
                I check.

                <tool_call>
                <function=get_weather>
                <parameter=city>
                12
                </parameter>
                <parameter=days>
                3
                </parameter>
                <parameter=detail>
                True
                </parameter>
                </function>
                </tool_call>
                <tool_call>
                <function=now>
                </function>
                </tool_call>
                """, content: "I check.",
            calls: [["get_weather", #"{"city": "12", "days": 3, "detail": true}"#], ["now", "{}"]]),
        ReplyCase(
            name: "mistral with a list", syntax: .mistral,
            text:
                #"[TOOL_CALLS] [{"name": "now", "arguments": {}, "id": "abc123def"}, {"name": "get_weather", "arguments": {"city": "]"}}]"#,
            calls: [["now", "{}"], ["get_weather", #"{"city": "]"}"#]]),
        ReplyCase(
            name: "mistral with names", syntax: .mistral,
            text: #"Ok[TOOL_CALLS]get_weather[CALL_ID]a1b2c3d4e[ARGS]{"city": "Rom"}[TOOL_CALLS]now{}"#, content: "Ok",
            calls: [["get_weather", #"{"city": "Rom"}"#], ["now", "{}"]]),
        ReplyCase(
            name: "deepseek v3", syntax: .deepSeek,
            text: """
                Hm.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather
                ```json
                {"city": "Rom"}
                ```<｜tool▁call▁end｜>
                <｜tool▁call▁begin｜>function<｜tool▁sep｜>now
                ```json
                {}
                ```<｜tool▁call▁end｜><｜tool▁calls▁end｜>
                """, content: "Hm.", calls: [["get_weather", #"{"city": "Rom"}"#], ["now", "{}"]]),
        ReplyCase(
            name: "deepseek v3.1", syntax: .deepSeek,
            text:
                #"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{"city": "Ä"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>"#,
            calls: [["now", "{}"], ["get_weather", #"{"city": "Ä"}"#]]),
        ReplyCase(
            name: "gemma", syntax: .gemma,
            text:
                "<start_function_call>call:get_weather{city:<escape>Bern, {CH}<escape>,days:2,detail:false,tags:[<escape>a<escape>,b]}<end_function_call>",
            calls: [["get_weather", #"{"city":"Bern, {CH}","days":2,"detail":false,"tags":["a","b"]}"#]]),
        ReplyCase(
            name: "gemma 4", syntax: .gemma,
            text: "<|tool_call>call:get_weather{city:<|\"|>Bern<|\"|>,days:2}<tool_call|>",
            calls: [["get_weather", #"{"city":"Bern","days":2}"#]]),
    ]

    static let whole = [
        ReplyCase(
            name: "llama", syntax: .llamaJSON,
            text:
                #"<|python_tag|>{"name": "get_weather", "parameters": {"city": "Rom"}}; {"name": "now", "parameters": {}}"#,
            calls: [["get_weather", #"{"city": "Rom"}"#], ["now", "{}"]]),
        ReplyCase(
            name: "llama with types", syntax: .llamaJSON,
            text: #"{"type": "function", "function": {"name": "now", "parameters": {"a": 1}}}"#,
            calls: [["now", #"{"a": 1}"#]]),
        ReplyCase(
            name: "an object that is no call", syntax: .llamaJSON, text: #"{"city": "Rom", "name": "now"}"#,
            content: #"{"city": "Rom", "name": "now"}"#),
        ReplyCase(
            name: "a name that is no tool", syntax: .json, text: #" {"name": "Ada", "arguments": {}}"#,
            content: #" {"name": "Ada", "arguments": {}}"#),
        ReplyCase(
            name: "json later in the text", syntax: .json, text: #"See {"name": "now"}"#,
            content: #"See {"name": "now"}"#),
        ReplyCase(
            name: "a list in json", syntax: .json,
            text: #"[{"name": "now", "arguments": {}}, {"name": "now", "arguments": {"x": "\\\""}}]"#,
            calls: [["now", "{}"], ["now", #"{"x": "\\\""}"#]]),
        ReplyCase(
            name: "python", syntax: .pythonic,
            text: #"[get_weather(city='O\'Hara ]', days=-2, detail=True), now()]"#,
            calls: [["get_weather", #"{"city":"O'Hara ]","days":-2,"detail":true}"#], ["now", "{}"]]),
        ReplyCase(
            name: "a list that is no call", syntax: .pythonic, text: "[1, 2] is a list", content: "[1, 2] is a list"),
    ]

    static let broken = [
        ReplyCase(
            name: "hermes without json", syntax: .hermes, text: "<tool_call>oops</tool_call> ok",
            content: "<tool_call>oops</tool_call> ok"),
        ReplyCase(
            name: "hermes cut short", syntax: .hermes,
            text: #"<tool_call>{"name": "get_weather", "arguments": {"ci"#,
            content: #"<tool_call>{"name": "get_weather", "arguments": {"ci"#),
        ReplyCase(
            name: "text after a call", syntax: .hermes,
            text: #"<tool_call>{"name": "now", "arguments": {}} and more"#, content: "and more", calls: [["now", "{}"]]),
        ReplyCase(
            name: "gemma without a call", syntax: .gemma, text: "<start_function_call>hello<end_function_call>",
            content: "<start_function_call>hello<end_function_call>"),
        ReplyCase(
            name: "mistral without a name", syntax: .mistral, text: "[TOOL_CALLS]no name here",
            content: "[TOOL_CALLS]no name here"),
        ReplyCase(
            name: "python cut short", syntax: .pythonic, text: "[get_weather(city='R", content: "[get_weather(city='R"),
    ]
}

struct ReplyParserTests {
    @Test(arguments: ReplyCase.all)
    func callsThinkingAndTextAreFound(_ example: ReplyCase) {
        let parsed = Parsed([example.text], example.parser)
        #expect(parsed.content == example.content)
        #expect(parsed.reasoning == example.reasoning)
        #expect(parsed.calls == example.calls)
    }

    @Test(arguments: ReplyCase.all)
    func noCutOfTheTextChangesWhatIsFound(_ example: ReplyCase) {
        let whole = Parsed([example.text], example.parser)
        let scalars = Array(example.text.unicodeScalars).map(String.init)
        #expect(Parsed(scalars, example.parser) == whole)
        for cut in 1..<scalars.count {
            let pieces = [scalars[..<cut].joined(), scalars[cut...].joined()]
            #expect(Parsed(pieces, example.parser) == whole)
        }
    }

    @Test(arguments: ReplyCase.all)
    func noTextIsShownThatMayBecomeAMarker(_ example: ReplyCase) {
        // What has been shown at any time is a beginning of what is shown in the end.
        let whole = Parsed([example.text], example.parser)
        var parser = example.parser
        var shown = ""
        for scalar in example.text.unicodeScalars {
            for case .content(let text) in parser.append(String(scalar)) { shown += text }
            #expect(whole.content.hasPrefix(shown))
        }
    }

    @Test(arguments: ReplyCase.all.filter { !$0.calls.isEmpty })
    func argumentsAreJSON(_ example: ReplyCase) throws {
        for call in Parsed([example.text], example.parser).calls {
            #expect(try JSON(parsing: call[1]).object != nil)
        }
    }

    @Test(arguments: ToolSyntax.allCases)
    func mixturesOfMarkersAreCutAnywhere(_ syntax: ToolSyntax) {
        let parts =
            syntax.samples + [
                "{", "}", "\"", "[", "]", "name", ":", ",", " ", "\n", "now", "(", ")", "x", "<", "é", "`",
            ]
        var seed: UInt64 = 1
        func random(_ bound: Int) -> Int {
            seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(seed >> 33) % bound
        }
        for _ in 0..<300 {
            let text = (0..<(3 + random(24))).map { _ in parts[random(parts.count)] }.joined()
            let example = ReplyCase(name: "", syntax: syntax, text: text)
            let whole = Parsed([text], example.parser)
            #expect(Parsed(text.unicodeScalars.map(String.init), example.parser) == whole, "\(text)")
        }
    }

    @Test func theSyntaxFollowsFromTheTemplate() {
        #expect(ToolSyntax(template: "{% for tool in tools %}<tool_call>{\"name\"") == .hermes)
        #expect(ToolSyntax(template: "{{ tools }} <tool_call>\n<function=example>") == .qwenCoder)
        #expect(ToolSyntax(template: "{{ tools }}[TOOL_CALLS]") == .mistral)
        #expect(ToolSyntax(template: "{{ tools }} <|python_tag|>") == .llamaJSON)
        #expect(ToolSyntax(template: "{{ tools }}") == .json)
        #expect(ToolSyntax(template: "{{ messages }} <tool_call>") == nil)
        #expect(ReasoningSyntax(template: "x.split('</think>')")?.opening == "<think>")
        #expect(ReasoningSyntax(template: "{{ messages }}") == nil)
    }
}

extension ToolSyntax {
    /// Pieces of what this syntax is made of.
    var samples: [String] {
        ReplyCase.all.filter { $0.syntax == self }.flatMap { example in
            example.text.split(separator: ">", omittingEmptySubsequences: false).map { $0 + ">" }
        } + ["<tool_call>", "</tool_call>", "[TOOL_CALLS]", "[ARGS]", "<｜tool▁calls▁begin｜>", "<|python_tag|>"]
    }
}
