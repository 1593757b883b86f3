import MartletAPI
import MartletInference
import MartletJSON
import Testing

/// The files in Goldens/replies are read by the dialects' own clients in Goldens/check_replies.py.
struct OtherDialectTests {
    private static let template =
        "{% for m in messages %}{{ m.role }}:{{ m.content.split('</think>')[-1] }}{% if m.tool_calls %}{{ m.tool_calls[0].function.name }}{% endif %}\n{% endfor %}{{ tools }}<tool_call>{% if add_generation_prompt %}<think>\n{% endif %}"
    private static let texts = [
        "Hm.", "</think>Let me", " look.<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"city\":",
        " \"Rom\"}}</tool_call>",
    ]

    private func script(_ request: GenerationRequest, id: String) throws -> Script {
        var script = Script(
            model: try .tiny(template: Self.template) { $0.contextLength = 2048 }, request: request,
            pieces: [Script.pieces(Self.texts)])
        script.header = ReplyHeader(id: id, created: 1_700_000_000)
        return script
    }

    private func streamed(_ members: String, _ flag: Bool) -> [UInt8] {
        Array("{\(members), \"stream\": \(flag)}".utf8)
    }

    @Test(arguments: [true, false])
    func ollamaReadsAChat(_ isStreamed: Bool) throws {
        let body = streamed(
            #""model": "tiny", "messages": [{"role": "user", "content": "Weather?"}], "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}], "options": {"temperature": 0, "num_predict": 5, "num_ctx": 4096}, "keep_alive": "5m", "think": true"#,
            isStreamed)
        let request = try GenerationRequest(ollamaChat: body)
        #expect(request.keepAliveSeconds == 300)
        #expect(request.stopping.maximumTokens == 5)
        #expect(request.unknownFields.isEmpty)
        let result = try script(request, id: "chatcmpl-abc").run()
        if isStreamed { return #expect(try Golden.matches(result.stream, "ollama-chat.ndjson")) }
        #expect(try Golden.matches(result.json.text(), "ollama-chat.json"))
        #expect(result.json["message"]?["tool_calls"]?.array?[0]["function"]?["arguments"] == ["city": "Rom"])
        #expect(result.json["created_at"] == "2023-11-14T22:13:20Z")
    }

    @Test func ollamaContinuesATextAndLoads() throws {
        let request = try GenerationRequest(
            ollamaGenerate: Array(#"{"model": "tiny", "prompt": "Hi", "system": "Be brief.", "format": "json"}"#.utf8))
        #expect(request.constraint == .jsonObject)
        #expect(request.stream != nil)
        var script = try script(request, id: "x")
        script.pieces = [Script.pieces(["Well", "</think>", "Yes."])]
        #expect(try Golden.matches(script.run().stream, "ollama-generate.ndjson"))
        let load = try GenerationRequest(ollamaGenerate: Array(#"{"model": "tiny", "keep_alive": 0}"#.utf8))
        #expect(load.loadsOnly)
        #expect(Ollama.loaded(load, model: "tiny", created: 0)["done_reason"] == "unload")
        for (body, parameter) in [
            (#"{"prompt": "a"}"#, "model"), (#"{"model": "m", "prompt": "a", "suffix": "b"}"#, "suffix"),
            (#"{"model": "m", "keep_alive": "soon"}"#, "keep_alive"), (#"{"model": "m", "format": "xml"}"#, "format"),
            (#"{"model": "m", "keep_alive": 1e308}"#, "keep_alive"),
            (#"{"model": "m", "keep_alive": "99999999999999h"}"#, "keep_alive"),
            (#"{"model": "m", "options": {"num_ctx": 1000000000000000000}}"#, "options.num_ctx"),
            (#"{"model": "m", "options": {"num_thread": 2.5}}"#, "options.num_thread"),
            (#"{"model": "m", "options": {"mirostat": 1}}"#, "options.mirostat"),
            (#"{"model": "m", "options": {"seed": "a"}}"#, "options.seed"),
        ] {
            let error = #expect(throws: APIError.self) { try GenerationRequest(ollamaGenerate: Array(body.utf8)) }
            #expect(error?.parameter == parameter)
        }
    }

    @Test func ollamaListsModels() throws {
        var card = ModelCard(id: "tiny", created: 951_782_400, try .tiny())
        card.parameterCount = 134_515_008
        #expect(Ollama.tags([card])["models"]?.array?[0]["name"] == "tiny:latest")
        #expect(Ollama.tags([card])["models"]?.array?[0]["modified_at"] == "2000-02-29T00:00:00Z")
        #expect(Ollama.tags([card])["models"]?.array?[0]["details"]?["parameter_size"] == "135M")
        #expect(Ollama.show(card, try .tiny())["model_info"]?["llama.context_length"] == 256)
        #expect(Ollama.untagged("tiny:latest") == "tiny")
        let embed = try EmbeddingsRequest(ollama: Array(#"{"model": "e", "input": "a"}"#.utf8))
        #expect(embed.ollamaReply(model: "e", vectors: [[0.5]], promptTokens: 3, seconds: 1)["embeddings"] == [[0.5]])
    }

    private static let anthropic =
        #""model": "tiny", "max_tokens": 50, "system": [{"type": "text", "text": "Be brief."}], "stop_sequences": ["END"], "messages": [{"role": "user", "content": "Weather?"}, {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": ""}, {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"city": "Bern"}}]}, {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "rain"}, {"type": "text", "text": "And Rome?"}]}], "tools": [{"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}]"#

    @Test(arguments: [true, false])
    func anthropicReadsAMessage(_ isStreamed: Bool) throws {
        let request = try GenerationRequest(messages: streamed(Self.anthropic, isStreamed))
        guard case .conversation(let conversation) = request.input else { return }
        #expect(conversation.messages.map(\.role) == ["system", "user", "assistant", "tool", "user"])
        #expect(request.unknownFields.isEmpty)
        let result = try script(request, id: "msg_abc").run()
        if isStreamed { return #expect(try Golden.matches(result.stream, "message.sse")) }
        #expect(try Golden.matches(result.json.text(), "message.json"))
        #expect(result.json["stop_reason"] == "tool_use")
        let count = try GenerationRequest(messages: Array("{\(Self.anthropic)}".utf8), countsOnly: true)
        let tokens = try GenerationPlan.promptTokens(count, model: .tiny(template: Self.template))
        #expect(tokens == result.json["usage"]?["input_tokens"]?.integer.map { $0 + 2 })
    }

    @Test func anthropicNamesAStopSequence() throws {
        let request = try GenerationRequest(
            messages: Array(
                #"{"model": "m", "max_tokens": 9, "stop_sequences": ["END"], "messages": [{"role": "user", "content": "a"}]}"#
                    .utf8))
        var script = try script(request, id: "msg_abc")
        script.pieces = [Script.pieces(["ok</think>x", ""])]
        let json = try script.run().json
        #expect(json["stop_reason"] == "stop_sequence")
        #expect(json["stop_sequence"] == "END")
        script.pieces = [Script.pieces(["ok</think>x"]) + [GeneratedPiece(token: 2, text: "")]]
        #expect(try script.run().json["stop_reason"] == "end_turn")
        #expect(MessagesReply.error(APIError(status: 429, "busy"))["error"]?["type"] == "rate_limit_error")
        for (body, parameter) in [
            (#"{"model": "m", "messages": [{"role": "user", "content": "a"}]}"#, "max_tokens"),
            (#"{"model": "m", "max_tokens": 5, "messages": [{"role": "system", "content": "a"}]}"#, "messages[0].role"),
            (
                #"{"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]}"#,
                "messages[0].content[0].type"
            ),
        ] {
            let error = #expect(throws: APIError.self) { try GenerationRequest(messages: Array(body.utf8)) }
            #expect(error?.parameter == parameter)
        }
    }

    @Test(arguments: [true, false])
    func aResponseIsWhatTheClientReads(_ isStreamed: Bool) throws {
        let request = try GenerationRequest(
            responses: streamed(
                #""model": "tiny", "instructions": "Be brief.", "input": [{"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]}, {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": "{}"}, {"type": "function_call_output", "call_id": "c1", "output": "rain"}], "tools": [{"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}], "reasoning": {"effort": "low"}"#,
                isStreamed))
        guard case .conversation(let conversation) = request.input else { return }
        #expect(conversation.messages.map(\.role) == ["system", "user", "assistant", "tool"])
        let result = try script(request, id: "resp_abc").run()
        if isStreamed { return #expect(try Golden.matches(result.stream, "response.sse")) }
        #expect(try Golden.matches(result.json.text(), "response.json"))
        #expect(result.json["output"]?.array?.map { $0["type"] } == ["reasoning", "message", "function_call"])
    }

    @Test func everyBodyOfTheResponsesClientIsUnderstood() throws {
        for entry in try #require(JSON(parsing: Golden.text("requests.json")).array)
        where entry["path"] == "/v1/responses" {
            let request = try GenerationRequest(responses: try #require(entry["body"]).bytes())
            #expect(request.unknownFields.isEmpty)
        }
    }
}
