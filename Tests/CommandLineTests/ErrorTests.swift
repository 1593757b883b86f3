import Foundation
import MartletJSON
import Testing
import TinyModels

/// Whatever is wrong with what a user gives: one sentence that names it, nothing on standard output, exit code 1.
struct ErrorTests {
    let program: Program
    init() throws { program = try Program() }

    private func expectFailure(
        _ arguments: [String], _ parts: [String], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try program.expect(1, arguments, parts, sourceLocation: sourceLocation)
    }

    @Test func anUnknownModelIsNamedWithTheKnownOnes() throws {
        for verb in [
            ["run", "nosuch", "hi"], ["show", "nosuch"], ["tokenize", "nosuch", "hi"], ["bench", "nosuch"],
        ] {
            try expectFailure(verb, ["nosuch", "smollm2", "org/name"])
        }
        try expectFailure(["run", "org/name", "hi"], ["org/name", "martlet pull org/name"])
        try expectFailure(["embed", "minilm", "--text", "a"], ["minilm", "quickstart", "martlet pull"])
    }

    @Test func aNameWithAWrongLetterIsGuessed() throws {
        try expectFailure(["run", "smolm2", "hi"], ["did you mean smollm2?"])
        try expectFailure(["embed", "minlm", "--text", "hi"], ["did you mean minilm?"])
    }

    @Test(arguments: [
        ("rn", "`martlet run`"), ("chat", "`martlet run`"), ("generate", "`martlet run`"),
        ("sample", "`martlet run`"), ("runs", "`martlet report`"), ("resume", "`martlet train --resume auto`"),
        ("finetune", "`martlet sft`"), ("serv", "`martlet serve`"), ("nothing-like-it", "`martlet --help`"),
    ]) func aWordThatIsNoVerbIsToldTheVerb(_ word: String, _ verb: String) throws {
        let result = try program.run([word, "smollm2", "hi"])
        #expect(result.code == 2 && result.output.isEmpty)
        #expect(result.error.contains("\"\(word)\"") && result.error.contains(verb), "\(result.error)")
    }

    /// `adapters` takes adapters without a verb too; a word that is none of them is a verb misspelled.
    @Test func aMisspelledVerbOfAGroupWithADefaultIsToldTheVerb() throws {
        for (word, verb) in [("convrt", "adapters convert"), ("lst", "adapters list")] {
            try program.expect(2, ["adapters", word, "x", "--out", "y"], ["\"\(word)\"", "`martlet \(verb)`"])
        }
        // One word is a name, and an adapter that is there is one.
        try program.expect(1, ["adapters", "lst"], ["lst"])
        let removed = try program.run("rm", "nothing-like-it")
        #expect(removed.code == 1 && removed.error.contains("martlet list") && !removed.error.contains("pull"))
    }

    /// Of --data and --out, what is missing is named, before anything is read.
    @Test func trainNamesWhatIsMissing() throws {
        try program.expect(2, ["train", "--data", "nothing"], ["--out is needed"])
        try program.expect(2, ["train", "--out", "run"], ["--data is needed"])
        try program.expect(2, ["train"], ["--data and --out are needed"])
    }

    @Test func aMissingFileIsNamed() throws {
        try expectFailure(["run", "./none.gguf", "hi"], ["./none.gguf", "no such file"])
        try expectFailure(["show", program.home + "/none"], ["/none", "no such file"])
    }

    @Test func aFolderThatIsNoModelIsNamed() throws {
        try expectFailure(["run", try program.folder("empty"), "hi"], ["empty", "config.json"])
    }

    @Test func whatIsNoModelIsCalledWhatItIs() throws {
        let text = program.home + "/chats.jsonl", shards = try program.folder("shards")
        try Data("{\"text\": \"hello\"}\n".utf8).write(to: URL(fileURLWithPath: text))
        try Data("{}".utf8).write(to: URL(fileURLWithPath: shards + "/shards.json"))
        try expectFailure(["run", text, "hi"], ["chats.jsonl", "is that of a text file, not of a model"])
        try expectFailure(["run", shards, "hi"], ["token shards", "martlet train --data"])
    }

