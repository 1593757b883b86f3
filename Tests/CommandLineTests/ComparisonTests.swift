import Foundation
import MartletJSON
import Testing
import TinyModels

/// `martlet compare` as a program.
struct ComparisonTests {
    let program: Program
    init() throws {
        program = try Program()
        try program.write("text.txt", String(repeating: "The quick brown fox jumps over 13 lazy dogs. ", count: 12))
        try program.write(
            "task.yaml",
            """
            task: animals
            dataset_path: json
            dataset_kwargs: {data_files: {test: rows.jsonl}}
            output_type: multiple_choice
            test_split: test
            doc_to_text: "{{question}}"
            doc_to_choice: choices
            doc_to_target: right
            metric_list: [{metric: acc}, {metric: acc_norm}]

            """)
        let rows = (0..<12).map {
            #"{"question": "What is \#($0)?", "choices": [" a fox", " a dog", " Anna"], "right": \#($0 % 3)}"# + "\n"
        }
        try program.write("rows.jsonl", rows.joined())
    }

    /// What tasks give stands beside the divergences, and is what `martlet eval` says of the same models.
    @Test func tasksAreAskedOfTheReferenceAndOfEveryModel() throws {
        let model = try program.model()
        for type in ["q8_0", "q4_0"] {
            #expect(try program.run("quantize", model, "--to", type, "--out", "\(type).gguf").code == 0)
        }
        let result = try program.run(
            "compare", model, "q8_0.gguf", "q4_0.gguf", "--text", "text.txt", "--context", "32", "--tasks", "task.yaml",
            "--limit", "9", "--page", "page.html", "--json")
        #expect(result.code == 0, "\(result.error)")
        let found = try result.json()
        #expect(found["models"]?.array?.count == 2)
        let lists = [found["reference_tasks"]] + (found["models"]?.array ?? []).map { $0["tasks"] }
        for (name, list) in zip([model, "q8_0.gguf", "q4_0.gguf"], lists) {
            let own = try program.run(
                "eval", name, "--tasks", "task.yaml", "--limit", "9", "--precision-check", "0", "--json")
            let scores = try #require(own.json()["results"]?["animals"], "\(own)")
            for metric in ["acc", "acc_norm"] {
                let score = try #require(list?.array?.first { $0["metric"]?.string == metric }, "\(found)")
                #expect(score["value"]?.double == scores["\(metric),none"]?.double, "\(name) \(metric)")
                #expect(score["stderr"]?.double == scores["\(metric)_stderr,none"]?.double, "\(name) \(metric)")
                // A difference of two means over the same rows is the mean of the differences.
                let base = lists[0]?.array?.first { $0["metric"]?.string == metric }?["value"]?.double
                let difference = try #require(score["value"]?.double) - (base ?? .nan)
                let told = score["difference"]?.double
                #expect(name == model ? told == nil : abs((told ?? .nan) - difference) < 1e-9, "\(score)")
            }
        }
        let page = try String(contentsOfFile: program.home + "/page.html", encoding: .utf8)
        #expect(page.contains("<h2>Tasks</h2>") && page.contains("animals acc_norm"))
        #expect(page.contains("<th>q8_0.gguf<th>q4_0.gguf"))
        let plain = try program.run("compare", model, "q8_0.gguf", "--text", "text.txt", "--context", "32")
        #expect(plain.code == 0 && !plain.output.contains("animals"))
    }

