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

/// `martlet train` as a process: configuration files, a kill at any moment, a disk without room.
struct TrainTests {
    let program: Program
    let data: String

    init() throws {
        program = try Program()
        data = try program.folder("data")
        try TinyModel().write(folder: data)
        let tokenizer = try ModelFiles(path: data).tokenizer()
        for (prefix, seeds) in [("train", 0..<60), ("validation", 1000..<1010)] {
            let writer = try TokenShardWriter(
                path: "\(data)/\(prefix)-0.shard", vocabulary: VocabularyIdentity(tokenizer))
            for seed in seeds {
                let text = (0..<20).map { "\($0 + seed % 7) is \($0 + 1 + seed % 7). " }.joined()
                try writer.append(tokenizer.encode(text, addSpecialTokens: false), sourceByteCount: text.utf8.count)
            }
            try writer.finish()
        }
    }

    private let yaml = """
        # a run of seconds
        data: data
        out: run
        depth: 2
        hidden_size: 32
        heads: 4
        context_length: 32
        batch_rows: 4
        micro_batches: 2
        steps: 12
        warmup: 2
        save_every: 3
        evaluate_every: 5
        evaluation_rows: 4
        log_every: 1
        epsilon: 1e-8
        tied_embeddings: no

        """

    private func write(_ text: String, _ name: String = "run.yaml") throws {
        try text.write(toFile: program.home + "/" + name, atomically: true, encoding: .utf8)
    }

    private func weights(_ run: String) throws -> Data {
        try Data(contentsOf: URL(fileURLWithPath: "\(program.home)/\(run)/model.safetensors"))
    }

    @Test func configurationFilesSetEverythingAndFlagsOverrideThem() throws {
        try write(yaml)
        let result = try program.run("train", "--config", "run.yaml", "--steps", "3", "--set", "seed=5")
        #expect(result.code == 0, "\(result.error)")
        let saved = try JSON(
            parsing: Array(Data(contentsOf: URL(fileURLWithPath: program.home + "/run/configuration.json"))))
        #expect(saved["steps"] == 3 && saved["origins"]?["steps"] == "--steps")
        #expect(saved["tied_embeddings"] == false && saved["origins"]?["tied_embeddings"] == "run.yaml, line 17")
        #expect(saved["origins"]?["intermediate_size"] == "8/3 × hidden_size, in 64s")
        #expect(result.error.contains("run.yaml, line 4") && result.error.contains("seed"))
        // What a run saved begins it again.
        let again = try program.run("train", "--config", "run/configuration.json", "--out", "again")
        #expect(again.code == 0)
        #expect(try weights("run") == weights("again"))
    }

    @Test func wrongConfigurationsAreToldInOneSentenceBeforeAnythingIsMade() throws {
        for (line, expected) in [
            (
                "learning_rat: 1",
                "run.yaml, line 18: there is no option \"learning_rat\"; did you mean \"learning_rate\"?"
            ),
            ("beta2: 3", "run.yaml, line 18: \"beta2\" is 3; expected a number from 0 to 0.99999"),
            ("clip: yes", "expected a number from 1e-06 to 1000000"),
            ("schedule: [cosine]", "run.yaml, line 18: \"schedule\" is no single value"),
            ("seed: 'x", "run.yaml, line 18, column 7: "), ("patience: ''", "\"patience\" is \"\"; expected"),
            ("steps: 3", "run.yaml, line 10: \"steps\" is there twice"), ("  seed: 3", "\n    seed: 3\n        ^\n"),
            ("se\u{1B}[31med: 3", "run.yaml: "),
        ] {
            try write(yaml + line + "\n")
            let result = try program.run("train", "--config", "run.yaml")
            #expect(result.code == 1 && result.error.contains(expected), "\(result.error)")
            // A mistake in the form of the file is shown: its line, and a caret.
            let lines = result.error.contains(", column ") ? 3 : 1
            #expect(result.error.split(separator: "\n").count == lines, "\(result.error)")
            #expect(!result.error.contains("\u{1B}"))
            #expect(!FileManager.default.fileExists(atPath: program.home + "/run"))
        }
        #expect(try program.run("train", "--depth", "2").code == 2)
    }

