import Foundation
import MartletJSON
import Testing
import TinyModels

/// The verbs that make, copy, show and remove models, and what they say of mistakes.
struct ModelVerbTests {
    let program: Program
    init() throws { program = try Program() }

    private func modelfile(_ text: String) throws -> String {
        let path = program.home + "/Modelfile"
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    @Test func aModelIsMadeShownRunCopiedAndRemoved() throws {
        let base = try program.model()
        let file = try modelfile("FROM \(base)\nSYSTEM be brief\nPARAMETER temperature 0.3\nPARAMETER num_predict 4\n")
        #expect(try program.run("create", "brief", "-f", file).code == 0)
        let shown = try program.run("show", "brief", "--json").json()
        #expect(shown["sampling"]?["temperature"]?.double == 0.3)
        #expect(shown["sampling"]?["source"]?.string == "its Modelfile")
        #expect(shown["layers"]?.integer == 2 && shown["parameters"]?.integer != nil)
        #expect(try program.run("show", "brief", "--modelfile").output.contains("SYSTEM be brief"))
        let reply = try program.run("run", "brief", "the end?")
        #expect(reply.code == 0 && reply.error.contains("reply 4 tokens"), "\(reply)")
        #expect(try program.run("cp", "brief", "other").code == 0)
        let names = try program.run("list", "--json").json().array?.compactMap { $0["name"]?.string }
        #expect(names == ["brief", "other"])
        // A tag, as ollama's users write it, is a part of the name.
        #expect(try program.run("cp", "brief", "other:7b").code == 0)
        #expect(try program.run("show", "other:7b", "--modelfile").output.contains("SYSTEM be brief"))
        for name in ["other:", ":7b", "other:7b:x", "../other:7b", "other:../7b"] {
            try program.expect(1, ["cp", "brief", name], ["\"\(name)\" is no name for a model", "one colon"])
        }
        #expect(try program.run("rm", "brief", "other", "other:7b").code == 0)
        #expect(try program.run("list", "--json").json() == [])
        // What it was made of stays.
        #expect(try program.run("show", base).code == 0)
        let own = try program.run("rm", base)
        #expect(own.code == 1 && own.error.contains("was not fetched by martlet"))
    }

    /// A plain text is packed with a mask where the tokenizer has a chat template; an objective of texts learns it all the
    /// same. A Unigram vocabulary's bytes are told of when it becomes a GGUF file.
    @Test func aPlainTextOfAChatTokenizerIsLearnedByAnyObjective() throws {
        let words = "the quick brown fox jumps over the lazy dog and runs away, "
        try program.write("text.txt", (0..<200).map { "\($0) \(words)" }.joined())
        let tokenizer = [
            "tokenizer", "train", "text.txt", "--kind", "unigram", "--vocab-size", "340", "--sentinels", "8", "--out",
            "tok",
        ]
        #expect(try program.run(tokenizer).code == 0)
        let packed = try program.run(
            "data", "pack", "text.txt", "--tokenizer", "tok", "--validation", "0", "--out", "s")
        #expect(packed.code == 0, "\(packed)")
        let steps = ["--data", "s", "--depth", "1", "--steps", "1", "--set", "batch_rows=1"]
        let spans = try program.run(
            ["train", "--arch", "t5", "--objective", "span-corruption"] + steps + ["--out", "t5"])
        #expect(spans.code == 0, "\(spans)")
        #expect(try program.run(["train"] + steps + ["--out", "run"]).code == 0)
        let told = try program.run("convert", "run", "--to", "gguf", "--out", "a.gguf", "--json").json()
        #expect(told["notes"]?.array?.contains { $0.string?.contains("become <unk>") == true } == true, "\(told)")
        let plain = try program.run("convert", try program.model(), "--to", "gguf", "--out", "b.gguf", "--json").json()
        #expect(plain["notes"] == [])
    }

    /// A model whose context is below 512 is measured and calibrated in windows of its own.
    @Test func windowsAreNoLongerThanTheContext() throws {
        let base = try program.model(), text = "text.txt"
        try program.write(text, String(repeating: "the quick brown fox jumps over the lazy dog. ", count: 80))
        let measured = try program.run("perplexity", base, text, "--chunks", "1")
        #expect(measured.code == 0 && measured.output.contains("chunks of 256 tokens"), "\(measured)")
        let longer = try program.run("perplexity", base, text, "--context", "512")
        #expect(longer.code == 1 && longer.error.contains("do not fit in the context of 256"), "\(longer)")
        let calibrated = try program.run(
            "quantize", base, "--to", "q8_0", "--calibration", text, "--chunks", "1", "--out", "q.gguf")
        #expect(calibrated.code == 0, "\(calibrated)")
        let compared = try program.run("compare", base, base, "--text", text, "--chunks", "1", "--json")
        #expect(compared.code == 0, "\(compared)")
    }

    @Test(arguments: [
        ("SYSTEM x\n", "FROM"), ("FROM ./none\n", "no such file"), ("FROM @\nPARAMETRE top_p 1\n", "line 2"),
        ("FROM @\nPARAMETER temprature 1\n", "line 2"), ("FROM @\nTEMPLATE {% if %}\n", "template"),
    ]) func whatIsWrongWithAModelfileIsTold(_ text: String, _ part: String) throws {
        let file = try modelfile(text.replacingOccurrences(of: "@", with: try program.model()))
        let result = try program.run("create", "x", "-f", file)
        #expect(result.code == 1 && result.error.lowercased().contains(part.lowercased()), "\(result)")
        #expect(result.error.split(separator: "\n").count == 1)
    }

    @Test func aFolderThatCannotBeWrittenIsNamed() throws {
        let file = try modelfile("FROM \(try program.model())\n")
        // A file stands where the folder is to be.
        try Data().write(to: URL(fileURLWithPath: program.home + "/martlet"))
        let result = try program.run("create", "x", "-f", file)
        #expect(result.code == 1 && result.error.contains("made models are kept"), "\(result)")
    }

    @Test func noServerIsTold() throws {
        for verb in [["ps"], ["stop", "x"]] {
            let result = try program.run(verb + ["--url", "http://127.0.0.1:9"])
            #expect(result.code == 1 && result.error.contains("martlet serve"), "\(result)")
        }
    }

    @Test func nothingIsFetchedUnasked() throws {
        let process = program.process(["run", "org/none", "hi"])
        var environment = process.environment ?? [:]
        environment["HF_HUB_OFFLINE"] = nil
        environment["HF_ENDPOINT"] = "http://127.0.0.1:9"
        process.environment = environment
        let error = program.error
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle(forWritingAtPath: error)
        try process.run()
        #expect(process.exitCode(within: 30) == 1)
        let said = try String(contentsOfFile: error, encoding: .utf8)
        #expect(said.contains("martlet pull org/none") && !said.contains("trying again"), "\(said)")
    }

    @Test func aHubThatCannotBeReachedIsToldWithEachAttempt() throws {
        let process = program.process(["pull", "org/none"])
        var environment = process.environment ?? [:]
        environment["HF_HUB_OFFLINE"] = nil
        environment["HF_ENDPOINT"] = "http://127.0.0.1:9"
        process.environment = environment
        let error = program.error
        process.standardError = FileHandle(forWritingAtPath: error)
        try process.run()
        #expect(process.exitCode(within: 30) == 1)
        let said = try String(contentsOfFile: error, encoding: .utf8)
        #expect(said.contains("(1 of 2)") && said.contains("(2 of 2)"), "\(said)")
    }

    @Test func wrongWordsAreOneSentenceThatNamesTheHelp() throws {
        for words in [["run", "x", "--nonsense"], ["serve", "x", "--port", "many"], ["train", "--set", "lr=0.1"]] {
            let result = try program.run(words)
            #expect(result.code == 2 && result.output.isEmpty, "\(result)")
            #expect(result.error.hasPrefix("martlet: ") && result.error.split(separator: "\n").count == 1, "\(result)")
        }
    }
}
