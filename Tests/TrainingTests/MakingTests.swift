import Foundation
import MartletChat
import MartletFormats
import MartletInference
import MartletJSON
import MartletTraining
import Testing
import TinyModels

/// Rows that models make for themselves: by principles, and from their own best replies.
struct MakingTests: TinyRuns {
    private func write(_ path: String, _ lines: [String]) throws {
        try AtomicFile.write(path, bytes: Array((lines.joined(separator: "\n") + "\n").utf8))
    }

    private func text(_ path: String) throws -> String { String(decoding: try Folder.read(path), as: UTF8.self) }

    // MARK: lines that grow

    @Test func aTornLastLineIsTakenBack() throws {
        let path = try emptyFolder("lines") + "/a.jsonl", head: JSON = ["of": "this"]
        let first = try AppendedLines(path, head: head)
        try first.append(["row": 1])
        try first.append(["row": 2])
        let whole = try text(path)
        try AtomicFile.write(path, bytes: Array((whole + "{\"row\": 3").utf8))
        let second = try AppendedLines(path, head: head)
        #expect(second.lines.count == 2)
        try second.append(["row": 3])
        #expect(try text(path) == whole + "{\"row\":3}\n")
        #expect(throws: TrainingError.self) { try AppendedLines(path, head: ["of": "that"]) }
    }

    // MARK: principles