    @Test func thePrintedConfigurationIsOneToStartFrom() throws {
        let printed = try program.run("train", "--print-config", "--depth", "3", "--data", "data")
        #expect(printed.code == 0 && printed.output.contains("\n# hidden_size: 192  # 64 × depth\n"))
        try write(printed.output)
        let again = try program.run("train", "--config", "run.yaml", "--print-config")
        #expect(again.code == 0 && again.output.contains("\ndepth: 3  # run.yaml, line "))
    }

    @Test func foldersAreMixedAsFlagsAndFilesSay() throws {
        try FileManager.default.copyItem(atPath: data, toPath: program.home + "/more")
        func portions(_ run: String) throws -> JSON? {
            try JSON(
                parsing: Array(Data(contentsOf: URL(fileURLWithPath: "\(program.home)/\(run)/configuration.json"))))[
                    "data"]
        }
        try write(yaml)
        let flags = try program.run(
            "train", "--config", "run.yaml", "--data", "data", "--data", "more=0.25", "--out", "flags", "--steps", "3")
        #expect(flags.code == 0 && flags.error.contains("  more: "), "\(flags.error)")
        #expect(try portions("flags") == ["data": 1, "more": 0.25])
        for (index, text) in ["{data: 1, more: 0.25}", "[data, more=0.25]", "\n  data: 1\n  more: 0.25"].enumerated() {
            try write(
                yaml.replacingOccurrences(of: "data: data", with: "data: " + text)
                    .replacingOccurrences(of: "steps: 12", with: "steps: 3"))
            let result = try program.run("train", "--config", "run.yaml", "--out", "file\(index)")
            #expect(result.code == 0, "\(result.error)")
            #expect(try weights("file\(index)") == weights("flags"))
        }
        try write(yaml.replacingOccurrences(of: "data: data", with: "data: {data: 1, more: a lot}"))
        let wrong = try program.run("train", "--config", "run.yaml", "--out", "wrong")
        #expect(wrong.code == 1 && wrong.error.contains("run.yaml, line 2: \"data\" is"), "\(wrong.error)")
        #expect(wrong.error.contains("expected a folder, or several with weights above 0"), "\(wrong.error)")
        // What --print-config writes of a mixture is read again.
        let printed = try program.run("train", "--print-config", "--data", "data", "--data", "more=0.25")
        try write(printed.output)
        #expect(try program.run("train", "--config", "run.yaml", "--print-config").output.contains("0.25"))
    }

    /// Kills the process outright, again and again, at moments that differ; what is resumed must end as if nothing had
    /// happened.
    @Test func killedAtAnyMomentAndResumedEndsWithTheSameBits() throws {
        try write(yaml.replacingOccurrences(of: "steps: 12", with: "steps: 120"))
        #expect(try program.run("train", "--config", "run.yaml", "--out", "whole").code == 0)
        let wanted = try weights("whole")
        var kills = 0
        for (attempt, event) in ["step", "saved", "validation", "late", "partial"].enumerated() {
            let out = "killed-\(event)"
            var again = 0
            for _ in 0..<20 where again < 3 {
                let process = program.process(["train", "--config", "run.yaml", "--out", out, "--resume", "auto"])
                process.standardError = FileHandle(forWritingAtPath: program.error)
                try process.run()
                try wait(for: event, in: out, process, again)
                // Somewhere within what follows the event.
                usleep(UInt32((attempt * 7 + again * 13) % 29) * 300)
                kill(process.processIdentifier, SIGKILL)
                process.waitUntilExit()
                if process.terminationReason == .uncaughtSignal {
                    again += 1
                } else {
                    // On a busy machine it may end before this test looks again: it is begun anew.
                    try FileManager.default.removeItem(atPath: "\(program.home)/\(out)")
                }
            }
            kills += again
            let last = try program.run("train", "--config", "run.yaml", "--out", out, "--resume", "auto")
            #expect(last.code == 0, "\(last.error)")
            #expect(try weights(out) == wanted, "killed at \(event)")
        }
        #expect(kills >= 5, "only \(kills) processes were still running when they were to be killed")
    }

