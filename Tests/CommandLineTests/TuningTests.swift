import Foundation
import Martlet
import Testing
import TinyModels

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

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

    /// A model in `base` that knows every byte: problems come in two languages.
    private func trainBase() throws {
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
    }

    /// Kills the process outright at moments that differ; what is resumed ends as if nothing had happened.
    @Test func reinforcementThatWasKilledEndsWithTheSameBits() throws {
        try trainBase()
        func arguments(_ out: String) -> [String] {
            [
                "grpo", "base", "--task", "arithmetic", "--reward", "length:4", "--out", out, "--resume", "auto",
                "--steps", "40", "--problems", "2", "--group", "16", "--questions", "8", "--evaluate-every", "5",
                "--save-every", "3", "--tokens", "40", "--rate", "1e-3",
            ]
        }
        func weights(_ out: String) throws -> Data {
            try Data(contentsOf: URL(fileURLWithPath: "\(program.home)/\(out)/model.safetensors"))
        }
        #expect(try program.run(arguments("whole")).code == 0)
        var kills = 0
        for attempt in 0..<5 {
            let process = program.process(arguments("killed"))
            process.standardError = FileHandle(forWritingAtPath: program.error)
            try process.run()
            // Until it has come some lines further, and somewhere within what follows.
            let log = "\(program.home)/killed/log.jsonl"
            func lines() -> Int {
                (try? String(contentsOfFile: log, encoding: .utf8))?.split(separator: "\n").count ?? 0
            }
            let before = attempt == 0 ? 0 : lines(), deadline = Date(timeIntervalSinceNow: 20)
            while process.isRunning, Date() < deadline, lines() < before + 6 { usleep(200) }
            usleep(UInt32(attempt * 7919 % 5000))
            if process.isRunning { kills += 1 }
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
        }
        let last = try program.run(arguments("killed"))
        #expect(last.code == 0, "\(last.error)")
        #expect(try weights("killed") == weights("whole") && weights("whole") != weights("base"))
        #expect(kills >= 2, "only \(kills) processes were still running when they were to be killed")
    }

    @Test func finishedReinforcementIsNotEvaluatedOrSavedAgain() throws {
        try trainBase()
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
