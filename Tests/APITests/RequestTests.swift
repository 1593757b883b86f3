import MartletAPI
import MartletJSON
import Testing

/// A chat request with members of its own.
func chat(_ members: String) throws(APIError) -> GenerationRequest {
    let body = #"{"messages": [{"role": "user", "content": "Hi"}]"# + (members.isEmpty ? "" : ", " + members) + "}"
    return try GenerationRequest(chatCompletion: body.utf8)
}

func completion(_ members: String) throws(APIError) -> GenerationRequest {
    try GenerationRequest(completion: "{\(members)}".utf8)
}

struct ChatRequestTests {
    @Test func aPlainRequestLeavesEverythingToTheServer() throws {
        let request = try chat("")
        #expect(request.model == nil)
        #expect(request.samples == 1)
        #expect(request.stream == nil)
        #expect(request.constraint == nil)
        #expect(request.sampling == SamplingSettings())
        #expect(request.stopping == StoppingSettings())
        #expect(request.logProbabilities == nil)
        #expect(request.unknownFields.isEmpty)
    }

    @Test func nullIsTheSameAsAbsent() throws {
        let request = try chat(
            #""temperature": null, "n": null, "stop": null, "tools": null, "tool_choice": null, "response_format": null, "stream_options": null, "logit_bias": null, "max_tokens": null"#
        )
        #expect(request.sampling == SamplingSettings())
        #expect(request.tools.tools.isEmpty)
    }

    @Test func everySettingArrives() throws {
        let request = try chat(
            """
            "model": "m", "temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.05, "n": 3, "seed": -7,
            "presence_penalty": 1, "frequency_penalty": -1, "repetition_penalty": 1.1, "logit_bias": {"5": -100},
            "stop": ["a", "b"], "stop_token_ids": [7], "ignore_eos": true, "max_tokens": 5, "max_completion_tokens": 6,
            "stream": true, "stream_options": {"include_usage": true, "continuous_usage_stats": true},
            "logprobs": true, "top_logprobs": 4, "user": "u", "cache_salt": "s", "return_token_ids": true,
            "reasoning_effort": "low", "chat_template_kwargs": {"x": 1}, "foo": 1, "bar": {}
            """)
        #expect(request.model == "m")
        #expect(request.sampling.temperature == 0.5)
        #expect(request.sampling.topP == 0.9)
        #expect(request.sampling.topK == 40)
        #expect(request.sampling.seed == UInt64(bitPattern: -7))
        #expect(request.sampling.logitBias == [5: -100])
        #expect(request.samples == 3)
        #expect(request.stopping.strings == ["a", "b"])
        #expect(request.stopping.tokens == [7])
        #expect(request.stopping.ignoresEndOfSequence)
        #expect(request.stopping.maximumTokens == 6)
        #expect(request.stream?.includesUsage == true)
        #expect(request.logProbabilities == 4)
        #expect(request.cacheSalt == "s")
        #expect(request.returnsTokens)
        #expect(request.unknownFields == ["foo", "bar"])
        guard case .conversation(let conversation) = request.input else { return }
        #expect(conversation.templateVariables["reasoning_effort"] == "low")
        #expect(conversation.templateVariables["x"] == 1)
    }

