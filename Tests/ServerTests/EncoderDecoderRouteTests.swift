import Foundation
import MartletInference
import MartletJSON
import MartletServer
import Testing

/// Encoder-decoders over the wire.
struct EncoderDecoderRouteTests {
    private static let text = "SOME (TEXT) 123"

    @Test func aTextIsWrittenForATextAsWithoutAServer() async throws {
        try await RunningServer.with(["pair"]) { running in
            let wanted = try SequenceToSequenceModel(path: running.folder + "/pair").reply(to: Self.text)
            let body: JSON = ["prompt": .string(Self.text), "ignore_eos": false]
            let whole = try await running.post("/v1/completions", body)
            #expect(whole.status == 200)
            let json = try whole.json(), choice = json["choices"]?.array?.first
            #expect(choice?["text"]?.string == wanted.text)
            #expect(json["usage"]?["prompt_tokens"]?.integer.map { Int($0) } == wanted.sourceTokens)
            #expect(json["usage"]?["completion_tokens"]?.integer.map { Int($0) } == wanted.replyTokens)
            let streamed = try await running.post(
                "/v1/completions", ["prompt": .string(Self.text), "stream": true])
            let pieces = try streamed.events.dropLast().map {
                try JSON(parsing: Array($0.utf8))["choices"]?.array?.first?["text"]?.string ?? ""
            }
            #expect(pieces.joined() == wanted.text)
            let lines = try await running.post("/api/generate", ["model": "pair", "prompt": .string(Self.text)])
            let ollama = try lines.text.split(separator: "\n").map {
                try JSON(parsing: Array($0.utf8))["response"]?.string ?? ""
            }
            #expect(ollama.joined() == wanted.text)
            // Many at once, each as alone.
            let many = try await running.post(
                "/v1/completions", ["prompt": .array((0..<9).map { $0 == 4 ? .string(Self.text) : .string("A\($0)") })])
            #expect(try many.json()["choices"]?.array?[4]["text"]?.string == wanted.text)
        }
    }

    @Test func beamsAreSearchedAsInTheLibrary() async throws {
        try await RunningServer.with(["pair"]) { running in
            let model = try SequenceToSequenceModel(path: running.folder + "/pair")
            var options = SequenceToSequenceModel.Options()
            options.beams = BeamSearchOptions(width: 3)
            let wanted = try model.reply(to: Self.text, options).text
            let reply = try await running.post(
                "/v1/completions",
                ["prompt": .string(Self.text), "use_beam_search": true, "best_of": 3, "n": 2])
            let choices = try reply.json()["choices"]?.array ?? []
            #expect(choices.count == 2 && choices.first?["text"]?.string == wanted)
        }
    }

    @Test func whatSuchAModelCannotDoIsRefused() async throws {
        try await RunningServer.with(["pair", "tiny"]) { running in
            let cards = try await running.get("/v1/models").json()["data"]?.array ?? []
            #expect(cards.first?["capabilities"]?.array?.compactMap(\.string) == ["completion", "translation"])
            for (path, body) in [
                ("/v1/chat/completions", ["model": "pair", "messages": [["role": "user", "content": "a"]]] as JSON),
                ("/v1/completions", ["model": "pair", "prompt": "A", "echo": true]),
                ("/v1/completions", ["model": "tiny", "prompt": "A", "tgt_lang": "de"]),
                ("/v1/embeddings", ["model": "pair", "input": "A"]),
            ] {
                let reply = try await running.post(path, body)
                #expect(reply.status == 400, "\(path): \(reply.text)")
            }
        }
    }
}