    /// A GPT-2 of llm.c and its debug state, written by one verb and read by the other.
    @Test func aDebugStateIsWrittenAndRead() throws {
        let golden = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "QuantizationTests/Goldens/flat").path
        let model = golden + "/gpt2.bin", written = ["convert", model, "--to", "llmc", "--out", "again.bin"]
        try program.write("long.txt", String(repeating: "a fox and a dog. ", count: 60))
        #expect(try program.run(written + ["--state", "state.bin", "--text", "long.txt"]).code == 0)
        for state in ["state.bin", golden + "/gpt2_debug_state.bin"] {
            let result = try program.run("compare", "again.bin", "--state", state, "--json"), found = try result.json()
            #expect(result.code == 0 && found["close"]?.bool == true, "\(result)")
            #expect((found["parts"]?.array?.count ?? 0) > 20)
        }
        let plain = try program.run("compare", "again.bin", "--state", "state.bin")
        #expect(plain.code == 0 && plain.output.contains("limit 0.01") && plain.output.contains("expected"), "\(plain)")
        // Of another model: the sign of one weight.
        var bytes = [UInt8](try Data(contentsOf: URL(filePath: program.home + "/again.bin")))
        bytes[1024 + 3] ^= 0x80
        try Data(bytes).write(to: URL(filePath: program.home + "/other.bin"))
        let other = try program.run("compare", "other.bin", "--state", "state.bin")
        #expect(other.code == 1 && other.error.contains("not what the state says"), "\(other)")
        try program.expect(1, ["compare", model, "--state", model], ["gpt2.bin", "debug state"])
        try program.expect(2, ["compare", model, model, "--state", "state.bin"], ["one model"])
        try program.expect(2, ["compare", model, "--state", "state.bin", "--text", "text.txt"], ["--text"])
        try program.expect(2, ["compare", model, "--state", "state.bin", "--chunks", "3"], ["--chunks"])
        try program.expect(2, ["compare", model, model], ["--text", "--state"])
    }

    /// Records are documents, whatever file holds them, as `data pack` makes them.
    @Test func recordsAreReadAsDocuments() throws {
        let model = try program.model()
        let texts = (0..<9).map { "The quick brown fox \($0) jumps." + (0..<$0).map { " \($0) dogs" }.joined() }
        try program.write("texts.jsonl", texts.map { "{\"text\": \"\($0)\"}\n" }.joined())
        try program.write("texts.json", "[" + texts.map { "{\"text\": \"\($0)\"}" }.joined(separator: ", ") + "]")
        try program.write("texts.csv", "text\n" + texts.map { $0 + "\n" }.joined())
        var found: [Double] = []
        for name in ["texts.jsonl", "texts.json", "texts.csv"] {
            let result = try program.run("perplexity", model, name, "--json"), object = try result.json()
            #expect(result.code == 0 && result.error.contains("\(name): 9 rows as documents"), "\(result)")
            found.append(try #require(object["perplexity"]?.double))
            #expect(object["method"]?.string?.hasPrefix("documents") == true, "\(object)")
            // Every token but the first of each.
            let packed = try program.run(
                "data", "pack", name, "--tokenizer", model, "--validation", "0", "--overwrite", "--out", "shards",
                "--json")
            let tokens = try #require(packed.json()["train_tokens"]?.double)
            #expect(object["tokens"]?.double == tokens - 9, "\(object) \(packed)")
        }
        #expect(found.allSatisfy { $0 == found[0] }, "\(found)")
        // Of conversations the replies.
        let chats = texts.map {
            "{\"messages\": [{\"role\": \"user\", \"content\": \"\($0)\"}, "
                + "{\"role\": \"assistant\", \"content\": \"\($0)\"}]}\n"
        }
        try program.write("chats.jsonl", chats.joined())
        let packed = try program.run(
            "data", "pack", "chats.jsonl", "--tokenizer", model, "--validation", "0", "--overwrite", "--out", "chats",
            "--json")
        let scored = try program.run("perplexity", model, "chats.jsonl", "--json").json()
        #expect(scored["tokens"]?.double == (try packed.json()["trained_tokens"]?.double), "\(scored) \(packed)")
        // Calibration and comparison read them too.
        for (name, folder) in [("texts.jsonl", "a"), ("texts.csv", "b"), ("chats.jsonl", "c")] {
            let made = try program.run(
                "quantize", model, "--method", "gptq", "--group", "16", "--calibration", name, "--out", folder)
            #expect(made.code == 0 && made.error.contains("\(name): 9 rows as documents"), "\(made)")
        }
        func weights(_ folder: String) throws -> Data {
            try Data(contentsOf: URL(filePath: program.home + "/\(folder)/model.safetensors"))
        }
        #expect(try weights("a") == weights("b") && weights("a") != weights("c"))
        let compared = try program.run("compare", model, "a", "--text", "texts.jsonl", "--json").json()
        #expect(compared["reference_perplexity"]?.double.map { abs($0 / found[0] - 1) < 1e-3 } == true, "\(compared)")

        try program.expect(2, ["perplexity", model, "texts.jsonl", "--stride", "8"], ["--stride", "texts.jsonl"])
        let silent = try program.model { $0.hasChatTemplate = false }
        try program.expect(1, ["perplexity", silent, "chats.jsonl"], ["chats.jsonl", "line 1", "no chat template"])
    }

    @Test func mistakesAreNamed() throws {
        let model = try program.model(), usual = ["compare", model, model, "--text", "text.txt", "--context", "32"]
        try program.expect(2, usual + ["--limit", "3"], ["--tasks"])
        try program.expect(2, usual + ["--tasks", "task.yaml", "--limit", "1.5"], ["--limit"])
        // Before anything is computed.
        try program.expect(1, usual + ["--tasks", "none.yaml"], ["none.yaml"])
    }
}