    /// Waits until a process that trains into `out` has come somewhere new.
    private func wait(for event: String, in out: String, _ process: Process, _ again: Int) throws {
        let folder = "\(program.home)/\(out)/checkpoints"
        func names() -> Set<String> { Set((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []) }
        func log() -> String {
            (try? String(contentsOfFile: "\(program.home)/\(out)/log.jsonl", encoding: .utf8)) ?? ""
        }
        let before = names(), length = log().utf8.count
        let deadline = Date(timeIntervalSinceNow: 300)
        while process.isRunning, Date() < deadline {
            switch event {
            case "step": if log().utf8.count > length { return }
            case "saved": if !names().subtracting(before).filter({ $0.hasPrefix("step-") }).isEmpty { return }
            case "partial": if names().contains(where: { $0.hasPrefix(".step-") }) { return }
            case "validation": if log().dropFirst(length).contains("evaluation") { return }
            default: if log().utf8.count > length + 1500 { return }
            }
            usleep(200)
        }
    }

    @Test func anIncompleteCheckpointIsNamedAndTheOneBeforeUsed() throws {
        try write(yaml)
        #expect(try program.run("train", "--config", "run.yaml").code == 0)
        let wanted = try weights("run")
        truncate("\(program.home)/run/checkpoints/step-00000012/optimizer.safetensors", 64)
        let result = try program.run("train", "--config", "run.yaml", "--resume", "auto")
        #expect(result.code == 0)
        #expect(result.error.contains("step-00000012 is passed over: ") && result.error.contains("has 64 bytes"))
        #expect(result.error.contains("going on from run/checkpoints/step-00000009"))
        #expect(try weights("run") == wanted)
        let anew = try program.run("train", "--config", "run.yaml")
        #expect(anew.code == 2 && anew.error.contains("--resume auto goes on with it"))
    }

    /// The end of the terminal saves, another process keeps out meanwhile, and nohup keeps a run going.
    @Test func theEndOfTheTerminalSavesAndASecondTrainerIsRefused() throws {
        try write(yaml.replacingOccurrences(of: "steps: 12", with: "steps: 100000"))
        let process = program.process(["train", "--config", "run.yaml", "--out", "hangup"])
        process.standardError = FileHandle(forWritingAtPath: program.error)
        try process.run()
        try wait(for: "step", in: "hangup", process, 0)
        for resume in ["never", "auto"] {
            let second = try program.run("train", "--config", "run.yaml", "--out", "hangup", "--resume", resume)
            #expect(
                second.code != 0 && second.error.contains("another process is training in hangup"), "\(second.error)")
        }
        kill(process.processIdentifier, SIGHUP)
        process.waitUntilExit()
        #expect(process.terminationReason == .exit && process.terminationStatus == 130)
        #expect(try String(contentsOfFile: program.error, encoding: .utf8).contains("--resume auto goes on from it"))
        let saved = try FileManager.default.contentsOfDirectory(atPath: "\(program.home)/hangup/checkpoints")
        #expect(saved.contains { $0.hasPrefix("step-") })
    }

    @Test func numbersBeyondAnyRangeAreRefusedWithTheRange() throws {
        for flags in [
            ["--batch", "9000000000000000000"], ["--batch=-9223372036854775808"],
            ["--length", "9223372036854775807"],
            ["--tokens", "inf"], ["--tokens", "nan"], ["--tokens", "1e308"], ["--throughput", "inf"],
            ["--vocabulary", "9223372036854775807"], ["--share", "nan"],
        ] {
            let result = try program.run(["plan", "--depth", "2"] + flags)
            #expect(result.code == 2 && result.error.contains("expected"), "\(flags): \(result.code) \(result.error)")
        }
        let most = try program.run(
            "plan", "--depth", "256", "--set", "hidden_size=65536", "--set", "heads=1024", "--batch", "1000000",
            "--length", "1048576", "--vocabulary", "16777216", "--throughput", "1e12", "--json")
        #expect(most.code == 0, "\(most.error)")
    }

