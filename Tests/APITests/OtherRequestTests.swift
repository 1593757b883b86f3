import MartletAPI
import MartletJSON
import Testing

struct OtherRequestTests {
    @Test func embeddingsComeAsNumbersOrAsBytes() throws {
        let request = try EmbeddingsRequest(#"{"input": ["a", "b"], "model": "m"}"#.utf8)
        #expect(request.inputs == [.text("a"), .text("b")])
        let reply = request.reply(model: "m", vectors: [[1, -0.5], [0.25, 0]], promptTokens: 4)
        #expect(reply["data"]?.array?[1]["embedding"] == [0.25, 0.0])
        #expect(reply["usage"]?["total_tokens"] == 4)
        let packed = try EmbeddingsRequest(#"{"input": [1, 2], "encoding_format": "base64"}"#.utf8)
        #expect(packed.inputs == [.tokens([1, 2])])
        // Python: base64.b64encode(struct.pack("<2f", 1, -0.5))
        #expect(
            packed.reply(model: "m", vectors: [[1, -0.5]], promptTokens: 2)["data"]?.array?[0]["embedding"]
                == "AACAPwAAAL8=")
        // Of one, three and no bytes left over.
        #expect(
            packed.reply(model: "m", vectors: [[1], [1, 1, 1]], promptTokens: 2)["data"]?.array?.map { $0["embedding"] }
                == ["AACAPw==", "AACAPwAAgD8AAIA/"])
    }

    @Test func aShortenedVectorHasLengthOne() {
        #expect(EmbeddingsRequest.shortened([3, 4, 12], to: 2) == [0.6, 0.8])
        #expect(EmbeddingsRequest.shortened([0, 0, 1], to: 2) == [0, 0])
    }

    @Test(arguments: [
        (#"{}"#, "input"), (#"{"input": []}"#, "input"),
        (#"{"input": "a", "encoding_format": "int8"}"#, "encoding_format"),
        (#"{"input": "a", "dimensions": 0}"#, "dimensions"), (#"{"input": [[]], "dimensions": "x"}"#, "dimensions"),
    ])
    func wrongEmbeddingRequestsAreRefusedByName(_ body: String, _ parameter: String) {
        let error = #expect(throws: APIError.self) { try EmbeddingsRequest(body.utf8) }
        #expect(error?.parameter == parameter)
    }

    @Test func documentsAreRankedBestFirst() throws {
        let request = try RerankRequest(
            #"{"query": "q", "documents": ["a", {"text": "b"}, "c"], "top_n": 2}"#.utf8)
        let reply = request.reply(model: "m", scores: [0.5, 0.75, 0.5], promptTokens: 9, id: "rerank-1")
        #expect(reply["results"]?.array?.map { $0["index"] } == [1, 0])
        #expect(reply["results"]?.array?[0]["document"] == ["text": "b"])
        let error = #expect(throws: APIError.self) {
            try RerankRequest(#"{"query": "q", "documents": ["a", 5]}"#.utf8)
        }
        #expect(error?.parameter == "documents[1]")
    }

    @Test func scoresPairTexts() throws {
        let one = try ScoreRequest(#"{"text_1": "a", "text_2": ["b", "c"]}"#.utf8)
        #expect(one.texts.map(\.text) == ["a", "b", "c"])
        #expect(one.pairs.map(\.first) == [0, 0])
        #expect(one.pairs.map(\.second) == [1, 2])
        #expect(throws: APIError.self) { try ScoreRequest(#"{"text_1": ["a", "b"], "text_2": ["c"]}"#.utf8) }
        for (first, second) in [("data_1", "data_2"), ("queries", "documents"), ("queries", "items")] {
            let other = try ScoreRequest("{\"\(first)\": \"a\", \"\(second)\": [\"b\", \"c\"]}".utf8)
            #expect(other.pairs.map(\.second) == [1, 2] && other.unknownFields.isEmpty)
            let error = #expect(throws: APIError.self) {
                try ScoreRequest("{\"\(first)\": [\"a\", \"b\"], \"\(second)\": [\"c\"]}".utf8)
            }
            #expect(error?.parameter == second)
        }
    }

    @Test func whatIsBeyondARangeIsToldTheSideItIsOn() throws {
        func refusal(_ body: String) -> APIError? {
            #expect(throws: APIError.self) { try GenerationRequest(completion: body.utf8) }
        }
        let seed = #"{"prompt": "a", "seed": "#
        #expect(refusal(seed + "9223372036854775808}")?.message.contains("to 9223372036854775807") == true)
        let digits = String(repeating: "7", count: 400)
        #expect(refusal(seed + digits + "}")?.message.contains("7…") == true)
        for body in ["[]", "3", "\"a\""] {
            let error = refusal(body)
            #expect(error?.parameter == nil && error?.message.hasPrefix("The body must be an object") == true)
        }
    }

    @Test func anErrorHasOpenAIsShape() {
        let error = APIError("no", parameter: "messages[0]", code: "c")
        #expect(
            error.json.text()
                == #"{"error":{"message":"no","type":"invalid_request_error","param":"messages[0]","code":"c"}}"#)
    }
}
