import Foundation
import MartletJSON
import Testing
import TinyModels

#if canImport(Glibc)
import Glibc
#endif

/// The natural mistakes of a first hour: each is answered by one sentence, which names the next step.
struct MistakeTests {
    let program: Program
    init() throws { program = try Program() }

    private func expect(
        _ code: Int32, _ arguments: [String], _ parts: [String], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try program.expect(code, arguments, parts, sourceLocation: sourceLocation)
    }

    // MARK: - Data

    @Test func textInThePlaceOfShardsIsToBePacked() throws {
        try program.write("text.txt", "Once upon a time.\n")
        try expect(1, ["train", "--data", "text.txt", "--out", "run"], ["is text", "martlet data pack text.txt"])
        try expect(1, ["train", "--data", "none", "--out", "run"], ["none is not there", "martlet data pack"])
        try expect(2, ["train", "--data", "text.txt"], ["--out", "`martlet train --help`"])
    }

    @Test func aTokenizerIsWhateverTokenizeTakes() throws {
        try program.write("text.txt", String(repeating: "the end of the thing. ", count: 40))
        let file = try program.file(), folder = try program.model()
        try program.write("Modelfile", "FROM \(file)\n")
        #expect(try program.run("create", "mine").code == 0)
        for (index, tokenizer) in [file, folder, "mine"].enumerated() {
            #expect(try program.run("tokenize", tokenizer, "the end").code == 0)
            let packed = try program.run(
                "data", "pack", "text.txt", "--tokenizer", tokenizer, "--out", "shards\(index)")
            #expect(packed.code == 0, "\(packed)")
        }
        try expect(
            1, ["data", "pack", "text.txt", "--tokenizer", "mne", "--out", "x"], ["\"mne\"", "did you mean mine?"])
    }

    @Test func aPlaceForTextsIsNamed() throws {
        let amount = ["data", "world", "--documents", "2", "--out"]
        try expect(1, amount + ["missing/folder"], ["ends in .jsonl or .txt", "missing/folder.jsonl"])
        try expect(1, amount + ["missing/a.jsonl"], ["no folder \"missing\"", "mkdir -p"])
        _ = try program.folder("there")
        try expect(1, amount + ["there"], ["there/world.jsonl"])
        try expect(1, amount + ["/proc/1/a.jsonl"], ["/proc/1"])
        // Root may write anywhere but here.
        try expect(1, amount + ["/sys/a.jsonl"], ["/sys", "name another place"])
    }