    private static let refused: [(String, String)] = [
        (#""temperature": "hot""#, "temperature"), (#""temperature": 2.1"#, "temperature"),
        (#""temperature": -1"#, "temperature"), (#""top_p": 1.5"#, "top_p"), (#""n": 1000000000"#, "n"),
        (#""n": 0"#, "n"), (#""n": 1.5"#, "n"), (#""n": 1e300"#, "n"), (#""n": true"#, "n"),
        (#""stop": [1]"#, "stop[0]"), (#""stop": 5"#, "stop"), (#""logit_bias": {"x": 1}"#, "logit_bias"),
        (#""logit_bias": {"1": 101}"#, "logit_bias.1"), (#""logit_bias": [1]"#, "logit_bias[0]"),
        (#""max_tokens": 0"#, "max_tokens"), (#""max_tokens": -2"#, "max_tokens"), (#""stream": "yes""#, "stream"),
        (#""stream_options": {}"#, "stream_options"),
        (#""stream": true, "stream_options": {"include_usage": 1}"#, "stream_options.include_usage"),
        (#""top_logprobs": 3"#, "top_logprobs"), (#""logprobs": true, "top_logprobs": 21"#, "top_logprobs"),
        (#""seed": 1.5"#, "seed"), (#""model": 5"#, "model"), (#""tools": {}"#, "tools"),
        (#""tools": [1]"#, "tools[0]"),
        (#""tools": [{"type": "web"}]"#, "tools[0].type"), (#""tools": [{"type": "function"}]"#, "tools[0].function"),
        (#""tools": [{"type": "function", "function": {"name": "a b"}}]"#, "tools[0].function.name"),
        (
            #""tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "array"}}}]"#,
            "tools[0].function.parameters.type"
        ),
        (#""tool_choice": "required""#, "tool_choice"), (#""tool_choice": "maybe""#, "tool_choice"),
        (#""response_format": {"type": "xml"}"#, "response_format.type"),
        (#""response_format": {"type": "json_schema"}"#, "response_format.json_schema"),
        (
            #""response_format": {"type": "json_schema", "json_schema": {"schema": 5}}"#,
            "response_format.json_schema.schema"
        ),
        (#""response_format": {"type": "json_object"}, "guided_regex": "a""#, "guided_regex"),
        (#""response_format": {"type": "json_object", "value": 5}"#, "response_format.value"),
        (#""response_format": {"type": "json_object", "value": {}, "schema": {}}"#, "response_format.value"),
        (#""response_format": {"type": "json"}"#, "response_format.value"),
        (#""regex": "a", "ebnf": "root ::= \"a\"""#, "ebnf"), (#""regex": 5"#, "regex"),
        (#""guided_choice": []"#, "guided_choice"), (#""reasoning_effort": "huge""#, "reasoning_effort"),
        (#""chat_template": "x""#, "chat_template"), (#""cache_salt": 5"#, "cache_salt"),
        (#""chat_template_kwargs": {"messages": []}"#, "chat_template_kwargs.messages"),
        (#""continue_final_message": true"#, "continue_final_message"),
        (#""allowed_token_ids": [-1]"#, "allowed_token_ids[0]"),
        (#""best_of": 2"#, "best_of"), (#""mirostat": 2"#, "mirostat"), (#""min_tokens": -2"#, "min_tokens"),
        (#""lora": [{"id": 0}]"#, "lora"), (#""functions": []"#, "functions"), (#""echo": true"#, "echo"),
        (#""repeat_last_n": -2"#, "repeat_last_n"), (#""prompt_embeds": "AA""#, "prompt_embeds"),
        (#""modalities": ["audio"]"#, "modalities"), (#""web_search_options": {}"#, "web_search_options"),
        (#""include_stop_str_in_output": 1"#, "include_stop_str_in_output"),
    ]

    @Test(arguments: refused) func whatIsWrongIsRefusedByName(_ members: String, _ parameter: String) {
        let error = #expect(throws: APIError.self) { try chat(members) }
        #expect(error?.parameter == parameter)
        #expect(error?.status == 400)
        #expect(error?.type == "invalid_request_error")
    }

    @Test(arguments: [
        (#"{}"#, "messages"), (#"{"messages": []}"#, "messages"), (#"{"messages": "hi"}"#, "messages"),
        (#"{"messages": [1]}"#, "messages[0]"), (#"{"messages": [{}]}"#, "messages[0].role"),
        (#"{"messages": [{"role": "king", "content": ""}]}"#, "messages[0].role"),
        (#"{"messages": [{"role": "user"}]}"#, "messages[0].content"),
        (#"{"messages": [{"role": "user", "content": 5}]}"#, "messages[0].content"),
        (#"{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": []}]}"#, "messages[1].content"),
        (#"{"messages": [{"role": "user", "content": [{"type": "txt"}]}]}"#, "messages[0].content[0].type"),
        (#"{"messages": [{"role": "user", "content": [{"type": "text"}]}]}"#, "messages[0].content[0].text"),
        (
            #"{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}"#,
            "messages[0].content[0].type"
        ),
        (
            #"{"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": 1}}]}]}"#,
            "messages[0].tool_calls[0].function.name"
        ),
        (
            #"{"messages": [{"role": "user", "content": "", "tool_calls": [{}]}]}"#, "messages[0].tool_calls"
        ),
    ])
    func wrongMessagesAreNamedByTheirPath(_ body: String, _ parameter: String) {
        let error = #expect(throws: APIError.self) { try GenerationRequest(chatCompletion: body.utf8) }
        #expect(error?.parameter == parameter)
    }

    @Test func whatIsNoJSONIsRefused() {
        for body in [
            [], Array("{".utf8), Array("[]".utf8), Array("5".utf8), [0x7B, 0x22, 0xFF, 0x22, 0x3A, 0x31, 0x7D],
            Array((String(repeating: "[", count: 100_000)).utf8), Array(#"{"temperature": NaN}"#.utf8),
        ] {
            let error = #expect(throws: APIError.self) { try GenerationRequest(chatCompletion: body) }
            #expect(error?.status == 400)
        }
    }

    @Test func aMillionStopStringsAreRefusedWithTheLimit() {
        let stops = Array(repeating: "\"x\"", count: 1_000_000).joined(separator: ",")
        let error = #expect(throws: APIError.self) { try chat("\"stop\": [\(stops)]") }
        #expect(error?.message.contains("1000000") == true)
        #expect(error?.message.contains("16") == true)
    }

    @Test func toolsAndTheirChoiceAreRead() throws {
        let tools =
            #""tools": [{"type": "function", "function": {"name": "f", "strict": true, "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}}, {"type": "function", "function": {"name": "g"}}]"#
        #expect(try chat(tools).tools.choice == .auto)
        #expect(try chat(tools + #", "tool_choice": "none""#).tools.callable.isEmpty)
        let named = try chat(tools + #", "tool_choice": {"type": "function", "function": {"name": "g"}}"#).tools
        #expect(named.callable.map(\.name) == ["g"])
        #expect(named.choice.forcesCalls)
        let allowed = try chat(
            tools
                + #", "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]}}"#
        ).tools
        #expect(allowed.callable.map(\.name) == ["f"])
        let unknown = #expect(throws: APIError.self) {
            try chat(tools + #", "tool_choice": {"type": "function", "function": {"name": "h"}}"#)
        }
        #expect(unknown?.parameter == "tool_choice")
        let twice = #expect(throws: APIError.self) {
            try chat(
                #""tools": [{"type": "function", "function": {"name": "f"}}, {"type": "function", "function": {"name": "f"}}]"#
            )
        }
        #expect(twice?.parameter == "tools[1].function.name")
    }

    @Test func everyDialectOfConstraintsIsOne() throws {
        let schema: JSON = ["type": "object"]
        for members in [
            #""response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}"#,
            #""response_format": {"type": "json_object", "schema": {"type": "object"}}"#,
            #""response_format": {"type": "json_object", "value": {"type": "object"}}"#,
            #""response_format": {"type": "json", "value": {"type": "object"}}"#,
            #""guided_json": {"type": "object"}"#, #""guided_json": "{\"type\": \"object\"}""#,
            #""json_schema": {"type": "object"}"#, #""structured_outputs": {"json": {"type": "object"}}"#,
        ] { #expect(try chat(members).constraint == .jsonSchema(schema)) }
        for members in [
            #""response_format": {"type": "json_object"}"#, #""structured_outputs": {"json_object": true}"#,
        ] { #expect(try chat(members).constraint == .jsonObject) }
        for members in [
            #""guided_regex": "a+""#, #""regex": "a+""#, #""response_format": {"type": "regex", "pattern": "a+"}"#,
            #""response_format": {"type": "regex", "value": "a+"}"#,
        ] { #expect(try chat(members).constraint == .regex("a+")) }
        #expect(try chat(#""ebnf": "root ::= \"a\"""#).constraint == .gbnf(#"root ::= "a""#))
        #expect(try chat(#""structured_outputs": {"choice": ["a", "b"]}"#).constraint == .choice(["a", "b"]))
        #expect(try chat(#""grammar": "root ::= \"a\"""#).constraint == .gbnf(#"root ::= "a""#))
        #expect(try chat(#""response_format": {"type": "text"}"#).constraint == nil)
    }

    @Test func aLastMessageOfTheAssistantsIsContinued() throws {
        func conversation(_ extra: String) throws -> Conversation? {
            let body =
                #"{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Well,"}]"# + extra
                + "}"
            guard case .conversation(let found) = try GenerationRequest(chatCompletion: body.utf8).input else {
                return nil
            }
            return found
        }
        #expect(try conversation("")?.continuesFinalMessage == true)
        #expect(try conversation("")?.addsGenerationPrompt == false)
        #expect(try conversation(#", "add_generation_prompt": true"#)?.continuesFinalMessage == false)
        #expect(try conversation(#", "continue_final_message": true"#)?.continuesFinalMessage == true)
    }
}

struct CompletionRequestTests {
    @Test func promptsComeInFourShapes() throws {
        func prompts(_ text: String) throws -> [GenerationRequest.Prompt]? {
            guard case .prompts(let list) = try completion("\"prompt\": " + text).input else { return nil }
            return list
        }
        #expect(try prompts("\"a\"") == [.text("a")])
        #expect(try prompts("[\"a\", \"b\"]") == [.text("a"), .text("b")])
        #expect(try prompts("[1, 2]") == [.tokens([1, 2])])
        #expect(try prompts("[[1], [2, 3]]") == [.tokens([1]), .tokens([2, 3])])
    }

    @Test func theEvaluationHarnessIsUnderstood() throws {
        let request = try completion(
            #""model": "m", "prompt": [[1, 2, 3]], "temperature": 0, "max_tokens": 1, "logprobs": 1, "seed": 1234, "echo": true"#
        )
        #expect(request.echoesPrompt)
        #expect(request.logProbabilities == 1)
        #expect(request.promptLogProbabilities == 1)
        #expect(request.stopping.maximumTokens == 1)
    }

    @Test(arguments: [
        (#""model": "m""#, "prompt"), (#""prompt": []"#, "prompt"), (#""prompt": 5"#, "prompt"),
        (#""prompt": [1, "a"]"#, "prompt[1]"), (#""prompt": [[1], {}]"#, "prompt[1]"),
        (#""prompt": [[1.5]]"#, "prompt[0][0]"),
        (#""prompt": [-5]"#, "prompt[0]"), (#""prompt": [3000000000]"#, "prompt[0]"),
        (#""prompt": "a", "max_tokens": 0"#, "max_tokens"), (#""prompt": "a", "logprobs": 99"#, "logprobs"),
        (#""prompt": "a", "suffix": "b""#, "suffix"), (#""prompt": "a", "echo": "b""#, "echo"),
    ])
    func whatIsWrongIsRefusedByName(_ members: String, _ parameter: String) {
        let error = #expect(throws: APIError.self) { try completion(members) }
        #expect(error?.parameter == parameter)
    }
}
