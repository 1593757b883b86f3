import MartletAPI
import MartletInference
import MartletJSON
import Testing

/// The files in Goldens/replies are read by OpenAI's own client in Goldens/check_replies.py.
struct ReplyTests {
    private static let tools =
        #""tools": [{"type": "function", "function": {"name": "now"}}, {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]"#

    private func script(_ members: String, _ texts: [[String]], template: String? = nil) throws -> Script {
        Script(
            model: try .tiny(template: template) { $0.contextLength = 2048 }, request: try chat(members),
            pieces: texts.map { Script.pieces($0) })
    }

    @Test func aChatIsWhatTheClientReads() throws {
        let result = try script("", [["Hel", "lo", " there"]]).run()
        #expect(result.json["choices"]?.array?[0]["message"]?["content"] == "Hello there")
        #expect(result.json["choices"]?.array?[0]["finish_reason"] == "stop")
        #expect(result.json["usage"]?["prompt_tokens_details"]?["cached_tokens"] == 2)
        #expect(result.json["usage"]?["completion_tokens"] == 3)
        #expect(try Golden.matches(result.json.text(indent: 1), "chat.json"))
    }

    @Test func aStreamIsWhatTheClientReads() throws {
        let result = try script(
            #""stream": true, "stream_options": {"include_usage": true}"#, [["Hel", "", "lo"]]
        ).run()
        #expect(result.stream.hasSuffix("data: [DONE]\n\n"))
        #expect(try Golden.matches(result.stream, "chat.sse"))
    }