    /// What a way of reading does not follow is refused, not passed over.
    @Test func flagsOfAnotherWayToReadAreRefused() throws {
        try program.write("pairs.jsonl", "{\"prompt\": \"the end\", \"completion\": \"of the thing\"}\n")
        try program.write("template.jinja", "{{ messages[0].content }}")
        let tokenizer = try program.model(), given = ["pairs.jsonl", "--tokenizer", tokenizer]
        for verb in [["preview"], ["pack", "--out", "shards"]] {
            let command = ["data"] + verb + given
            try expect(
                2, command + ["--chats", "pairs", "--template", "template.jinja"], ["--template", "--chats pairs"])
            try expect(2, command + ["--chats", "text", "--max-tokens", "9"], ["--max-tokens", "plain texts"])
            try expect(
                2, command + ["--chats", "pairs", "--max-tokens", "9", "--long", "cut"], ["--long cut", "pairs"])
            try expect(2, command + ["--long", "drop"], ["--long", "--max-tokens"])
        }
        // Pairs obey it: what is longer is left out and counted.
        let short = try program.run(["data", "preview"] + given + ["--chats", "pairs", "--max-tokens", "2"])
        #expect(short.code == 0 && short.output.contains("longer than a row, left out: 1"), "\(short)")
        let whole = try program.run(["data", "preview"] + given + ["--chats", "pairs", "--max-tokens", "200"])
        #expect(whole.code == 0 && whole.output.contains("nothing is left out"), "\(whole)")
        #expect(try program.run(["data", "pack"] + given + ["--chats", "pairs", "--out", "shards"]).code == 0)
        let shard = try #require(
            try FileManager.default.contentsOfDirectory(atPath: program.home + "/shards").first {
                $0.hasSuffix(".shard")
            })
        try expect(
            2, ["data", "preview", "shards/" + shard, "--tokenizer", tokenizer, "--max-tokens", "9"],
            ["holds tokens already", "--max-tokens"])
    }

    @Test func pairsThatAreNoneAreToldTheirForm() throws {
        try program.write("text.txt", "Once upon a time.\n")
        try expect(
            1, ["dpo", try program.model(), "--data", "text.txt", "--out", "run"], ["prompt, chosen and rejected"])
    }

    @Test func questionsThatDoNotFitAreCountedAndLeftOut() throws {
        let model = try program.model { $0.contextLength = 16 }
        let question = #""category": "sums", "language": "en", "reply": "5", "expected": "5", "check": "exact""#
        let message = #""messages": [{"role": "user", "content": "the end of the thing"}]"#
        try program.write("asked.jsonl", String(repeating: "{\(message), \(question)}\n", count: 3))
        let result = try program.run("eval", model, "--questions", "asked.jsonl", "--json")
        #expect(result.code == 0, "\(result)")
        let found = try #require(try result.json().array?.first)
        #expect(found["left_out"]?.integer == 3 && found["questions"]?.integer == 0, "\(result)")
    }

    @Test func aFolderThatIsNoRunIsToldWhatWouldBe() throws {
        try expect(1, ["report", "none"], ["none is not there", "--out"])
        try expect(1, ["report", try program.folder("empty")], ["no log.jsonl", "--out"])
    }

    // MARK: - Words

    @Test(arguments: [
        (["data", "pakc"], "did you mean `martlet data pack`?"),
        (["data", "nothing-like-it"], "`martlet data --help`"),
        (["tokenizer", "trian"], "did you mean `martlet tokenizer train`?"),
        (["help", "trian"], "did you mean `martlet train`?"), (["help", "data", "pakc"], "`martlet data pack`"),
        (["train", "--lr", "0.1"], "Did you mean '--learning-rate'?"),
        (["sft", "x", "--batch-size", "3"], "Did you mean '--batch-rows'?"),
        (["train", "--set", "lr=0.1"], "did you mean \"learning_rate\"?"),
        (["train", "--set", "hidden=3"], "did you mean \"hidden_size\"?"),
        (["run", "--sed", "1", "x"], "'--seed'"), (["create", "x"], "there is no Modelfile here"),
    ]) func whatWasMeantIsNamed(_ arguments: [String], _ meant: String) throws {
        try expect(2, arguments, [meant])
    }

    @Test func verbsOfGroupsAreStillFound() throws {
        for words in ["data --help", "help data", "help data pack", "help options sft"] {
            let arguments = words.split(separator: " ").map(String.init)
            let result = try program.run(arguments)
            #expect(result.code == 0 && !result.output.isEmpty, "\(arguments): \(result)")
        }
        #expect(try program.run("help", "log").output.contains("kind \"step\""))
    }

    @Test func aSystemMessageNeedsAChat() throws {
        let asked = ["--system", "Be brief.", "the end?"]
        try expect(2, ["run", try program.model(), "--raw"] + asked, ["--system is for chats", "leave out --raw"])
        let plain = try program.model { $0.hasChatTemplate = false }
        try expect(2, ["run", plain] + asked, ["--system is for chats", "no chat template"])
    }

    @Test func aJudgeInWordsNeedsAChatBeforeAnyModelAnswers() throws {
        let plain = try program.model { $0.hasChatTemplate = false }
        try program.write("questions.json", #"[{"instruction": "the end?", "output": "", "generator": "none"}]"#)
        try expect(
            1, ["judge", "--ask", plain, "--questions", "questions.json", "--out", "judged", "--judge", plain],
            ["no chat template", "--likeliest"])
        #expect(!FileManager.default.fileExists(atPath: program.home + "/judged/answers"))
    }

    // MARK: - Ports

    @Test func aPortInUseIsFoundBeforeTheModelIsLoaded() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                #expect(bind(listener, $0, length) == 0 && listen(listener, 1) == 0)
                getsockname(listener, $0, &length)
            }
        }
        let port = UInt16(bigEndian: address.sin_port)
        // A line of the log would say that a model was loaded.
        let serve = ["serve", try program.file(), "--port", "\(port)"]
        try expect(1, serve, ["port \(port) is in use", "another --port"])
    }

    // MARK: - Terminals

    /// What a command shows in a terminal of some columns, which `script` makes.
    private func shown(_ command: String, columns: Int, _ environment: [String: String] = [:]) throws -> String {
        let process = program.process([])
        process.executableURL = URL(fileURLWithPath: "/usr/bin/script")
        process.arguments = ["-qec", "stty cols \(columns); \(command)", program.home + "/typescript"]
        process.environment = process.environment?.merging(environment) { $1 }
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        #expect(process.exitCode(within: 60) == 0)
        return try String(contentsOfFile: program.home + "/typescript", encoding: .utf8)
    }

    private static let hasScript = FileManager.default.isExecutableFile(atPath: "/usr/bin/script")

    private func trainsInATerminal(_ more: [String: String] = [:]) throws -> String {
        try program.write("text.txt", String(repeating: "the end of the thing. ", count: 400))
        let packed = try program.run("data", "pack", "text.txt", "--tokenizer", try program.model(), "--out", "shards")
        #expect(packed.code == 0, "\(packed)")
        return try shown(
            "\(Program.path) train --data shards --out run --depth 1 --steps 4 --set hidden_size=32 --set heads=2 "
                + "--set context_length=32 --set batch_rows=2 --set log_every=1", columns: 40, more)
    }

    @Test(.enabled(if: hasScript, "script is not installed")) func progressFitsFortyColumns() throws {
        let screen = try trainsInATerminal()
        let lines = screen.split(whereSeparator: \.isNewline)
            .map { $0.replacing(/\u{1B}\[[0-9;?]*[A-Za-z]/, with: "") }.filter { $0.contains(/\d\/4 loss/) }
        #expect(!lines.isEmpty, "\(screen)")
        // How long it still takes is not among what is cut.
        for line in lines { #expect(line.count <= 40 && line.contains(/eta \d+ (s|min|h|d)\b/), "\(line)") }
    }

    @Test(.enabled(if: hasScript, "script is not installed")) func withoutUTF8OrColourNothingElseIsWritten() throws {
        let screen = try trainsInATerminal(["LC_ALL": "C", "NO_COLOR": "1"])
        let told = screen.split(whereSeparator: \.isNewline).filter { !$0.hasPrefix("  >") && !$0.hasPrefix("Script") }
        #expect(told.contains { $0.contains("hidden_size") })
        for line in told {
            let isPlain = line.unicodeScalars.allSatisfy(\.isASCII)
            #expect(isPlain, "\(line)")
            #expect(!line.contains(/\u{1B}\[[0-9;]*m/), "\(line)")
        }
    }

    @Test func aReaderThatEndsEarlyIsNoError() throws {
        let process = program.process([])
        process.executableURL = URL(fileURLWithPath: "/bin/bash")
        process.arguments = ["-c", "'\(Program.path)' help options | head -1; echo ${PIPESTATUS[0]} >&2"]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle(forWritingAtPath: program.error)
        try process.run()
        #expect(process.exitCode(within: 20) == 0)
        let said = try String(contentsOfFile: program.error, encoding: .utf8)
        #expect(said == "0\n", "\(said)")
    }
}
