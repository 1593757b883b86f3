import MartletAPI
import MartletGrammar
import MartletInference
import MartletJSON
import Testing
import TinyModels

struct PlanTests {
    @Test func everyBodyOfTheClientIsUnderstood() throws {
        for entry in try #require(JSON(parsing: Golden.text("requests.json")).array) {
            let body = try #require(entry["body"]).bytes()
            switch entry["path"]?.string {
            case "/v1/chat/completions":
                let request = try GenerationRequest(chatCompletion: body)
                #expect(request.unknownFields.isEmpty)
                #expect(request.model == "m")
            case "/v1/completions":
                let request = try GenerationRequest(completion: body)
                #expect(request.unknownFields.isEmpty)
            case "/v1/embeddings": _ = try EmbeddingsRequest(body)
            default: break
            }
        }
    }

    @Test func aPromptThatIsTooLongIsRefusedWithBothCounts() throws {
        let model = try LanguageModel.tiny()
        let long = String(repeating: "z ", count: 300)
        let body: JSON = ["messages": [["role": "user", "content": .string(long)]]]
        let request = try GenerationRequest(chatCompletion: body.bytes())
        let error = #expect(throws: APIError.self) { try GenerationPlan(request, model: model, name: "m") }
        #expect(error?.code == "context_length_exceeded")
        #expect(error?.message.contains("256") == true)
        #expect(error?.parameter == "messages")
        var truncated = request
        truncated.truncation = Truncation(tokens: -1)
        #expect(try GenerationPlan(truncated, model: model, name: "m").prompts[0].count == 255)
        let both: JSON = ["messages": [["role": "user", "content": .string(long)]], "max_tokens": 1000]
        let tooMuch = #expect(throws: APIError.self) {
            try GenerationPlan(GenerationRequest(chatCompletion: both.bytes()), model: model, name: "m")
        }
        #expect(tooMuch?.message.contains("1000") == true)
    }

    /// Ollama's `num_ctx` and `truncate`: the oldest turns are left out, system messages and the last turn stay.
    @Test func aChatOfOllamaLosesItsOldestTurnsToFit() throws {
        let model = try LanguageModel.tiny()
        func plan(_ turns: Int, truncate: JSON = true, options: JSON = [:]) throws -> GenerationPlan {
            var messages: [JSON] = [["role": "system", "content": "S"]]
            for turn in 0..<turns {
                messages.append(["role": "user", "content": .string("question \(turn)")])
                messages.append(["role": "assistant", "content": .string("answer \(turn)")])
            }
            messages.append(["role": "user", "content": "LAST"])
            let body: JSON = ["model": "m", "messages": .array(messages), "truncate": truncate, "options": options]
            return try GenerationPlan(GenerationRequest(ollamaChat: body.bytes()), model: model, name: "m")
        }
        func text(_ plan: GenerationPlan) throws -> String { try model.tokenizer.decode(plan.prompts[0]) }
        #expect(try text(plan(1)).contains("question 0"))
        // No more is left out than need be: another turn, with numbers of two digits, would not fit.
        let bare = try plan(0).prompts[0].count, turn = try plan(1).prompts[0].count - bare + 2
        // The model's own context is 256.
        let long = try plan(60), said = try text(long)
        #expect(long.prompts[0].count < 256 && long.prompts[0].count + turn >= 256)
        #expect(said.contains("S") && said.contains("LAST") && said.contains("answer 59") && !said.contains("answer 0"))
        for room in [bare + 1, 100, 150] {
            let cut = try plan(60, options: ["num_ctx": .integer(Int64(room))]), count = cut.prompts[0].count
            #expect(count < room && count + turn >= room)
            #expect(cut.engineRequests()[0].options.maximumTokens == room - count)
            #expect(try text(cut).contains("LAST"))
        }
        // Larger than the model's: the model's.
        #expect(try plan(60, options: ["num_ctx": 100_000]).prompts[0] == long.prompts[0])
        let refused = #expect(throws: APIError.self) { try plan(60, truncate: false, options: ["num_ctx": 100]) }
        #expect(refused?.parameter == "options.num_ctx" && refused?.message.contains("options.num_ctx is 100") == true)
        let own = #expect(throws: APIError.self) { try plan(60, truncate: false) }
        #expect(own?.message.contains("256") == true)
        // A turn is never cut in two.
        let tiny = #expect(throws: APIError.self) { try plan(60, options: ["num_ctx": 4]) }
        #expect(tiny?.message.contains("\(bare) tokens") == true)
        // A text to continue keeps its end.
        let raw: JSON = [
            "model": "m", "raw": true, "prompt": .string(String(repeating: "z ", count: 300)),
            "options": ["num_ctx": 50],
        ]
        let continued = try GenerationPlan(GenerationRequest(ollamaGenerate: raw.bytes()), model: model, name: "m")
        #expect(continued.prompts[0].count == 49 && continued.engineRequests()[0].options.maximumTokens == 1)
    }

    /// An encoder reads the prompt: it has a context of its own, and so has the reply.
    @Test func anEncoderDecoderIsPlannedFor() throws {
        let model = try Self.pair(beams: 3)
        let plan = try GenerationPlan(try completion(#""prompt": "SOME TEXT""#), model: model, name: "m")
        #expect(plan.options.beams?.width == 3 && plan.options.sampling.temperature == 0)
        // As many tokens as the model's files say, not 16.
        #expect(plan.engineRequests()[0].options.maximumTokens == 19)
        func beams(_ members: String) throws -> BeamSearchOptions? {
            try GenerationPlan(completion(#""prompt": "A", "# + members), model: model, name: "m").options.beams
        }
        #expect(try beams(#""use_beam_search": false"#) == nil)
        #expect(try beams(#""temperature": 0"#) == nil)
        #expect(try beams(#""logprobs": 1"#) == nil)
        let asked = try beams(
            #""use_beam_search": true, "best_of": 5, "n": 2, "length_penalty": 0.5, "early_stopping": true"#)
        #expect(asked?.width == 5 && asked?.returnedCount == 2 && asked?.lengthPenalty == 0.5)
        #expect(asked?.stopping == .whenFull)
        for (members, named) in [
            (#""echo": true"#, "echo"), (#""prompt_logprobs": 1"#, "prompt_logprobs"),
            (#""tgt_lang": "de""#, "tgt_lang"),
            (#""use_beam_search": true, "temperature": 0.5"#, "temperature"),
        ] {
            let error = #expect(throws: APIError.self) { try beams(members) }
            #expect(error?.parameter == named)
        }
        let long = try completion("\"prompt\": [\(Array(repeating: "5", count: 2100).joined(separator: ","))]")
        #expect(throws: APIError.self) { try GenerationPlan(long, model: model, name: "m") }
        #expect(throws: APIError.self) { try GenerationPlan(chat(#""max_tokens": 5"#), model: model, name: "m") }
        // Languages and beams of a decoder: the one has no meaning, the other is asked for as in vLLM.
        let decoder = try LanguageModel.tiny()
        let refused = try completion(#""prompt": "A", "src_lang": "de""#)
        #expect(throws: APIError.self) { try GenerationPlan(refused, model: decoder, name: "m") }
        let two = try completion(#""prompt": "A", "use_beam_search": true, "n": 2"#)
        #expect(try GenerationPlan(two, model: decoder, name: "m").options.beams?.width == 2)
    }

    private static func pair(beams: Int) throws -> LanguageModel {
        try FamilyGolden("t5").withFolder(change: {
            ($0["num_beams"], $0["max_length"]) = (.integer(Int64(beams)), 20)
        }) { path in
            try TinyTokenizer.write(folder: path)
            return try LanguageModel(encoderDecoder: ModelFiles(path: path))
        }
    }

    /// Clients send such numbers by themselves: the reply then ends where the context does.
    @Test func aReplyIsNoLongerThanThereIsRoomFor() throws {
        let model = try LanguageModel.tiny()
        let plan = try GenerationPlan(try chat(#""max_tokens": 32000"#), model: model, name: "m")
        #expect(plan.engineRequests()[0].options.maximumTokens == 256 - plan.prompts[0].count)
        let two = try GenerationPlan(
            try completion(#""prompt": [[1, 2, 3], [1]], "max_tokens": 255"#), model: model, name: "m")
        #expect(two.engineRequests().map(\.options.maximumTokens) == [253, 255])
        let open = try GenerationPlan(try completion(#""prompt": [[1, 2]], "max_tokens": -1"#), model: model, name: "m")
        #expect(open.engineRequests()[0].options.maximumTokens == 254)
        let ids = Array(repeating: "1", count: 256).joined(separator: ",")
        let full = try completion("\"prompt\": [\(ids)], \"max_tokens\": 9")
        let error = #expect(throws: APIError.self) { try GenerationPlan(full, model: model, name: "m") }
        #expect(error?.code == "context_length_exceeded" && error?.message.contains("256 tokens") == true)
        #expect(try chat(#""max_tokens": -1, "seed": -1"#).stopping.maximumTokens == nil)
        #expect(try chat(#""seed": -1"#).sampling.seed == nil)
        #expect(try chat(#""seed": -2"#).sampling.seed != nil)
        #expect(throws: APIError.self) { try chat(#""max_tokens": -2"#) }
    }

    @Test(arguments: [
        (#""prompt": [5000]"#, "prompt[0]"), (#""prompt": [[1], [9999]]"#, "prompt[1][0]"),
        (#""prompt": """#, "prompt"),
        (#""prompt": "a", "logit_bias": {"5000": 1}"#, "logit_bias.5000"),
        (#""prompt": "a", "stop_token_ids": [3, 999999]"#, "stop_token_ids"),
        (#""prompt": "a", "allowed_token_ids": [5000]"#, "allowed_token_ids"),
    ])
    func whatTheModelDoesNotHaveIsRefused(_ members: String, _ parameter: String) throws {
        let model = try LanguageModel.tiny()
        let request = try completion(members)
        let error = #expect(throws: APIError.self) { try GenerationPlan(request, model: model, name: "m") }
        #expect(error?.parameter == parameter)
    }

    @Test func optionsAreTheRequestsThenTheServers() throws {
        let model = try LanguageModel.tiny()
        var defaults = GenerationOptions()
        defaults.sampling.temperature = 0.5
        defaults.sampling.topK = 7
        let plan = try GenerationPlan(
            try chat(#""top_k": 3, "allowed_token_ids": [40, 41]"#), model: model, name: "m", defaults: defaults)
        #expect(plan.options.sampling.temperature == 0.5)
        #expect(plan.options.sampling.topK == 3)
        #expect(plan.options.sampling.logitBias.count == model.configuration.vocabularySize - 2)
        #expect(
            try GenerationPlan(try completion(#""prompt": "a""#), model: model, name: "m").options.maximumTokens == 16)
    }

    @Test func toolsAreTaughtWhereTheTemplateKnowsNone() throws {
        let model = try LanguageModel.tiny { $0.contextLength = 2048 }
        let tools = #""tools": [{"type": "function", "function": {"name": "f"}}]"#
        let plan = try GenerationPlan(try chat(tools), model: model, name: "m")
        let prompt = try model.tokenizer.decode(plan.prompts[0])
        #expect(prompt.contains(#"{"name":"f"}"#))
        #expect(prompt.contains("<tool_call>"))
        #expect(plan.constraint == nil)
        let none = try GenerationPlan(try chat(tools + #", "tool_choice": "none""#), model: model, name: "m")
        #expect(try !model.tokenizer.decode(none.prompts[0]).contains("<tool_call>"))
        let forced = try GenerationPlan(try chat(tools + #", "tool_choice": "required""#), model: model, name: "m")
        guard case .calls(let grammar, let written)? = forced.constraint else { throw forcedNothing }
        #expect(grammar.alternatives.map(\.opening) == [#"<tool_call>{"name": "f", "arguments": "#])
        #expect(grammar.alternatives.map(\.closing) == ["}</tool_call>"] && grammar.allowsSeveral && written.isEmpty)
        for one in [
            #""tool_choice": "required", "parallel_tool_calls": false"#,
            #""tool_choice": {"type": "function", "function": {"name": "f"}}"#,
        ] {
            let plan = try GenerationPlan(try chat(tools + ", " + one), model: model, name: "m")
            guard case .calls(let grammar, _)? = plan.constraint else { throw forcedNothing }
            #expect(!grammar.allowsSeveral)
        }
    }

    private var forcedNothing: APIError { APIError("no calls are forced") }

    @Test func theLeastLengthFitsTheGreatest() throws {
        let model = try LanguageModel.tiny()
        let members = #""prompt": "a", "include_stop_str_in_output": true, "min_tokens": "#
        let plan = try GenerationPlan(try completion(members + "16"), model: model, name: "m")
        #expect(plan.options.minimumTokens == 16 && plan.options.includesStopString)
        let error = #expect(throws: APIError.self) {
            try GenerationPlan(try completion(members + "17"), model: model, name: "m")
        }
        #expect(error?.parameter == "min_tokens")
    }

    @Test func conversationsNeedATemplate() throws {
        let model = try LanguageModel.tiny { $0.hasChatTemplate = false }
        let error = #expect(throws: APIError.self) { try GenerationPlan(try chat(""), model: model, name: "m") }
        #expect(error?.status == 400)
    }

    @Test func aFinalMessageIsContinued() throws {
        let body = #"{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Well,"}]}"#
        let model = try LanguageModel.tiny()
        let plan = try GenerationPlan(try GenerationRequest(chatCompletion: body.utf8), model: model, name: "m")
        #expect(try model.tokenizer.decode(plan.prompts[0]).hasSuffix("Well,"))
    }

    @Test func tokensAndTextsGoBothWays() throws {
        let model = try LanguageModel.tiny()
        let tokens = try JSON(
            parsing: TokenizeRequest(#"{"prompt": "the end", "return_token_strs": true}"#.utf8).reply(model))
        #expect(tokens["max_model_len"] == 256)
        #expect(tokens["count"]?.integer == tokens["tokens"]?.array?.count)
        #expect(tokens["token_strs"]?.array?.count == tokens["tokens"]?.array?.count)
        let body: JSON = ["tokens": try #require(tokens["tokens"])]
        let text = try DetokenizeRequest(body.bytes()).reply(model)
        #expect(text == ["prompt": "the end", "content": "the end"])
        let pieces = try JSON(parsing: TokenizeRequest(#"{"content": "the", "with_pieces": true}"#.utf8).reply(model))
        #expect(pieces["tokens"]?.array?.compactMap { $0["piece"]?.string }.joined() == "the")
        let rendered = try JSON(
            parsing: TokenizeRequest(#"{"messages": [{"role": "user", "content": "Hi"}]}"#.utf8).reply(model))
        #expect(rendered["tokens"]?.array?.first == 1)
        let prompt = try ApplyTemplateRequest(#"{"messages": [{"role": "user", "content": "Hi"}]}"#.utf8).reply(model)
        #expect(prompt["prompt"] == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
        #expect(TokenizerInformation.json(model)["eos_token"] == "<|im_end|>")
        let error = #expect(throws: APIError.self) { try DetokenizeRequest(#"{"tokens": [5, 900]}"#.utf8).reply(model) }
        #expect(error?.parameter == "tokens[1]")
    }
}

/// What the engine says goes through the dialects as it is.
struct EngineReplyTests {
    @Test func theEnginesWordsArriveWholeAndStreamed() async throws {
        let model = try LanguageModel.tiny()
        let engine = try Engine(model)
        defer { engine.stop() }
        let settings = #""max_tokens": 12, "seed": 3, "n": 2, "logprobs": true, "top_logprobs": 1"#
        let whole = try await run(try chat(settings), engine)
        let streamed = try await run(try chat(settings + #", "stream": true"#), engine)
        for sample in 0..<2 {
            var text = ""
            for event in streamed.stream.split(separator: "\n\n").dropLast() {
                let json = try JSON(parsing: String(event.dropFirst(6)))
                guard let choice = json["choices"]?.array?.first, choice["index"]?.integer == sample else { continue }
                text += choice["delta"]?["content"]?.string ?? ""
            }
            let choice = whole.json["choices"]?.array?[sample]
            #expect(choice?["message"]?["content"]?.string == text)
            #expect(choice?["logprobs"]?["content"]?.array?.count ?? 0 > 0)
        }
        #expect(whole.json["usage"]?["completion_tokens"]?.integer ?? 0 <= 24)
    }

    @Test func aPromptIsScoredAsTheEngineFindsIt() async throws {
        let model = try LanguageModel.tiny()
        let engine = try Engine(model)
        defer { engine.stop() }
        let request = try completion(
            #""prompt": [[40, 41, 42, 43]], "echo": true, "logprobs": 1, "max_tokens": 1, "temperature": 0"#)
        let logprobs = try await run(request, engine).json["choices"]?.array?[0]["logprobs"]
        #expect(logprobs?["tokens"]?.array?.count == 5)
        #expect(logprobs?["token_logprobs"]?.array?[0].isNull == true)
        let values = logprobs?["token_logprobs"]?.array?.dropFirst().compactMap(\.double) ?? []
        #expect(values.count == 4)
        #expect(values.allSatisfy { $0 < 0 })
        // The last was drawn greedily.
        let top = logprobs?["top_logprobs"]?.array?[4].object?.compactMap { $0.value.double }.max()
        #expect(values.last == top)
    }

    private func run(_ request: GenerationRequest, _ engine: Engine) async throws -> (stream: String, json: JSON) {
        let plan = try GenerationPlan(request, model: engine.model, name: "m")
        var reply = plan.reply(ReplyHeader(id: "x", created: 0))
        var bytes: [UInt8] = []
        for (index, request) in plan.engineRequests().enumerated() {
            for try await event in try engine.submit(request) { bytes += reply.add(event, prompt: index) }
        }
        bytes += reply.finish()
        return (String(decoding: bytes, as: UTF8.self), reply.json())
    }
}

/// Allows one token and nothing else.
private struct OnlyToken: TokenConstraint, TokenMatcher {
    var token: Int32
    var isComplete: Bool { false }
    func makeMatcher() -> any TokenMatcher { self }
    mutating func accept(_ token: Int32) throws { #expect(token == self.token) }
    mutating func allowedTokens() throws -> TokenMask {
        var words = [UInt64](repeating: 0, count: 3)
        words[Int(token) / 64] = 1 << UInt64(token % 64)
        return TokenMask(words: words)
    }
}

struct ThinkingFirstTests {
    @Test func aGrammarWaitsForTheEndOfTheThinking() throws {
        let opened =
            "{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}<think>{% endif %}{# </think> #}"
        let model = try LanguageModel.tiny(template: opened)
        let plan = try GenerationPlan(try chat(#""response_format": {"type": "json_object"}"#), model: model, name: "m")
        let only = OnlyToken(token: 70)
        var matcher = try #require(plan.engineRequests(constraint: only)[0].constraint).makeMatcher()
        func allows(_ token: Int32) throws -> Bool { try matcher.allowedTokens().allows(token) }
        let (one, other, end) = (try allows(70), try allows(5), try allows(2))
        #expect(one && other && !end)
        for token in try model.tokenizer.encode("so </thi", addSpecialTokens: false) { try matcher.accept(token) }
        let before = try allows(5)
        #expect(before)
        for token in try model.tokenizer.encode("nk>", addSpecialTokens: false) { try matcher.accept(token) }
        let (after, wanted) = (try allows(5), try allows(70))
        #expect(!after && wanted)
        // Without thinking the grammar holds from the first token.
        let request = try chat(#""response_format": {"type": "json_object"}"#)
        let direct = try GenerationPlan(request, model: .tiny(), name: "m")
        var first = try #require(direct.engineRequests(constraint: only)[0].constraint).makeMatcher()
        let mask = try first.allowedTokens()
        #expect(!mask.allows(5))
    }
}
