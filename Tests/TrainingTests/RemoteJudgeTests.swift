import Foundation
import MartletFormats
import MartletInference
import MartletJSON
import MartletTraining
import Synchronization
import TestServers
import Testing
import TinyModels

/// A judge behind a URL: what servers with OpenAI's interface answer, and rows that come of it.
@Suite(.serialized) struct RemoteJudgeTests: TinyRuns {
    /// How a server answers.
    enum Manner: Sendable { case probabilities, letters, refusal, neither, full, locked }

    /// A server that finds the shorter reply better, as sure as 3 to 1.
    private static func serve(_ connection: SocketServer.Connection, _ manner: Manner, _ asked: borrowing Atomic<Int>) {
        while let request = connection.request() {
            asked.add(1, ordering: .relaxed)
            let body = (try? JSON(parsing: request.body)) ?? .null
            let text = body["messages"]?.array?.first?["content"]?.string ?? ""
            let wants = body["logprobs"]?.bool ?? false
            if manner == .locked, request.headers["authorization"] != "Bearer secret" {
                connection.answer(#"{"error":{"message":"no key"}}"#, status: "401 Unauthorized")
                continue
            }
            if manner == .refusal, wants {
                connection.answer(#"{"error":{"message":"logprobs is not supported"}}"#, status: "400 Bad Request")
                continue
            }
            if manner == .full {
                connection.answer(
                    #"{"error":{"message":"the prompt is longer than the context"}}"#, status: "400 Bad Request")
                continue
            }
            let sides = text.components(separatedBy: "Reply ")
            let isA = sides.count < 3 || Self.reply(sides[1]).utf8.count <= Self.reply(sides[2]).utf8.count
            let letter = manner == .neither ? "Both" : isA ? "A" : "B"
            var choice: JSONObject = [
                "message": ["role": "assistant", "content": .string(" \(letter).")], "finish_reason": "stop",
            ]
            if manner == .probabilities || manner == .locked, wants {
                let top: [JSON] = [(letter, 0.6), (isA ? "B" : "A", 0.2), ("It", 0.1)].map { name, chance in
                    ["token": .string(" " + name), "logprob": .number(log(chance))]
                }
                choice["logprobs"] = [
                    "content": [
                        ["token": "\n", "logprob": 0, "top_logprobs": []],
                        ["token": .string(letter), "logprob": 0, "top_logprobs": .array(top)],
                    ]
                ]
            }
            connection.answer(JSON.object(["choices": [.object(choice)]]).text())
        }
    }

    /// "A: text" with what follows, but for the request at the end.
    private static func reply(_ part: String) -> String {
        let text = part.components(separatedBy: "\n\nAnswer with A or B")[0].dropFirst(3)
        return String(text.hasSuffix("\n\n") ? text.dropLast(2) : text)
    }

    private func model() throws -> LanguageModel {
        let folder = try emptyFolder("judge")
        var tiny = TinyModel()
        tiny.contextLength = 2048
        try FileManager.default.createDirectory(atPath: folder + "/model", withIntermediateDirectories: true)
        try tiny.write(folder: folder + "/model")
        return try LanguageModel(path: folder + "/model")
    }

    @Test(arguments: [Manner.probabilities, .letters, .refusal, .neither, .full])
    func aServerComparesReplies(_ manner: Manner) throws {
        let folder = try emptyFolder("remote-judge")
        let lines = (0..<12).map { #"{"prompt": "What is \#($0)?"}"# }
        try AtomicFile.write(folder + "/prompts.jsonl", bytes: Array(lines.joined(separator: "\n").utf8))
        let prompts = try PromptList([folder + "/prompts.jsonl"])
        final class Count: Sendable { let requests = Atomic(0) }
        let count = Count()
        let server = SocketServer { Self.serve($0, manner, count.requests) }
        defer { server.stop() }
        let judge = RemoteJudge(try TeacherConnection(url: server.url + "/v1", role: "judge"), name: "big")
        var options = ConstitutionOptions()
        options.maximumTokens = 12
        let tally = try ConstitutionRows(
            model(), judge: judge, by: Constitution([.init("Be brief.")]), options
        ).write(prompts.prompts, to: folder + "/rows.jsonl", source: "these") { _, _ in true }
        let compared = 12 - tally.empty - tally.equal
        let left = tally.tooLong + tally.unclear + tally.undecided
        #expect(compared > 2 && tally.rows + left == compared, "\(tally)")
        switch manner {
        case .full: #expect(tally.tooLong == compared)
        case .neither: #expect(tally.unclear == compared && tally.notes.contains { $0.contains("neither A nor B") })
        // Of replies as long as each other the first is better in both orders: a draw.
        default: #expect(tally.rows > 0 && tally.rows + tally.undecided == compared)
        }
        let requests = count.requests.load(ordering: .relaxed)
        #expect(manner == .refusal ? requests > 2 * compared : requests == 2 * compared)
        #expect(judge.answersByLetter == (manner == .letters || manner == .refusal ? 2 * compared : 0))
        for line in String(decoding: try Folder.read(folder + "/rows.jsonl"), as: UTF8.self).split(separator: "\n") {
            let row = try JSON(parsing: String(line)), chance = row["probability"]?.double ?? 0
            let sides = ["chosen", "rejected"].map { row[$0]?.array?.first?["content"]?.string?.utf8.count ?? 0 }
            #expect(abs(chance - (manner == .probabilities ? 0.75 : 1)) < 1e-9 && sides[0] < sides[1], "\(row)")
        }
    }

    /// An error with status 200 is one, and an answer without a choice is no answer.
    @Test(arguments: [
        (#"{"error": {"message": "the model is loading"}}"#, "the model is loading"), (#"{"error": "gone"}"#, "gone"),
        (#"{"choices": []}"#, "no choice is in its answer"),
    ])
    func whatIsNoAnswerIsTold(_ answer: String, _ told: String) throws {
        let server = SocketServer { connection in
            while connection.request() != nil { connection.answer(answer) }
        }
        defer { server.stop() }
        let connection = try TeacherConnection(url: server.url + "/v1", retries: 0, role: "judge")
        let folder = try emptyFolder("no-answer")
        let lines = (0..<12).map { #"{"prompt": "What is \#($0)?"}"# }
        try AtomicFile.write(folder + "/prompts.jsonl", bytes: Array(lines.joined(separator: "\n").utf8))
        let prompts = try PromptList([folder + "/prompts.jsonl"])
        var options = ConstitutionOptions()
        options.maximumTokens = 12
        let said = message {
            _ = try ConstitutionRows(
                model(), judge: RemoteJudge(connection, name: "big"), by: Constitution([.init("Be brief.")]), options
            ).write(prompts.prompts, to: folder + "/rows.jsonl", source: "these") { _, _ in true }
        }
        #expect(said.contains(told) && said.contains("judge"), "\(said)")
    }

    @Test func aKeyIsSentAndAskedForByItsOption() throws {
        final class Count: Sendable { let requests = Atomic(0) }
        let count = Count()
        let server = SocketServer { Self.serve($0, .locked, count.requests) }
        defer { server.stop() }
        func make(_ key: String?) throws -> ConstitutionRows.Tally {
            let folder = try emptyFolder("locked-judge")
            let judge = RemoteJudge(
                try TeacherConnection(url: server.url + "/v1", key: key, role: "judge"), name: "big")
            var options = ConstitutionOptions()
            options.maximumTokens = 12
            return try ConstitutionRows(model(), judge: judge, by: Constitution([.init("Be brief.")]), options).write(
                (0..<4).map { [.init(role: "user", content: "What is \($0)?")] }, to: folder + "/rows.jsonl",
                source: "these"
            ) { _, _ in true }
        }
        let refused = message { _ = try make(nil) }
        #expect(refused.hasPrefix("judge http://") && refused.contains("--judge-key-variable"), "\(refused)")
        #expect(try make("secret").rows > 0)
    }
}
