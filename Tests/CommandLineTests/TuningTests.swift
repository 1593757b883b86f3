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
struct TuningTests {
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

    /// Files of other programs, as YAML: what becomes of them is shown, what cannot be followed is named with its line.
    @Test func configurationFilesOfOtherProgramsAreRead() throws {
        let goldens = #filePath.replacing(
            "CommandLineTests/TuningTests.swift", with: "TrainingTests/Goldens/dialects/")
        for (verb, file, lines) in [
            ("sft", "llamafactory_sft", ["rank: 8", "line 9: lora_rank", "max_records: 1000"]),
            ("sft", "axolotl_lora", ["alpha: 32", "evaluations_per_epoch: 4"]),
            ("sft", "mlx_lora", ["adapter_layers: \"last 16\"", "alpha: 160", "final_rate: 0.0"]),
            ("sft", "trl_sft", ["rank: 32", "warmup_share: 0.03"]),
            ("grpo", "trl_grpo", ["group_size: 8", "problems: 4", "normalisation: \"length\""]),
            ("dpo", "llamafactory_dpo", ["loss: \"simpo\"", "targets: \"q_proj,v_proj\""]),
        ] {
            let result = try program.run(verb, "--config", goldens + file + ".yaml", "--print-config")
            #expect(result.code == 0, "\(result.error)")
            for line in lines { #expect(result.output.contains(line), "\(file): \(line)") }
            #expect(result.error.contains("is a file of") && result.error.contains("without effect here"))
        }
        let other = try program.run("sft", "--config", goldens + "llamafactory_dpo.yaml")
        #expect(other.code == 1 && other.error.contains("martlet dpo MODEL --config"))
        let text = try String(contentsOfFile: goldens + "llamafactory_sft.yaml", encoding: .utf8)
        try write([text + "use_badam: true\nlora_magic: 3"], "bad.yaml")
        let bad = try program.run("sft", "--config", "bad.yaml", "--print-config")
        #expect(bad.code == 1 && bad.error.contains("2 keys cannot be followed"), "\(bad.error)")
        #expect(bad.error.contains("use_badam") && bad.error.contains("lora_magic"))
    }

    @Test func rowsAreMadeByPrinciplesAndInRounds() throws {
        let long = try program.model { $0.contextLength = 4096 }
        try write((0..<3).map { #"{"prompt": "say \#($0)"}"# }, "prompts.jsonl")
        try write(["Be kind."], "principles.txt")
        let made = try program.run(
            "constitution", long, "--data", "prompts.jsonl", "--principles", "principles.txt", "--out", "rows.jsonl",
            "--tokens", "8")
        #expect(made.code == 0 && made.error.contains("of 3 prompts by 1 principles"), "\(made.error)")
        #expect(exists("rows.jsonl") && !exists("rows.jsonl.part"))
        try write((0..<12).map { #"{"prompt": "say \#($0)", "answer": "no \#($0)"}"# }, "problems.jsonl")
        let expert = ["expert", long, "--data", "problems.jsonl", "--rounds", "1", "--problems", "2", "--samples", "2"]
        let none = try program.run(expert + ["--tokens", "4", "--questions", "2", "--out", "rounds"])
        #expect(none.code == 1 && none.error.contains("round 1: none of 4 replies"), "\(none.error)")
        #expect(none.output.contains("round 0: 0.0 % of 1 held-out problems"))
        let wrong = try program.run(expert + ["--from", "first", "--out", "rounds"])
        #expect(wrong.code == 2 && wrong.error.contains("expected base or last"))
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

    /// Flags that contradict each other are wrong usage; in a file they are a fault of the file.
    @Test func whatFlagsContradictIsWrongUsage() throws {
        try write(rows)
        let pairs = (0..<20).map { #"{"prompt": "say \#($0)", "chosen": "ok \#($0)", "rejected": "no \#($0)"}"# }
        try write(pairs, "pairs.jsonl")
        let sft = ["sft", model, "--data", "chat.jsonl"], dpo = ["dpo", model, "--data", "pairs.jsonl"]
        let grpo = ["grpo", model, "--task", "arithmetic"]
        for (words, expected) in [
            (sft + ["--rank", "8"], "rank is of an adapter"), (sft + ["--set", "rank=8"], "rank is of an adapter"),
            (grpo + ["--method", "rloo", "--clip", "0.1"], "ratio_clip is of surrogate clipped"),
            (grpo + ["--tool-turns", "2"], "tool_turns does nothing without tools"),
            (dpo + ["--loss", "hinge", "--label-smoothing", "0.1"], "label_smoothing does nothing with loss hinge"),
            (dpo + ["--loss", "sigmiod"], "did you mean \"sigmoid\""),
        ] {
            let result = try program.run(words + ["--out", "run"])
            #expect(result.code == 2 && result.error.contains(expected), "\(result)")
            #expect(!exists("run"))
        }
        try write(["rank: 8"], "run.yaml")
        let file = try program.run(sft + ["--config", "run.yaml", "--out", "run"])
        #expect(file.code == 1 && file.error.contains("rank is of an adapter"), "\(file)")
    }

    /// Steps are judged one by one: no side of a pair is ahead.
    @Test func stepsOfAnswersAreToldAsSteps() throws {
        try write(
            (0..<30).map { #"{"prompt": "say \#($0)", "completions": ["ok", "no \#($0)"], "labels": [true, false]}"# },
            "steps.jsonl")
        let reward = ["reward", model, "--data", "steps.jsonl", "--out", "prm"]
        let result = try program.run(reward + ["--batch", "2", "--steps", "4", "--context-length", "200"])
        #expect(result.code == 0 && result.error.contains(" held-out steps; judged right in "), "\(result.error)")
    }

    @Test func aSmallLearningRateIsShownAsItIs() throws {
        try write(rows)
        let constant = ["--rate", "1.25e-7", "--schedule", "constant", "--set", "warmup=0"]
        let result = try program.run(["sft", model, "--data", "chat.jsonl", "--out", "sft"] + tuning + constant)
        #expect(result.code == 0 && result.error.contains(" lr 1.25e-07 "), "\(result.error)")
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
        for attempt in 0..<20 where kills < 5 {
            let process = program.process(arguments("killed"))
            process.standardError = FileHandle(forWritingAtPath: program.error)
            try process.run()
            // Until it has come some lines further, and somewhere within what follows.
            let log = "\(program.home)/killed/log.jsonl"
            func lines() -> Int {
                (try? String(contentsOfFile: log, encoding: .utf8))?.split(separator: "\n").count ?? 0
            }
            let before = lines(), deadline = Date(timeIntervalSinceNow: 300)
            while process.isRunning, Date() < deadline, lines() < before + 6 { usleep(200) }
            usleep(UInt32(attempt * 7919 % 5000))
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            if process.terminationReason == .uncaughtSignal {
                kills += 1
            } else {
                // On a busy machine it may end before this test looks again: it is begun anew.
                try FileManager.default.removeItem(atPath: program.home + "/killed")
            }
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
