import MartletAPI
import MartletChat
import MartletGrammar
import MartletInference
import MartletJSON
import Testing

/// Calls that are forced are read again as they are written.
struct CallFormTests {
    /// What a template says of calls, where it is not rendered: the tiny model cannot spell every marker.
    private static let signs: [(ToolSyntax, String)] = [
        (.hermes, "<tool_call>"), (.llamaJSON, "<|python_tag|>"), (.mistral, "[TOOL_CALLS]"),
        (.mistral, "[TOOL_CALLS][ARGS]"), (.deepSeek, "<｜tool▁calls▁begin｜>"),
        (.deepSeek, "<｜tool▁calls▁begin｜>```json"), (.json, ""),
    ]

    @Test(arguments: signs.indices) func whatIsForcedIsRead(_ index: Int) throws {
        let (syntax, sign) = Self.signs[index]
        let template = "{{ tools }}{#\(sign)#}"
        #expect(ToolSyntax(template: template) == syntax)
        let model = try LanguageModel.tiny(template: template) { $0.contextLength = 2048 }
        let body = """
            {"messages": [{"role": "user", "content": "a"}], "tool_choice": "required", "tools": [
            {"type": "function", "function": {"name": "f"}}, {"type": "function", "function": {"name": "g"}}]}
            """
        let request = try GenerationRequest(chatCompletion: body.utf8)
        let plan = try GenerationPlan(request, model: model, name: "m")
        guard case .calls(let grammar, _)? = plan.constraint else { throw APIError("no calls are forced") }
        let calls = grammar.alternatives.map { $0.opening + #"{"a": [1, "}"]}"# + $0.closing }
        let text = grammar.opening + calls.joined(separator: grammar.separator) + grammar.closing
        for pieces in [[text], text.map(String.init)] {
            var script = Script(model: model, request: request, pieces: [Script.pieces(pieces)])
            script.reason = .stop
            let message: JSON? = try script.run().json["choices"]?.array?.first?["message"]
            let functions: [JSON?] = (message?["tool_calls"]?.array ?? []).map { $0["function"] }
            #expect(functions.map { $0?["name"]?.string } == ["f", "g"], "\(text)")
            #expect(functions.allSatisfy { $0?["arguments"]?.string == #"{"a": [1, "}"]}"# })
            #expect(message?["content"]?.string ?? "" == "")
        }
    }

    private func plan(_ parameters: String, _ model: LanguageModel) throws -> (GenerationRequest, CallGrammar) {
        let body = """
            {"messages": [{"role": "user", "content": "a"}], "tool_choice": "required",
            "tools": [{"type": "function", "function": {"name": "f", "parameters": \(parameters)}}]}
            """
        let request = try GenerationRequest(chatCompletion: body.utf8)
        guard case .calls(let grammar, _)? = try GenerationPlan(request, model: model, name: "m").constraint else {
            throw APIError("no calls are forced")
        }
        return (request, grammar)
    }

    @Test func qwenCodersParametersAreForcedOneByOne() throws {
        let model = try LanguageModel.tiny(template: "{{ tools }}{#<function=#}") { $0.contextLength = 2048 }
        let (request, grammar) = try plan(
            """
            {"type": "object", "required": ["code"], "$defs": {"n": {"type": "integer"}}, "properties": {
            "code": {"type": "string", "description": "x"}, "mode": {"type": "string", "enum": ["a", "b"]},
            "lines": {"type": "array", "items": {"$ref": "#/$defs/n"}}, "dry": {"type": "boolean"}}}
            """, model)
        guard case .members(let members, _)? = grammar.alternatives.first?.arguments else {
            throw APIError("one value")
        }
        #expect(members.map(\.isRequired) == [true, false, false, false])
        #expect(members[0].value == .text(without: "</parameter>") && members[1].value == .choice(["a", "b"]))
        let values = ["if a < b:\n  \"x\"", "b", "[1, 2]", "true"]
        var text = grammar.alternatives[0].opening
        for (member, value) in zip(members, values) { text += member.opening + value + member.closing }
        text += grammar.alternatives[0].closing
        let script = Script(model: model, request: request, pieces: [Script.pieces(text.map(String.init))])
        let message: JSON? = try script.run().json["choices"]?.array?.first?["message"]
        let call = message?["tool_calls"]?.array?.first?["function"]
        #expect(call?["name"] == "f")
        #expect(
            try JSON(parsing: Array((call?["arguments"]?.string ?? "").utf8))
                == ["code": "if a < b:\n  \"x\"", "mode": "b", "lines": [1, 2], "dry": true])
    }

    @Test(arguments: [
        #"{"type": "object", "properties": {"a": {"type": "string", "pattern": "x"}}}"#,
        #"{"type": "object", "properties": {"a": {"type": ["string", "null"]}}}"#,
        #"{"type": "object", "minProperties": 1}"#,
        #"{"type": "object", "properties": {"a": {"type": "string"}}, "required": ["b"]}"#,
    ]) func whatParametersCannotBeHeldToIsForcedAsJSON(_ parameters: String) throws {
        let model = try LanguageModel.tiny(template: "{{ tools }}{#<function=#}") { $0.contextLength = 2048 }
        let (_, grammar) = try plan(parameters, model)
        #expect(grammar.alternatives.map(\.opening) == [#"{"name": "f", "arguments": "#])
    }
}