    @Test func principlesAreLinesOrObjects() throws {
        let folder = try emptyFolder("principles")
        try write(folder + "/p.txt", ["# ours", "Be kind.", "", "  Be brief."])
        #expect(try Constitution(path: folder + "/p.txt").principles.map(\.text) == ["Be kind.", "Be brief."])
        try write(folder + "/p.json", [#"["Be kind.", {"principle": "Be brief.", "critique": "Is it brief?"}]"#])
        let read = try Constitution(path: folder + "/p.json")
        #expect(read.principles[1].critique == "Is it brief?")
        try write(folder + "/empty.txt", ["# nothing"])
        #expect(throws: TrainingError.self) { try Constitution(path: folder + "/empty.txt") }
        try write(folder + "/odd.json", [#"[{"principle": "Be kind.", "weight": 3}]"#])
        #expect {
            try Constitution(path: folder + "/odd.json")
        } throws: { "\($0)".contains("entry 1 has \"weight\"") }
    }

    /// Interrupted anywhere, it goes on to the same rows, which `sft` and `dpo` take.
    @Test func revisedRowsAreTheSameAfterAnInterruption() throws {
        let folder = try emptyFolder("constitution")
        var tiny = TinyModel()
        // Requests with both replies are long in a vocabulary of bytes.
        tiny.contextLength = 4096
        try FileManager.default.createDirectory(atPath: folder + "/model", withIntermediateDirectories: true)
        try tiny.write(folder: folder + "/model")
        try write(
            folder + "/prompts.jsonl", (0..<20).map { #"{"prompt": "What is \#($0)?"}"# })
        let prompts = try PromptList([folder + "/prompts.jsonl"])
        #expect(prompts.prompts.count == 20)
        let model = try LanguageModel(path: folder + "/model")
        let constitution = Constitution([.init("Be kind."), .init("Be brief.")])
        var options = ConstitutionOptions()
        options.maximumTokens = 6
        func make(_ path: String, _ until: Int) throws -> ConstitutionRows.Tally {
            try ConstitutionRows(model, by: constitution, options).write(
                prompts.prompts, to: path, source: prompts.fingerprint
            ) { done, _ in done < until }
        }
        let whole = try make(folder + "/whole.jsonl", 1000)
        #expect(throws: CancellationError.self) { try make(folder + "/parts.jsonl", 16) }
        // As a process leaves it that was killed within its second group.
        let left = try text(folder + "/parts.jsonl.part")
        try AtomicFile.write(folder + "/parts.jsonl.part", bytes: Array(left.dropLast(9).utf8))
        let parts = try make(folder + "/parts.jsonl", 1000)
        #expect(try text(folder + "/whole.jsonl") == text(folder + "/parts.jsonl") && whole == parts)
        #expect(!Folder.exists(folder + "/parts.jsonl.part"))
        #expect(whole.rows + whole.tooLong + whole.empty + whole.equal == 20, "\(whole)")
        #expect(whole.rows > 2, "\(whole)")
        var learning = TrainingOptions(for: .preferences)
        for (key, value) in ["data": "\(folder)/whole.jsonl", "context_length": "250", "steps": "1"] {
            try learning.set(key, text: value)
        }
        let start = try StartingModel(path: folder + "/model")
        let data = try Trainer.feedbackData(learning, start)
        #expect(data.kind == .pairs && data.count == whole.rows)
    }

    // MARK: expert iteration

    /// Problems that any reply with an end solves more or less.
    private struct Asked: VerifiableTask {
        let name = "asked"
        func problem(_ index: Int, heldOut: Bool) -> VerifiableProblem {
            VerifiableProblem(messages: [ChatMessage(role: "user", content: "\(heldOut ? "What" : "Say") \(index)")])
        }
    }

    private func iteration(
        _ folder: String, _ out: String, _ begins: ExpertOptions.Beginning, adapter: Bool, threshold: Double = 0
    ) throws -> ExpertIteration {
        var options = ExpertOptions()
        options.rounds = 2
        options.problems = 20
        options.samples = 8
        options.keep = 2
        options.maximumTokens = 24
        options.questions = 4
        options.threshold = threshold
        options.begins = begins
        var tuning = TrainingOptions(for: .tuning)
        for (key, value) in [
            "batch_rows": "1", "context_length": "64", "steps": "3", "save_every": "1", "validation": "0",
            "adapter": adapter ? "lora" : "none", "rank": adapter ? "2" : "16",
        ] { try tuning.set(key, text: value) }
        let reward = RewardSum([(Reward("odd") { Double($0.reply.utf8.count % 5) / 4 }, 1)])
        return try ExpertIteration(
            out, from: folder + "/model", task: Asked(), reward: reward, options, tuning: tuning
        ) { name in
            guard Folder.isFile(name + "/adapter_config.json") else { return try ModelFiles(path: name) }
            return try ModelFiles(path: folder + "/model", adapters: [AdapterReference(name)])
        }
    }

    @Test(arguments: [(ExpertOptions.Beginning.base, false), (.last, false), (.last, true)])
    func roundsEndWithTheSameBitsAfterInterruptions(_ begins: ExpertOptions.Beginning, _ adapter: Bool) throws {
        let folder = try modelFolder("expert")
        var scores: [Double] = []
        #expect(
            try iteration(folder, folder + "/whole", begins, adapter: adapter).run {
                if case .scored(_, let accuracy, _) = $0 { scores.append(accuracy) }
            })
        #expect(scores.count == 3)
        // Stopped again and again, after ever more events.
        var calls = 0, runs = 0, isDone = false
        while !isDone, runs < 60 {
            runs += 1
            calls = 0
            isDone = try iteration(folder, folder + "/parts", begins, adapter: adapter).run(
                isInterrupted: {
                    calls += 1
                    return calls > 2
                }, report: { _ in })
        }
        #expect(isDone && runs > 2)
        let name = adapter ? "adapter_model.safetensors" : "model.safetensors"
        for round in 1...2 {
            #expect(
                try Folder.read("\(folder)/whole/round-\(round)/model/\(name)")
                    == Folder.read("\(folder)/parts/round-\(round)/model/\(name)"))
        }
        #expect(try text(folder + "/whole/rounds.jsonl") == text(folder + "/parts/rounds.jsonl"))
    }

    @Test func aRoundThatKeepsNothingSaysWhatToDo() throws {
        let folder = try modelFolder("expert-none")
        #expect {
            try iteration(folder, folder + "/run", .base, adapter: false, threshold: 9).run { _ in }
        } throws: { "\($0)".contains("round 1: none of 160 replies") && "\($0)".contains("lower threshold") }
    }
}