    @Test func namesFromOutsideDoNotReachTheTerminalAsTheyAre() throws {
        let file = program.home + "/options.json"
        try Data(#"{"depth": 2, "\u001b[31mX": 3}"#.utf8).write(to: URL(fileURLWithPath: file))
        for arguments in [
            ["train", "--config", file], ["train", "--set", "\u{1B}[31mfoo=1"], ["run", "\u{1B}[31mnone", "hi"],
        ] {
            let result = try program.run(arguments)
            #expect(result.code != 0 && !result.error.contains("\u{1B}"), "\(result)")
            #expect(result.error.contains("\\u{1B}[31m"), "\(result)")
        }
    }

    @Test(arguments: [0, 3, 20, 400, 5000, 20_000]) func aTruncatedFileIsNamed(_ length: Int) throws {
        let path = try program.file()
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        try bytes.prefix(length).write(to: URL(fileURLWithPath: path))
        try expectFailure(["run", path, "hi"], [path])
        try expectFailure(["show", path], [path])
    }

    @Test func aFileOfAnotherKindIsNamed() throws {
        let path = program.home + "/notes.gguf"
        try Data("# Notes\n\nNothing.".utf8).write(to: URL(fileURLWithPath: path))
        try expectFailure(["run", path, "hi"], [path, "GGUF"])
    }

    @Test func aModelWithoutTokenizerIsNamed() throws {
        let path = try program.model { $0.hasTokenizer = false }
        try expectFailure(["run", path, "hi"], [path, "no tokenizer"])
        try expectFailure(["tokenize", path, "hi"], [path, "no tokenizer"])
        try expectFailure(["run", try program.file { $0.hasTokenizer = false }, "hi"], ["tokenizer"])
        // What needs no text works without.
        #expect(try program.run("logits", path, "--ids", "5", "--out", "l.safetensors").code == 0)
        #expect(try program.run("show", path).code == 0)
    }

    @Test func anUnknownArchitectureIsNamedWithTheKnownOnes() throws {
        let path = try program.model()
        let config = URL(fileURLWithPath: path + "/config.json")
        let text = try String(contentsOf: config, encoding: .utf8)
        try text.replacingOccurrences(of: "\"llama\"", with: "\"rwkv\"").write(
            to: config, atomically: true, encoding: .utf8)
        try expectFailure(["run", path, "hi"], ["rwkv", "llama", "gemma3"])
    }

    @Test func aTokenizerOfAnotherModelIsRefused() throws {
        let path = try program.model()
        let file = URL(fileURLWithPath: path + "/tokenizer.json")
        let text = try String(contentsOf: file, encoding: .utf8)
        try text.replacingOccurrences(of: "\"ing\":127", with: "\"ing\":127,\"zebra\":128")
            .write(to: file, atomically: true, encoding: .utf8)
        try expectFailure(["run", path, "hi"], ["129", "128", "belongs to another model"])
    }

    @Test func aPromptLongerThanTheContextIsRefusedWithBothCounts() throws {
        let model = try program.model { $0.contextLength = 64 }
        try expectFailure(
            ["run", model, "--raw", String(repeating: "x", count: 100)], ["100 tokens", "64"])
        try expectFailure(["bench", model, "-p", "60", "-n", "10"], ["70 tokens", "64"])
        try expectFailure(
            ["embed", try program.encoder(), "--text", String(repeating: "a ", count: 100)], ["102", "64"])
    }

    @Test func aModelOfTheOtherKindSaysWhatToUse() throws {
        try expectFailure(["run", try program.encoder(), "hi"], ["martlet embed"])
        try expectFailure(["embed", try program.file(), "--text", "hi"], ["martlet run"])
    }

    @Test func aTokenOutsideTheVocabularyIsNamed() throws {
        try expectFailure(["logits", try program.model(), "--ids", "5,128", "--out", "l.safetensors"], ["128"])
        try expectFailure(["tokenize", try program.model(), "--decode", "5,4000"], ["4000"])
    }

    @Test func aPlaceThatCannotBeWrittenIsNamed() throws {
        try expectFailure(["logits", try program.model(), "--ids", "5", "--out", "/none/l.safetensors"], ["/none/"])
    }

    @Test func pullWithoutNetworkSaysSo() throws {
        try expectFailure(["pull", "org/name"], ["HF_HUB_OFFLINE"])
    }
}
