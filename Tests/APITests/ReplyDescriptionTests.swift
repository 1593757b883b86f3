import Foundation
import MartletAPI
import MartletGrammar
import MartletInference
import MartletJSON
import Testing

/// What /openapi.json says of replies is what they are.
struct ReplyDescriptionTests {
    private func check(_ reply: JSON, _ name: String) throws {
        let document = RequestDescriptionTests.document
        let schema = try #require(document["components"]?["schemas"]?[name])
        #expect(SchemaCheck.problems(reply, schema, document) == [], "\(name)")
    }

    @Test(arguments: [
        ("chat", "ChatCompletion"), ("chat-tools", "ChatCompletion"), ("embeddings", "Embeddings"), ("model", "Model"),
        ("ollama-chat", "OllamaChat"), ("message", "MessagesReply"), ("response", "Response"),
    ]) func aReplyOfTheGoldensIsAsDescribed(file: String, schema: String) throws {
        try check(try JSON(parsing: Golden.text("replies/\(file).json").utf8), schema)
    }

    @Test func everyLineOfAStreamOfOllamasIsAsDescribed() throws {
        for (file, schema) in [("ollama-chat", "OllamaChat"), ("ollama-generate", "OllamaGenerate")] {
            for line in try Golden.text("replies/\(file).ndjson").split(separator: "\n") {
                try check(try JSON(parsing: line.utf8), schema)
            }
        }
    }

    @Test func whatIsToldOfModelsIsAsDescribed() throws {
        let model = try LanguageModel.tiny(template: "{% for m in messages %}{{ m.content }}{% endfor %}")
        var card = ModelCard(id: "tiny", created: 1, model)
        card.isLoaded = true
        try check(ModelCard.list([card]), "ModelList")
        try check(Ollama.tags([card]), "OllamaModels")
        try check(Ollama.running([(card: card, expires: 5)]), "OllamaModels")
        try check(Ollama.show(card, model), "OllamaShow")
        try check(Ollama.version, "Version")
        try check(Ollama.error(.unknownModel("a")), "OllamaError")
        try check(MessagesReply.error(.unknownModel("a")), "MessagesError")
        try check(APIError.unknownModel("a").json, "Error")
        try check(LlamaServerReply.properties(model, name: "tiny", slots: 4, build: "b"), "Properties")
        try check(LlamaServerReply.slots(running: 1, of: 2, contextLength: 8), "Slots")
        for format in ["float", "base64"] {
            let body: JSON = ["input": ["a", "b"], "task": "embed", "encoding_format": .string(format)]
            let reply = try EmbeddingsRequest(pooling: body.bytes()).poolingReply(
                model: "m", vectors: [[0.5], [1]], promptTokens: 3, id: "pool-1", created: 1)
            try check(reply, "Pooling")
            #expect(reply["data"]?.array?.map { $0["index"] } == [0, 1] && reply["usage"]?["prompt_tokens"] == 3)
        }
        // Vectors of each token, and raw ones, are not made.
        for body in [#"{"input": "a", "task": "token_embed"}"#, #"{"input": "a", "normalize": false}"#] {
            let error = #expect(throws: APIError.self) { try EmbeddingsRequest(pooling: body.utf8) }
            #expect(["task", "normalize"].contains(error?.parameter))
        }
        try check(TokenizerInformation.json(model), "TokenizerInformation")
    }

    @Test func whatRequestsAnswerIsAsDescribed() throws {
        let model = try LanguageModel.tiny(template: "{% for m in messages %}{{ m.content }}{% endfor %}")
        for body in [
            #"{"prompt": "a", "return_token_strs": true}"#, #"{"content": "a"}"#,
            #"{"content": "a", "with_pieces": true}"#, #"{"messages": [{"role": "user", "content": "a"}]}"#,
        ] {
            try check(JSON(parsing: try TokenizeRequest(body.utf8).reply(model)), "Tokenize")
        }
        try check(try DetokenizeRequest(#"{"tokens": [5]}"#.utf8).reply(model), "Detokenize")
        let template = try ApplyTemplateRequest(#"{"messages": [{"role": "user", "content": "a"}]}"#.utf8)
        try check(try template.reply(model), "ApplyTemplate")
        try check(try InspectionRequest(#"{"text": "the"}"#.utf8).answer(model, name: "tiny"), "Inspection")
        let rerank = try RerankRequest(#"{"query": "a", "documents": ["b", {"text": "c"}]}"#.utf8)
        try check(rerank.reply(model: "e", scores: [0.5, 1], promptTokens: 2, id: "r"), "Rerank")
        let score = try ScoreRequest(#"{"text_1": "a", "text_2": ["b"]}"#.utf8)
        try check(score.reply(model: "e", scores: [0.5], promptTokens: 2, id: "s", created: 1), "Score")
        let embed = try EmbeddingsRequest(ollama: Array(#"{"model": "e", "input": "a"}"#.utf8))
        try check(embed.ollamaReply(model: "e", vectors: [[0.5]], promptTokens: 3, seconds: 1), "OllamaEmbed")
        try check(Ollama.embedding([[0.5]]), "OllamaEmbeddings")
        for body in [#"{"model": "m"}"#, #"{"model": "m", "keep_alive": 0}"#] {
            let load = try GenerationRequest(ollamaChat: Array(body.utf8))
            try check(Ollama.loaded(load, model: "m", created: 1), "OllamaChat")
        }
        let completion = try GenerationRequest(
            completion: Array(#"{"prompt": "a", "logprobs": 1, "return_token_ids": true, "prompt_logprobs": 1}"#.utf8))
        let reply = try Script(model: model, request: completion, pieces: [Script.pieces(["b", "c"])]).run().json
        try check(reply, "Completion")
    }
}