    @Test func twoSamplesAreNumbered() throws {
        let result = try script(#""n": 2, "stream": true"#, [["a", "b"], ["c"]]).run()
        #expect(try Golden.matches(result.stream, "chat-two.sse"))
        #expect(result.json["choices"]?.array?.map { $0["message"]?["content"] } == ["ab", "c"])
    }

    @Test func callsAreStreamedInPieces() throws {
        let texts = [
            "Let me look.", "\n<tool", "_call>\n{\"name\": \"get_", "weather\", \"argu", "ments\": {\"ci",
            "ty\": \"Rom",
            "\"}}\n</tool_call>", "<tool_call>{\"name\": \"now\", \"arguments\": {}}</tool_call>",
        ]
        let result = try script("\"stream\": true, " + Self.tools, [texts]).run()
        #expect(try Golden.matches(result.stream, "chat-tools.sse"))
        let whole = try script(Self.tools, [texts]).run().json
        #expect(try Golden.matches(whole.text(indent: 1), "chat-tools.json"))
        #expect(whole["choices"]?.array?[0]["finish_reason"] == "tool_calls")
        let calls = whole["choices"]?.array?[0]["message"]?["tool_calls"]?.array
        #expect(calls?.map { $0["function"]?["arguments"]?.string } == ["{\"city\": \"Rom\"}", "{}"])
        #expect(calls?[0]["id"] != calls?[1]["id"])
        // Without parallel calls the first alone counts.
        let single = try script("\"parallel_tool_calls\": false, " + Self.tools, [texts]).run().json
        #expect(single["choices"]?.array?[0]["message"]?["tool_calls"]?.array?.count == 1)
    }

    @Test func thinkingIsToldApart() throws {
        let template =
            "{% for m in messages %}{{ m.content.split('</think>')[-1] }}{% endfor %}{% if add_generation_prompt %}<think>\n{% endif %}"
        let texts = ["Hm", ".\n</thi", "nk>\n\n", "Four."]
        let result = try script(#""stream": true"#, [texts], template: template).run()
        #expect(try Golden.matches(result.stream, "chat-thinking.sse"))
        let message = try script("", [texts], template: template).run().json["choices"]?.array?[0]["message"]
        #expect(message?["content"] == "Four.")
        #expect(message?["reasoning_content"] == "Hm.")
        #expect(message?["reasoning"] == "Hm.")
        let left = try script(#""reasoning_format": "none""#, [texts], template: template).run().json
        #expect(left["choices"]?.array?[0]["message"]?["content"] == "Hm.\n</think>\n\nFour.")
        let without = try script(#""include_reasoning": false"#, [texts], template: template).run().json
        #expect(without["choices"]?.array?[0]["message"]?["reasoning"] == nil)
    }

    @Test func logProbabilitiesGoWithTheirTokens() throws {
        var script = try script(
            #""logprobs": true, "top_logprobs": 2, "stream": true, "return_token_ids": true"#, [["a"]])
        script.pieces = [
            [
                piece(70, "", -0.5, [(70, -0.5), (71, -1.5)]), piece(72, "ab", -2, [(70, -0.25), (71, -1)]),
                piece(2, "", -0.125, [(2, -0.125), (5, -3)]),
            ]
        ]
        let result = try script.run()
        #expect(try Golden.matches(result.stream, "chat-logprobs.sse"))
        #expect(try Golden.matches(result.json.text(), "chat-logprobs.json"))
        let content = result.json["choices"]?.array?[0]["logprobs"]?["content"]?.array
        // The token that ends the reply is not part of what was said.
        #expect(content?.map { $0["logprob"] } == [-0.5, -2.0])
        #expect(content?[1]["top_logprobs"]?.array?.count == 2)
        #expect(result.json["choices"]?.array?[0]["token_ids"] == [70, 72, 2])
    }

    @Test func completionsMeetTheEvaluationHarness() throws {
        let model = try LanguageModel.tiny()
        let request = try completion(
            #""prompt": [[40, 41, 42], [50]], "echo": true, "logprobs": 1, "max_tokens": 1, "temperature": 0"#)
        var script = Script(model: model, request: request, pieces: [[piece(60, "X", -1, [(60, -1)])]])
        script.header.id = "cmpl-abc"
        script.promptEvents = [[nil, entry(41, -3, [(7, -0.5)]), entry(42, -0.25, [(42, -0.25)])], [nil]]
        let json = try script.run().json
        #expect(try Golden.matches(json.text(), "completion-echo.json"))
        let choices = try #require(json["choices"]?.array)
        #expect(choices.map { $0["index"] } == [0, 1])
        let logprobs = try #require(choices[0]["logprobs"])
        #expect(logprobs["token_logprobs"] == [nil, -3.0, -0.25, -1.0])
        #expect(logprobs["text_offset"]?.array?.count == 4)
        #expect(logprobs["top_logprobs"]?.array?[0].isNull == true)
        for index in 1..<4 {
            let value = logprobs["token_logprobs"]?.array?[index].double
            let token = try #require(logprobs["tokens"]?.array?[index].string)
            let top = try #require(logprobs["top_logprobs"]?.array?[index])
            #expect(top[token]?.double == value)
            let isGreedy = value == top.object?.compactMap { $0.value.double }.max()
            #expect(isGreedy == (index != 1))
        }
        let text = try #require(choices[0]["text"]?.string)
        let tokens = logprobs["tokens"]?.array?.compactMap(\.string) ?? []
        #expect(tokens.joined() == text)
        #expect(choices[1]["logprobs"]?["tokens"]?.array?.count == 2)
    }

    @Test func aTextIsEchoedAsItCame() throws {
        let request = try completion(#""prompt": "the end", "echo": true, "max_tokens": 2, "stream": true"#)
        var script = Script(model: try .tiny(), request: request, pieces: [Script.pieces([" is", " near"])])
        script.header.id = "cmpl-abc"
        script.reason = .length
        let result = try script.run()
        #expect(result.json["choices"]?.array?[0]["text"] == "the end is near")
        #expect(result.json["choices"]?.array?[0]["finish_reason"] == "length")
        #expect(try Golden.matches(result.stream, "completion.sse"))
    }

    @Test func whatBelongsToOtherRoutesIsWhatTheClientReads() throws {
        let embeddings = try EmbeddingsRequest(#"{"input": ["a", "b"]}"#.utf8)
        let reply = embeddings.reply(model: "e", vectors: [[1, 0.5], [0.25, 2]], promptTokens: 4)
        #expect(try Golden.matches(reply.text(indent: 1), "embeddings.json"))
        let card = ModelCard(id: "tiny", created: 1_700_000_000, try .tiny())
        #expect(try Golden.matches(card.json.text(indent: 1), "model.json"))
        #expect(card.json["max_model_len"] == 256)
    }

    private func entry(_ token: Int32, _ value: Float, _ top: [(Int32, Float)]) -> TokenLogProbability {
        TokenLogProbability(
            token: token, logProbability: value, top: top.map { .init(token: $0.0, logProbability: $0.1) })
    }

    private func piece(_ token: Int32, _ text: String, _ value: Float, _ top: [(Int32, Float)]) -> GeneratedPiece {
        GeneratedPiece(token: token, text: text, logProbability: entry(token, value, top))
    }
}