    /// A size as people name it stands for the depth that comes nearest to it.
    @Test(arguments: [("1", 1), ("700k", 7e5), ("30M", 3e7), ("0.1B", 1e8), ("1.3e9", 1.3e9), ("900T", 9e14)])
    func planTakesANumberOfParameters(written: String, wanted: Double) throws {
        func plan(_ flags: [String]) throws -> (depth: Int, parameters: Double) {
            let said = try program.run(["plan", "--throughput", "1e12", "--json", "--tokens", "2B"] + flags)
            #expect(said.code == 0, "\(said.error)")
            let line = try said.json()
            #expect(line["tokens"]?.double == 2e9)
            return (try #require(line["depth"]?.integer), try #require(line["parameters"]?.double))
        }
        let found = try plan(["--params", written])
        for depth in [found.depth - 1, found.depth, found.depth + 1] where (1...256).contains(depth) {
            let other = try plan(["--depth", "\(depth)"])
            #expect(abs(other.parameters - wanted) >= abs(found.parameters - wanted), "depth \(depth) is nearer")
            #expect(depth != found.depth || other.parameters == found.parameters)
        }
    }

    /// `ulimit -f` stands for a full disk: the system refuses to write what a checkpoint needs.
    @Test func aDiskWithoutRoomIsToldAndTheRunGoesOnOrStopsAsAsked() throws {
        try write(yaml)
        for (policy, code) in [("continue", Int32(1)), ("stop", 1)] {
            let out = "full-\(policy)"
            let first = try program.run("train", "--config", "run.yaml", "--out", out, "--set", "steps=12")
            #expect(first.code == 0)
            let good = "\(out)/checkpoints/step-00000009"
            try FileManager.default.removeItem(atPath: "\(program.home)/\(out)/checkpoints/step-00000012")
            let process = program.process([])
            process.executableURL = URL(fileURLWithPath: "/bin/bash")
            process.arguments = [
                "-c",
                "ulimit -f 40; exec '\(Program.path)' train --config run.yaml --out \(out) --resume auto "
                    + "--on-disk-full \(policy) --set save_every=1",
            ]
            let error = program.error
            process.standardError = FileHandle(forWritingAtPath: error)
            try process.run()
            #expect(process.exitCode() == code)
            let said = try String(contentsOfFile: error, encoding: .utf8)
            #expect(said.contains("step 10 could not be saved"), "\(said)")
            // Going on, it comes to the end, where what cannot be saved is lost.
            #expect(said.contains("step 12 could not be saved") == (policy == "continue"), "\(said)")
            #expect(said.contains("\(good) is good: make room, and --resume auto goes on from it"), "\(said)")
            truncate(error, 0)
            let last = try program.run("train", "--config", "run.yaml", "--out", out, "--resume", "auto")
            #expect(last.code == 0)
            #expect(try TrainingCheckpoint.list(run: "\(program.home)/\(out)").usable.map(\.step).last == 12)
        }
    }

    /// Petabytes: were they begun to be made, the process would not end so, nor at once.
    @Test func aModelThatNoMachineHoldsIsRefusedInOneSentence() throws {
        let sizes = ["--set", "hidden_size=65536", "--set", "heads=1024", "--depth", "256"]
        for arguments in [["train", "--data", data, "--out", "run"] + sizes, ["profile"] + sizes] {
            let result = try program.run(arguments)
            #expect(result.code == 1 && result.output.isEmpty)
            #expect(result.error.hasPrefix("martlet: ") && result.error.filter { $0 == "\n" }.count == 1)
            #expect(result.error.contains(" needs about ") && result.error.contains("--ignore-memory"), "\(result)")
        }
        #expect(!FileManager.default.fileExists(atPath: program.home + "/run"))
    }
}
