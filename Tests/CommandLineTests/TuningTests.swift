import Foundation
import Martlet
import Testing
import TinyModels

/// `martlet sft` and `martlet grpo` as processes: what is begun again, and what an error leaves behind.
@Suite struct TuningTests {
    let program: Program
    let model: String

    init() throws {
        program = try Program()
        model = try program.model()
    }

    private func write(_ rows: [String], _ name: String = "chat.jsonl") throws {
        let text = rows.map { $0 + "\n" }.joined()
        try text.write(toFile: program.home + "/" + name, atomically: true, encoding: .utf8)
    }

    private let rows = (0..<40).map {
        """
        {"messages": [{"role": "user", "content": "say \($0)"}, {"role": "assistant", "content": "ok \($0 % 4)"}]}
        """
    }

    private func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: program.home + "/" + path) }

    private let tuning = ["--set", "batch_rows=2", "--set", "context_length=64", "--steps", "4"]

    @Test func anErrorInTheInputLeavesNoRunFolder() throws {
        try write(rows + ["{\"messages\": [{\"role\": \"user\", \"content\": \"no reply\"}]}"], "broken.jsonl")
        try write(Array(rows.prefix(1)), "one.jsonl")
        try write(rows)
        for (data, more, expected) in [
            ("broken.jsonl", [], "broken.jsonl"), ("one.jsonl", [], "the training data makes 1 rows"),
            ("missing.jsonl", [], "missing.jsonl"),
            ("chat.jsonl", ["--set", "context_length=4096"], "context_length 4096"),
            ("chat.jsonl", ["--set", "batch_rows=4096"], "lower batch_rows"),
        ] {
            let result = try program.run(["sft", model, "--data", data, "--out", "runs/sft"] + tuning + more)
            #expect(result.code == 1 && result.error.contains(expected), "\(result.error)")
            #expect(!exists("runs/sft"), "\(data) \(more)")
        }
    }

    @Test func aGGUFFileIsABeginningToo() throws {
        try write(rows)
        let file = try program.file()
        let result = try program.run(["sft", file, "--data", "chat.jsonl", "--out", "sft"] + tuning)
        #expect(result.code == 0, "\(result.error)")
        #expect(try program.run("run", "sft", "say 3").code == 0)
    }

    @Test func aFinishedRunIsLeftAsItIs() throws {
        try write(rows)
        let sft = ["sft", model, "--data", "chat.jsonl", "--out", "sft", "--resume", "auto"] + tuning
        let first = try program.run(sft)
        #expect(first.code == 0 && first.error.contains("step 4: saved"), "\(first.error)")
        let second = try program.run(sft)
        #expect(second.code == 0 && second.error.contains("the run is finished"), "\(second.error)")
        #expect(
            second.error.contains("the conversations are those of sft/data")
                && second.error.contains("--data is not read"))
        #expect(!second.error.contains("saved") && !second.error.contains("validation loss"), "\(second.error)")
    }

    @Test func finishedReinforcementIsNotEvaluatedOrSavedAgain() throws {
        // Problems come in two languages: the tokenizer must know every byte.
        try String(repeating: "2 + 3 = 5. ", count: 400).write(
            toFile: program.home + "/text.txt", atomically: true, encoding: .utf8)
        for command in [
            ["tokenizer", "train", "text.txt", "--vocab-size", "280", "--out", "tok"],
            ["data", "pack", "text.txt", "--tokenizer", "tok", "--validation", "0", "--out", "shards"],
            ["train", "--data", "shards", "--out", "base", "--depth", "1", "--steps", "1"]
                + ["hidden_size=32", "heads=2", "context_length=128", "batch_rows=2"].flatMap { ["--set", $0] },
        ] {
            let result = try program.run(command)
            #expect(result.code == 0, "\(result.error)")
        }
        let grpo = [
            "grpo", "base", "--task", "arithmetic", "--out", "grpo", "--resume", "auto", "--steps", "2", "--problems",
            "2", "--group", "2", "--questions", "4", "--tokens", "4",
        ]
        let first = try program.run(grpo)
        // What is not foreseen is said, not counted as nothing.
        #expect(first.error.contains("replies take comes on top") && !first.error.contains("0 B of"), "\(first.error)")
        #expect(first.code == 0 && first.error.contains("step 2: saved"), "\(first.error)")
        let log = try String(contentsOfFile: program.home + "/grpo/log.jsonl", encoding: .utf8)
        let second = try program.run(grpo)
        #expect(second.code == 0 && second.error.contains("the run is finished"), "\(second.error)")
        #expect(!second.error.contains("saved") && !second.error.contains("held-out"), "\(second.error)")
        #expect(try String(contentsOfFile: program.home + "/grpo/log.jsonl", encoding: .utf8) == log)
    }
}
