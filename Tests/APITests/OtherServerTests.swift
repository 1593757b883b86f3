import Foundation
import MartletAPI
import MartletGrammar
import MartletInference
import MartletJSON
import Testing

/// The dialects of llama.cpp's server, text-generation-inference and text-embeddings-inference.
struct OtherServerTests {
    private func check(_ reply: JSON, _ name: String) throws {
        let document = RequestDescriptionTests.document
        let schema = try #require(document["components"]?["schemas"]?[name])
        #expect(SchemaCheck.problems(reply, schema, document) == [], "\(name)")
    }

    private func events(_ stream: String) throws -> [JSON] {
        try stream.components(separatedBy: "\n\n").filter { $0.hasPrefix("data: ") }.map {
            try JSON(parsing: String($0.dropFirst(6)))
        }
    }

    @Test func llamaCompletionsComeWholeAndInParts() throws {
        let model = try LanguageModel.tiny()
        let whole = try GenerationRequest(
            llamaCompletion: #"{"prompt": "a", "n_predict": 2, "n_probs": 1, "return_tokens": true}"#.utf8)
        #expect(whole.stopping.maximumTokens == 2 && whole.logProbabilities == 1)
        let reply = try Script(model: model, request: whole, pieces: [Script.pieces(["b", "c"])], reason: .length).run()
            .json
        try check(reply, "LlamaCompletion")
        #expect(reply["content"] == "bc" && reply["stop"] == true && reply["stop_type"] == "limit")
        #expect(reply["tokens"]?.array?.count == 2)
        let streamed = try GenerationRequest(llamaCompletion: #"{"prompt": "a", "stream": true}"#.utf8)
        #expect(streamed.stopping.maximumTokens == nil)
        let parts = try events(
            try Script(model: model, request: streamed, pieces: [Script.pieces(["b", "c"])]).run().stream)
        #expect(parts.compactMap { $0["content"]?.string } == ["b", "c", ""])
        #expect(parts.map { $0["stop"]?.bool } == [false, false, true])
        #expect(parts.last?["stop_type"] == "word")
        for part in parts { #expect(part["index"] == 0) }
    }

    @Test func biasesComeAsPairsToo() throws {
        let request = try GenerationRequest(
            llamaCompletion: #"{"prompt": "a", "logit_bias": [[5, -1.5], [6, false]]}"#.utf8)
        #expect(request.sampling.logitBias == [5: -1.5, 6: -.infinity])
        for wrong in ["[[5]]", "[[5, true]]", "[[-1, 1]]", "[5, 1]", "[[5, 1000]]"] {
            let error = #expect(throws: APIError.self, "\(wrong)") {
                try GenerationRequest(llamaCompletion: #"{"prompt": "a", "logit_bias": \#(wrong)}"#.utf8)
            }
            #expect(error?.parameter?.hasPrefix("logit_bias[0]") == true)
        }
    }

    @Test func aGapNeedsAModelThatKnowsGaps() throws {
        let model = try LanguageModel.tiny()
        let request = try GenerationRequest(
            infill: #"{"input_prefix": "a", "input_suffix": "b", "input_extra": [{"filename": "x", "text": "y"}]}"#.utf8
        )
        let error = #expect(throws: APIError.self) { try GenerationPlan(request, model: model, name: "m") }
        #expect(error?.status == 501)
    }

    @Test func textGenerationAnswersInItsThreeForms() throws {
        let model = try LanguageModel.tiny()
        let body = #"{"inputs": "a", "parameters": {"details": true, "return_full_text": true, "max_new_tokens": 2}}"#
        let one = try GenerationRequest(textGeneration: body.utf8, form: .one)
        #expect(one.sampling.temperature == 0)
        let pieces = [Script.pieces(["b", "c"])]
        let reply = try Script(model: model, request: one, pieces: pieces, reason: .length).run().json
        try check(reply, "Generate")
        #expect(reply["generated_text"] == "abc" && reply["details"]?["finish_reason"] == "length")
        #expect(reply["details"]?["tokens"]?.array?.count == 2)
        let list = try GenerationRequest(textGeneration: #"{"inputs": "a"}"#.utf8, form: .list)
        let listed = try Script(model: model, request: list, pieces: pieces).run().json
        try check(listed, "GenerateList")
        #expect(listed.array?.first?["generated_text"] == "bc")
        let events = try GenerationRequest(
            textGeneration: #"{"inputs": "a", "parameters": {"temperature": 0.5}}"#.utf8, form: .events)
        #expect(events.sampling.temperature == 0.5)
        let parts = try self.events(try Script(model: model, request: events, pieces: pieces).run().stream)
        #expect(parts.compactMap { $0["token"]?["text"]?.string } == ["b", "c"])
        #expect(parts.first?["generated_text"]?.isNull == true)
        #expect(parts.last?["generated_text"] == "bc")
        #expect(parts.last?["details"]?["generated_tokens"] == 2)
    }

    @Test func refusalsHaveTheShapeOfTheirDialect() throws {
        let error = APIError.invalid("a", "is wrong")
        #expect(ErrorShape.textGeneration.json(error) == ["error": "a is wrong", "error_type": "validation"])
        #expect(ErrorShape.textGeneration.status(error) == 422)
        #expect(ErrorShape.textEmbeddings.json(error)["error_type"] == "Validation")
        #expect(ErrorShape.ollama.json(error) == ["error": "a is wrong"])
        #expect(ErrorShape.anthropic.json(error)["error"]?["type"] == "invalid_request_error")
        for shape in ErrorShape.allCases where shape == .textGeneration || shape == .textEmbeddings {
            try check(shape.json(error), "InferenceError")
        }
    }

    @Test func textEmbeddingsAnswersAreLists() throws {
        let request = try EmbeddingsRequest(textEmbeddings: #"{"inputs": ["a", "b"], "truncate": true}"#.utf8)
        #expect(request.inputs.count == 2 && request.truncation?.keepsEnd == false)
        try check(EmbeddingsRequest.plainReply(vectors: [[0.5, 1]]), "Embed")
        try check(EmbeddingsRequest.llamaServerReply(vectors: [[0.5, 1]]), "LlamaEmbedding")
        try check(SimilarityRequest.reply(scores: [0.5]), "Similarity")
        let rerank = try RerankRequest(#"{"query": "a", "texts": ["b", "c"], "return_text": true}"#.utf8)
        let reply = rerank.reply(model: "e", scores: [0.5, 1], promptTokens: 2, id: "r")
        try check(reply, "RerankList")
        #expect(reply.array?.first?["text"] == "c")
        #expect(request.normalizes)
        #expect(try !EmbeddingsRequest(textEmbeddings: #"{"inputs": "a", "normalize": false}"#.utf8).normalizes)
        #expect(try !EmbeddingsRequest(llamaServer: #"{"content": "a", "embd_normalize": -1}"#.utf8).normalizes)
        for isEmbedding in [true, false] {
            let information = InferenceInformation.json(
                ModelCard(id: "m", created: 1), isEmbedding: isEmbedding, running: 4, limits: RequestLimits(),
                version: "1")
            try check(information, "InferenceInformation")
        }
    }

    @Test func whatNobodyReadsOfObjectsWithinIsNoticed() throws {
        let chat = try GenerationRequest(
            chatCompletion: #"""
                {"messages": [{"role": "user", "content": "a"}], "stream": true, "what": 1,
                 "stream_options": {"include_usage": true, "includes_usage": true},
                 "response_format": {"type": "json_schema", "json_schema": {"schema": {}, "shema": 1}},
                 "tools": [{"type": "function", "function": {"name": "f", "paramters": {}}}]}
                """#.utf8)
        #expect(
            Set(chat.unknownFields) == [
                "what", "stream_options.includes_usage", "response_format.json_schema.shema",
                "tools[0].function.paramters",
            ])
        let messages = try GenerationRequest(
            messages: #"""
                {"model": "m", "max_tokens": 1, "thinking": {"type": "disabled", "budget": 1},
                 "messages": [{"role": "user", "x": 1,
                               "content": [{"type": "text", "text": "a", "cache_control": {}, "txt": 1}]}]}
                """#.utf8)
        #expect(Set(messages.unknownFields) == ["messages[0].x", "messages[0].content[0].txt", "thinking.budget"])
        let ollama = try GenerationRequest(
            ollamaChat: #"""
                {"model": "m", "messages": [{"role": "user", "content": "a", "y": 1}], "options": {"temprature": 1}}
                """#.utf8)
        #expect(Set(ollama.unknownFields) == ["messages[0].y", "options.temprature"])
    }

    @Test func aKeptResponseIsGoneOnFrom() throws {
        let model = try LanguageModel.tiny { $0.contextLength = 1024 }
        let first = try GenerationRequest(
            responses: #"{"model": "m", "input": "How are you?", "instructions": "Be brief."}"#.utf8)
        let reply = try Script(
            model: model, request: first, header: ReplyHeader(id: "resp_abc", created: 1),
            pieces: [Script.pieces(["Fine", "."])]
        ).run().json
        let kept = try KeptResponse(reply, to: first)
        #expect(kept.id == "resp_abc")
        #expect(kept.messages.map(\.role) == ["user", "assistant"])
        #expect(kept.messages.map(\.content) == ["How are you?", "Fine."])
        try check(kept.inputList, "ResponseItems")
        var second = try GenerationRequest(
            responses: #"{"input": "And now?", "instructions": "Shout.", "previous_response_id": "resp_abc"}"#.utf8)
        second.goOn(from: kept.messages)
        guard case .conversation(let conversation) = second.input else { throw APIError("no conversation") }
        #expect(conversation.messages.map(\.content) == ["Shout.", "How are you?", "Fine.", "And now?"])
        #expect(second.messagesToKeep.count == 3)
        try check(KeptResponse.deleted("a"), "ResponseDeleted")
        try check(KeptResponse.inputTokens(3), "ResponseInputTokens")
    }
}
