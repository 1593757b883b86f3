import MartletAPI
import MartletJSON
import Testing

/// What /openapi.json says of requests is what decoding them does.
struct RequestDescriptionTests {
    /// One body and who reads it.
    struct Body: Sendable, CustomTestStringConvertible {
        var schema: String
        /// Members that others need beside them.
        var beside: JSONObject = [:]
        /// Reads it, and names the members that nothing read.
        var decode: @Sendable (_ body: [UInt8]) throws -> [String]

        var testDescription: String { schema }
    }

    private static let tool: JSON = ["type": "function", "function": ["name": "a"]]
    private static let chat: JSONObject = [
        "stream": true, "logprobs": true, "tools": [tool], "use_beam_search": true,
    ]

    static let bodies: [Body] = [
        Body(schema: "ChatCompletionRequest", beside: chat) {
            try GenerationRequest(chatCompletion: $0).unknownFields
        },
        Body(schema: "CompletionRequest", beside: ["stream": true, "echo": true, "use_beam_search": true]) {
            try GenerationRequest(completion: $0).unknownFields
        },
        Body(schema: "ResponsesRequest", beside: ["tools": [["type": "function", "name": "a"]]]) {
            try GenerationRequest(responses: $0).unknownFields
        },
        Body(schema: "MessagesRequest", beside: ["tools": [["name": "a"]]]) {
            try GenerationRequest(messages: $0).unknownFields
        },
        Body(schema: "CountTokensRequest", beside: ["tools": [["name": "a"]]]) {
            try GenerationRequest(messages: $0, countsOnly: true).unknownFields
        },
        Body(schema: "OllamaChatRequest") { try GenerationRequest(ollamaChat: $0).unknownFields },
        Body(schema: "OllamaGenerateRequest") { try GenerationRequest(ollamaGenerate: $0).unknownFields },
        Body(schema: "OllamaEmbedRequest") { try EmbeddingsRequest(ollama: $0).unknownFields },
        Body(schema: "OllamaShowRequest") {
            _ = try ModelRequest($0, alias: "name")
            return []
        },
        Body(schema: "OllamaPullRequest") { try PullRequest($0).unknownFields },
        Body(schema: "LlamaCompletionRequest", beside: ["stream": true, "use_beam_search": true]) {
            try GenerationRequest(llamaCompletion: $0).unknownFields
        },
        Body(schema: "InfillRequest", beside: ["stream": true, "use_beam_search": true]) {
            try GenerationRequest(infill: $0).unknownFields
        },
        Body(schema: "LlamaEmbeddingRequest") { try EmbeddingsRequest(llamaServer: $0).unknownFields },
        Body(schema: "GenerateRequest") { try GenerationRequest(textGeneration: $0, form: .one).unknownFields },
        Body(schema: "GenerateOrStreamRequest") {
            try GenerationRequest(textGeneration: $0, form: .list).unknownFields
        },
        Body(schema: "EmbedRequest") { try EmbeddingsRequest(textEmbeddings: $0).unknownFields },
        Body(schema: "SimilarityRequest") { try SimilarityRequest($0).unknownFields },
        Body(schema: "PredictRequest") { try PredictRequest($0).unknownFields },
        Body(schema: "EmbeddingsRequest") { try EmbeddingsRequest($0).unknownFields },
        Body(schema: "PoolingRequest") { try EmbeddingsRequest(pooling: $0).unknownFields },
        Body(schema: "RerankRequest") {
            try RerankRequest($0).unknownFields
        },
        Body(schema: "ScoreRequest") {
            try ScoreRequest($0).unknownFields
        },
        Body(schema: "TokenizeRequest", beside: ["tools": [tool]]) {
            _ = try TokenizeRequest($0)
            return []
        },
        Body(schema: "DetokenizeRequest") {
            _ = try DetokenizeRequest($0)
            return []
        },
        Body(schema: "ApplyTemplateRequest", beside: ["tools": [tool]]) {
            _ = try ApplyTemplateRequest($0)
            return []
        },
        Body(schema: "InspectionRequest") {
            _ = try InspectionRequest($0)
            return []
        },
        Body(schema: "PatchingRequest") {
            _ = try PatchingRequest($0)
            return []
        },
        Body(schema: "SteeringRequest") {
            _ = try SteeringRequest($0)
            return []
        },
        Body(schema: "AdapterLoadRequest") {
            _ = try AdapterRequest(load: $0)
            return []
        },
        Body(schema: "AdapterUnloadRequest") {
            _ = try AdapterRequest(unload: $0)
            return []
        },
        Body(schema: "ModelName") {
            _ = try ModelRequest($0)
            return []
        },
    ]

    static let document = OpenAPIDocument.json(version: "1", routes: [])

    /// Requests that have every described member once with a value of its kind and once with one of each other kind.
    private func probes(_ body: Body) throws -> [SchemaProbe] {
        let schema = try #require(Self.document["components"]?["schemas"]?[body.schema])
        return SchemaProbe.all(schema, Self.document).map { probe in
            var probe = probe
            guard case .object(var object) = probe.value else { return probe }
            for (key, value) in body.beside where object[key] == nil { object[key] = value }
            probe.value = .object(object)
            return probe
        }
    }

    /// Combinations that decoding refuses for what stands beside the member.
    private static let combinations: Set<String> = ["continue_final_message", "text_2", "input", "best_of"]

    @Test(arguments: bodies) func aDescribedMemberIsReadAndHeldToItsKind(_ body: Body) throws {
        for probe in try probes(body) {
            let text = probe.value.text()
            if probe.isWrong {
                let error = #expect(throws: APIError.self, "\(text)") { try body.decode(probe.value.bytes()) }
                let named = error?.parameter ?? "nothing"
                #expect(named.hasPrefix(probe.path), "\(text) is refused for \(named)")
            } else {
                do {
                    let unknown = try body.decode(probe.value.bytes())
                    #expect(!unknown.contains(probe.path), "\(probe.path) is not read")
                } catch let error as APIError where Self.combinations.contains(error.parameter ?? "") {
                } catch {
                    Issue.record("\(text) is refused: \(error)")
                }
            }
        }
    }

    @Test(arguments: bodies) func aMemberThatIsReadIsDescribed(_ body: Body) throws {
        let schema = try #require(Self.document["components"]?["schemas"]?[body.schema])
        let notes = FieldNotes()
        FieldNotes.$current.withValue(notes) {
            for probe in (try? probes(body)) ?? [] { _ = try? body.decode(probe.value.bytes()) }
        }
        let missing = notes.paths.subtracting(SchemaProbe.paths(schema, Self.document))
        #expect(missing.isEmpty, "\(missing.sorted())")
        #expect(!notes.paths.isEmpty)
    }
}
