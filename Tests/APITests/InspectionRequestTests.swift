import Foundation
import MartletAPI
import MartletInference
import MartletJSON
import Testing
import TinyModels

struct InspectionRequestTests {
    let model: LanguageModel

    init() throws {
        let folder = NSTemporaryDirectory() + "martlet-inspection-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try TinyModel().write(folder: folder)
        model = try LanguageModel(path: folder)
    }

    private func answer(_ body: String) throws -> JSON {
        try InspectionRequest(body.utf8).answer(model, name: "tiny")
    }

    @Test func theAnswerHoldsEveryHeadLayerAndPosition() throws {
        let answer = try answer(#"{"model": "tiny", "text": "the ring", "lens_top_k": 3}"#)
        let count = try #require(answer["tokens"]?.array?.count)
        #expect(answer["tokens"]?.array?.compactMap { $0["text"]?.string }.joined() == "the ring")
        #expect(answer["layers"]?.integer == 2 && answer["heads"]?.integer == 4)
        let layers = try #require(answer["attention"]?.array)
        #expect(layers.count == 2)
        let bytes = try #require(layers.first?.string.flatMap { Data(base64Encoded: $0) })
        #expect(bytes.count == 4 * count * (count + 1) / 2)
        // The first token of every head sees itself alone, and the bytes of a row make up the whole.
        #expect(bytes[0] == 255 && bytes[count * (count + 1) / 2] == 255)
        #expect(abs(Int(bytes[1]) + Int(bytes[2]) - 255) <= 1)
        #expect(answer["lens"]?.array?.count == 3)
        #expect(answer["lens"]?.array?.first?.array?.first?.array?.count == 3)
        let logits = try #require(answer["next"]?["logits"]?.string.flatMap { Data(base64Encoded: $0) })
        #expect(logits.count == 4 * model.configuration.vocabularySize)
        let best = try #require(answer["next"]?["top"]?.array?.first)
        let value = logits.dropFirst(4 * (best["token"]?.integer ?? 0)).prefix(4).reversed().reduce(UInt32(0)) {
            $0 << 8 | UInt32($1)
        }
        #expect(Double(Float(bitPattern: value)) == best["logit"]?.double)
    }

    @Test func expertsAreInTheAnswer() throws {
        #expect(try answer(#"{"text": "the ring"}"#)["experts"]?.text() == "[]")
        let mixture = try LanguageModel.tiny { $0.experts = 4 }
        let answer = try InspectionRequest(#"{"text": "the ring"}"#.utf8).answer(mixture, name: "tiny")
        let layers = try #require(answer["experts"]?.array), count = try #require(answer["tokens"]?.array?.count)
        #expect(layers.map { $0["layer"]?.integer } == [0, 1])
        for layer in layers {
            let experts = layer["tokens"]?.array ?? []
            #expect(experts.count == 4 && experts.reduce(0) { $0 + ($1.array?.count ?? 0) } == 2 * count)
        }
    }

    @Test func headsAreSwitchedOff() throws {
        let all = try answer(#"{"text": "the ring"}"#)
        let some = try answer(#"{"text": "the ring", "heads_off": [[1, 3], [0, 2]]}"#)
        #expect(some["heads_off"]?.text() == "[[0,2],[1,3]]")
        #expect(some["next"]?["logits"]?.string != all["next"]?["logits"]?.string)
    }

    @Test func tokensAreTakenAsTheyAre() throws {
        let answer = try answer(#"{"tokens": [5, 9, 9]}"#)
        #expect(answer["tokens"]?.array?.map { $0["id"]?.integer } == [5, 9, 9])
    }

    @Test(arguments: [
        (#"{}"#, "text"), (#"{"text": 5}"#, "text"), (#"{"text": ""}"#, "text"), (#"{"tokens": []}"#, "tokens"),
        (#"{"text": "a", "tokens": [1]}"#, "tokens"), (#"{"tokens": [100000]}"#, "tokens"),
        (#"{"tokens": ["a"]}"#, "tokens[0]"),
        (#"{"text": "a", "heads_off": [[2, 0]]}"#, "heads_off"),
        (#"{"text": "a", "heads_off": [[0, -1]]}"#, "heads_off"),
        (#"{"text": "a", "heads_off": [[0]]}"#, "heads_off[0]"),
        (#"{"text": "a", "heads_off": [[0, 1e99]]}"#, "heads_off[0]"),
        (#"{"text": "a", "layer": 9223372036854775807}"#, "layer"), (#"{"text": "a", "heads": [1]}"#, "heads"),
        (#"{"text": "a", "lens_top_k": 0}"#, "lens_top_k"), (#"{"text": "a", "lens_top_k": 1000}"#, "lens_top_k"),
    ]) func whatIsWrongIsRefusedByName(_ body: String, _ parameter: String) throws {
        let error = #expect(throws: APIError.self) { try answer(body) }
        #expect(error?.status == 400 && error?.parameter == parameter, "\(error?.message ?? "")")
    }

    @Test func aTextOfTooManyTokensIsRefusedWithBothCounts() throws {
        let text = String(repeating: "ring ", count: 300)
        let error = #expect(throws: APIError.self) { try answer(#"{"text": "\#(text)"}"#) }
        #expect(error?.parameter == "text" && error?.message.contains("256") == true)
    }
}
