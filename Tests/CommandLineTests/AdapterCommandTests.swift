import Foundation
import Martlet
import Testing
import TinyModels

/// Adapters as a user has them: trained on a GGUF file, run, listed, converted, merged.
struct AdapterCommandTests {
    let program: Program

    init() throws { program = try Program() }

    private func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: program.home + "/" + path) }

    private func trained() throws -> (base: String, run: String) {
        let rows = (0..<40).map {
            """
            {"messages": [{"role": "user", "content": "say \($0)"}, {"role": "assistant", "content": "ok \($0 % 4)"}]}

            """
        }.joined()
        try rows.write(toFile: program.home + "/chat.jsonl", atomically: true, encoding: .utf8)
        let base = try program.file()
        let result = try program.run([
            "sft", base, "--data", "chat.jsonl", "--out", "runs/id", "--adapter", "lora", "--rank", "4", "--set",
            "batch_rows=2", "--set", "context_length=64", "--steps", "4",
        ])
        #expect(result.code == 0, "\(result.error)")
        #expect(result.error.contains("parameters are trained"), "told before the first step")
        return (base, "runs/id")
    }

    @Test func anAdapterIsTrainedRunListedAndMerged() throws {
        let (base, run) = try trained()
        #expect(exists(run + "/adapter_model.safetensors") && !exists(run + "/model.safetensors"))
        // By itself it finds its base; on its base it says the same.
        let alone = try program.run("run", run, "say 3", "--temp", "0", "-n", "8")
        let named = try program.run("run", base, "--adapter", run, "say 3", "--temp", "0", "-n", "8")
        #expect(alone.code == 0 && alone.output == named.output, "\(alone.error) \(named.error)")
        #expect(try program.run("run", base, "--adapter", run + "=0.5", "say 3", "-n", "2").code == 0)
        let listed = try program.run("adapters", run, "--json").json()
        #expect(listed.array?.first?["kind"] == "lora" && listed.array?.first?["rank"] == 4)
        #expect(try program.run("show", run, "--tree").output.contains("lora_A.weight"))
        let converted = try program.run("adapters", "convert", run, "--to", "gguf", "--out", "id.gguf")
        #expect(converted.code == 0, "\(converted.error)")
        let fromFile = try program.run("run", base, "--adapter", "id.gguf", "say 3", "--temp", "0", "-n", "8")
        #expect(fromFile.output == alone.output, "\(fromFile.error)")
        let merged = try program.run("merge", base, "--adapter", run, "--out", "tuned")
        #expect(merged.code == 0 && exists("tuned/model.safetensors"), "\(merged.error)")
        #expect(try program.run("run", "tuned", "say 3", "-n", "2").code == 0)
        let again = try program.run("merge", run, "--out", "tuned.gguf")
        #expect(again.code == 0 && exists("tuned.gguf"), "\(again.error)")
        #expect(try program.run("run", "tuned.gguf", "say 3", "-n", "2").code == 0)
    }

    /// A model has further tokens, of a file as of the folder made of it, and their rows alone are trained.
    @Test func tokensAreAddedAndTheirRowsTrained() throws {
        let base = try program.file()
        let added = try program.run(
            ["adapters", "add-tokens", base, "--token", "<tool>", "--token", "</tool>", "--out", "larger"])
        #expect(added.code == 0, "\(added.error)")
        let flag = try #require(added.error.split(separator: " ").drop { $0 != "--trained-tokens" }.dropFirst().first)
        let first = try #require(flag.split(separator: "-").first.flatMap { Int($0) })
        func ids(_ model: String, _ text: String) throws -> [Int] {
            let said = try program.run("tokenize", model, text, "--json")
            #expect(said.code == 0, "\(said.error)")
            return try #require(said.json()["ids"]?.array).compactMap(\.integer)
        }
        #expect(try ids("larger", "say<tool>3</tool>").filter { $0 >= first } == [first, first + 1])
        #expect(try ids("larger", "say 3") == ids(base, "say 3"))
        let special = try program.run(
            ["adapters", "add-tokens", "larger", "--tokens", "<|pause|>", "--special", "--out", "largest"])
        #expect(special.code == 0 && special.error.contains("--trained-tokens \(first + 2) "), "\(special.error)")
        #expect(try ids("largest", "<|pause|><tool>").filter { $0 >= first } == [first + 2, first])
        for (words, said) in [
            (["larger", "--token", "<tool>"], "\"<tool>\" is a token of the model already, number \(first)"),
            ([base, "--token", "x y", "--token", "x y"], "twice"),
        ] {
            let refused = try program.run(["adapters", "add-tokens"] + words + ["--out", "none"])
            #expect(refused.code == 1 && refused.error.contains(said), "\(refused.error)")
            #expect(!exists("none"))
        }
        let row = #"{"messages": [{"role": "user", "content": "<tool>"}, {"role": "assistant", "content": "</tool>"}]}"#
        try String(repeating: row + "\n", count: 8).write(
            toFile: program.home + "/calls.jsonl", atomically: true, encoding: .utf8)
        let tuned = try program.run([
            "sft", "larger", "--data", "calls.jsonl", "--adapter", "lora", "--rank", "2", "--trained-tokens",
            String(flag),
            "--set", "batch_rows=2", "--set", "context_length=64", "--steps", "2", "--out", "runs/calls",
        ])
        #expect(tuned.code == 0, "\(tuned.error)")
        #expect(try program.run("run", "runs/calls", "say 3", "-n", "2").code == 0)
    }

    /// `ulimit -f` stands for a full disk: the system refuses what is longer, in units of 1024 bytes.
    private func runs(_ words: [String], limit: Int) throws -> (code: Int32, error: String) {
        let limited = program.process([])
        limited.executableURL = URL(fileURLWithPath: "/bin/bash")
        limited.arguments = ["-c", "ulimit -f \(limit); exec '\(Program.path)' \(words.joined(separator: " "))"]
        let error = program.error
        limited.standardError = FileHandle(forWritingAtPath: error)
        try limited.run()
        return (limited.exitCode(), try String(contentsOfFile: error, encoding: .utf8))
    }

    /// The same command goes on once there is room.
    @Test func aMergeThatFailsLeavesNoModelAndMayBeRepeated() throws {
        let (base, run) = try trained()
        let words = ["merge", base, "--adapter", run, "--out", "tuned"]
        let failed = try runs(words, limit: 8)
        #expect(failed.code == 1 && failed.error.contains("model.safetensors: cannot write"), "\(failed)")
        #expect(!exists("tuned"))
        let again = try program.run(words)
        #expect(again.code == 0 && exists("tuned/config.json") && exists("tuned/model.safetensors"), "\(again.error)")
        for place in ["tuned", run] {
            try program.expect(
                2, ["merge", base, "--adapter", run, "--out", place], ["\(place) is there already; give another --out"])
        }
    }

    /// What is broken off leaves no folder, and what a killed attempt has left is written over.
    @Test func anAdapterWhoseWritingFailsMayBeWrittenAgain() throws {
        let (base, run) = try trained()
        let merged = try program.run("merge", base, "--adapter", run, "--out", "tuned")
        #expect(merged.code == 0, "\(merged.error)")
        for (out, words) in [
            ("extracted", ["adapters", "extract", base, "tuned", "--rank", "4"]),
            ("as-peft", ["adapters", "convert", run, "--to", "peft"]),
            ("as-mlx", ["adapters", "convert", run, "--to", "mlx"]),
        ] {
            let words = words + ["--out", out]
            let failed = try runs(words, limit: 4)
            #expect(failed.code == 1 && failed.error.contains("cannot write"), "\(words): \(failed)")
            #expect(!exists(out))
            _ = try program.folder(out)
            let weights = out == "as-mlx" ? "adapters.safetensors" : "adapter_model.safetensors"
            try program.write("\(out)/\(weights)", "half of it")
            let again = try program.run(words)
            #expect(again.code == 0 && exists(out + "/adapter_config.json"), "\(words): \(again.error)")
            #expect(try program.run("adapters", out, "--json").code == 0)
            try program.expect(2, words, ["\(out) is there already; give another --out"])
        }
    }

    /// What quantising again adds is told as it is: measured once more from the files.
    @Test func theErrorOfQuantisingAgainIsToldAsItIs() throws {
        func succeed(_ arguments: String...) throws -> String {
            let result = try program.run(arguments)
            #expect(result.code == 0, "\(arguments): \(result.error)")
            return result.error
        }
        let rows = (0..<40).map {
            """
            {"messages": [{"role": "user", "content": "say \($0)"}, {"role": "assistant", "content": "ok \($0 % 4)"}]}

            """
        }.joined()
        try rows.write(toFile: program.home + "/chat.jsonl", atomically: true, encoding: .utf8)
        _ = try succeed("quantize", program.file(), "--to", "q4_1", "--out", "base.gguf")
        _ = try succeed(
            "sft", "base.gguf", "--data", "chat.jsonl", "--out", "runs/id", "--adapter", "lora", "--rank", "4", "--set",
            "batch_rows=2", "--set", "context_length=64", "--steps", "8", "--set", "learning_rate=0.05")
        _ = try succeed("merge", "base.gguf", "--adapter", "runs/id", "--out", "exact")
        let said = try succeed("merge", "base.gguf", "--adapter", "runs/id", "--out", "tuned.gguf")
        let told = try #require(
            said.firstMatch(
                of: #/move\w* their numbers by ([0-9.]+) %.*adapters move them by ([0-9.]+) %, and ([0-9]+) % of/#),
            "\(said)")
        /// The quantised matrices of the layers, by path, in the form of folders: rows of 48 are no blocks of 32.
        func matrices(_ name: String) throws -> [String: [Float]] {
            let decoder = try Checkpoint(path: program.home + "/" + name).publishedDecoder()
            var found: [String: [Float]] = [:]
            for parameter in decoder.tree.parameters
            where parameter.path.contains("_proj.") && !parameter.path.contains("down_proj.") {
                found[parameter.path] = try parameter.value.float32Matrix().toArray(as: Float.self)
            }
            return found
        }
        let before = try matrices("base.gguf"), exact = try matrices("exact"), after = try matrices("tuned.gguf")
        #expect(before.count == 12 && exact.count == 12)
        var missed = 0.0, moved = 0.0, left = 0.0, total = 0.0
        for (path, wanted) in exact {
            for (place, value) in wanted.enumerated() {
                let old = Double(before[path]?[place] ?? .nan), new = Double(after[path]?[place] ?? .nan)
                let w = Double(value)
                missed += (new - w) * (new - w)
                moved += (w - old) * (w - old)
                left += (new - old) * (w - old)
                total += w * w
            }
        }
        let measured = [100 * (missed / total).squareRoot(), 100 * (moved / total).squareRoot(), 100 * left / moved]
        let claimed = [told.1, told.2, told.3].compactMap { Double($0) }
        #expect(claimed.count == 3 && measured[0] > 1 && measured[1] > 1, "\(measured)")
        for (place, rounding) in [0.006, 0.006, 0.6].enumerated() {
            #expect(abs(claimed[place] - measured[place]) < rounding, "told \(claimed), measured \(measured)")
        }
    }

    @Test func mistakesAreNamed() throws {
        let base = try program.file()
        try "".write(toFile: program.home + "/chat.jsonl", atomically: true, encoding: .utf8)
        for (arguments, code, expected) in [
            (["sft", base, "--data", "chat.jsonl", "--adapter", "lorra"], Int32(2), "lora"),
            (["sft", base, "--data", "chat.jsonl", "--adapter", "lora", "--targets", "q_prj"], 1, "q_proj"),
            (["run", base, "--adapter", "nowhere", "hello"], 1, "nowhere"),
            (["run", base, "--adapter", "x=y", "hello"], 2, "PATH=0.5"),
            (["merge", base, "--out", "x"], 2, "--adapter"),
            (["adapters", "convert", base, "--to", "pickle", "--out", "x"], 2, "peft, mlx or gguf"),
        ] {
            let result = try program.run(arguments)
            #expect(
                result.code == code && result.error.contains(expected), "\(arguments): \(result.code) \(result.error)")
        }
    }
}
