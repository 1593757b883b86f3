import Foundation
import MartletFormats
import MartletJSON
import Testing
import TinyModels

/// What the verbs print: `--json` is JSON, and every help has an example.
struct OutputTests {
    let program: Program
    init() throws { program = try Program() }

    @Test func listNamesWhatIsInstalled() throws {
        let empty = try program.run("list", "--json")
        #expect(try empty.code == 0 && empty.json() == [])
        let path = try program.folder("martlet/models/smollm2") + "/SmolLM2-135M-Instruct.Q4_1.gguf"
        try TinyModel().write(gguf: path)
        let listed = try program.run("list", "--json").json()
        #expect(listed.array?.count == 1)
        let entry = try #require(listed.array?.first)
        #expect(entry["name"]?.string == "smollm2" && entry["path"]?.string == path)
        #expect(entry["bytes"]?.integer == Folder.byteCount(path))
        #expect(try program.run("list").output.contains("smollm2"))
        // And the short name means that file.
        #expect(try program.run("run", "smollm2", "-n", "2", "hi").code == 0)
    }

    /// Where a script knows nothing better, the place is one for a path: without a rule of its own nothing would be offered there.
    @Test(arguments: ["bash", "zsh", "fish"])
    func completionsOfferModelsAndFiles(of shell: String) throws {
        let result = try program.run("--generate-completion-script", shell)
        let joined = try program.run("--generate-completion-script=\(shell)")
        #expect(result.code == 0 && joined.output == result.output)
        let lines = result.output.split(separator: "\n")
        let ofModels = lines.indices.filter { lines[$0].contains("---completion ") }
        #expect(ofModels.count > 40)
        switch shell {
        case "bash":
            #expect(lines.contains("complete -o filenames -o bashdefault -o default -F _martlet martlet"))
            for index in ofModels { #expect(lines[index + 1].hasSuffix("_add_completions -f"), "\(lines[index])") }
        case "zsh":
            for line in lines where line.hasPrefix("        '") { #expect(!line.hasSuffix(":'"), "\(line)") }
            for index in ofModels { #expect(lines[index].hasSuffix("; _files}'"), "\(lines[index])") }
        default:
            // -f would take the files away.
            #expect(!lines.contains("complete -c 'martlet' -f") && !result.output.contains("-rfka ''"))
            for index in ofModels { #expect(lines[index].contains("Fka '("), "\(lines[index])") }
        }
    }

    /// The script asks the program for the names; zsh takes what follows a colon for a description.
    @Test func completionsNameTheModelsOfThisMachine() throws {
        try TinyModel().write(gguf: try program.folder("martlet/models/smollm2") + "/SmolLM2-135M-Instruct.Q4_1.gguf")
        #expect(try program.run("cp", "smollm2", "mine:one").code == 0)
        for place in [["run", "--", "positional@0"], ["serve", "--", "--draft"], ["distill", "--", "--teacher"]] {
            let words = ["---completion"] + place + ["2", "0", "martlet", "run", ""]
            let bash = try program.run(words, environment: ["SAP_SHELL": "bash"])
            #expect(bash.code == 0 && bash.output == "smollm2\nmine:one\n", "\(bash)")
            let zsh = try program.run(words, environment: ["SAP_SHELL": "zsh"])
            #expect(zsh.output.contains("mine\\:one\n"), "\(zsh)")
        }
    }

    /// `man` fills paragraphs; what keeps its lines has to fit beside the margins, and is a command of the shell as before.
    @Test func theManualFitsEightyColumns() throws {
        let page = try program.run("manual").output.replacing("\\-", with: "-").replacing("\\e", with: "\\")
        var isKept = false, kept: [Substring] = []
        for line in page.split(separator: "\n") {
            if line == ".nf" || line == ".fi" {
                #expect(isKept != (line == ".nf"))
                isKept.toggle()
            } else if isKept {
                #expect(line.hasPrefix("  ") && line.count <= 73, "\(line)")
                kept.append(line)
            }
        }
        #expect(!isKept && kept.count > 300)
        let joined = kept.joined(separator: "\n").replacing(#/ \\\n +/#, with: " ")
        let examples = try program.run("train", "--help").output.split(separator: "\n").filter {
            $0.hasPrefix("  martlet train") && $0.count > 70 && !$0.contains("#")
        }
        #expect(!examples.isEmpty)
        for example in examples { #expect(joined.contains(example), "\(example)") }
    }

    /// A reply of many lines would scroll the result away.
    @Test func wrongRepliesOfAnEvaluationAreALineEach() throws {
        let words = [
            "eval", try program.model(), "--questions", "asked.jsonl", "--tokens", "40", "--show", "20",
        ]
        let question = #""category": "sums", "language": "en", "reply": "5", "expected": "5", "check": "exact""#
        let message = #""messages": [{"role": "user", "content": "the end of the thing"}]"#
        try program.write("asked.jsonl", String(repeating: "{\(message), \(question)}\n", count: 4))
        let answered = try program.run(words + ["--json"])
        #expect(answered.code == 0, "\(answered)")
        let results = try answered.json()
        let wrong = results.array?.first?["replies"]?.array?.filter { $0["right"]?.bool == false } ?? []
        let lines = try program.run(words).output.split(separator: "\n", omittingEmptySubsequences: false)
        let first = try #require(lines.firstIndex { $0.hasPrefix("  wrong: ") })
        let shown = lines[first...].dropLast()
        #expect(shown.count == 3 * wrong.count, "\(lines)")
        for (index, line) in shown.enumerated() {
            #expect(line.hasPrefix(["  wrong: ", "         ", "         expected: "][index % 3]), "\(line)")
        }
    }

    @Test func showDescribesFilesAndFolders() throws {
        for path in [try program.file(), try program.model()] {
            let json = try program.run("show", path, "--json").json()
            #expect(json["architecture"]?.string == "llama" && json["path"]?.string == path)
            #expect(
                json["tensors"]?.array?.count == 21 && json["chat_template_source"]?.string == TinyTokenizer.template)
            #expect(json["metadata"]?.object?.isEmpty == false)
            let text = try program.run("show", path, "--tensors", "--template", "--metadata").output
            #expect(text.contains("im_start") && text.contains("context") && text.contains("[128, 32]"))
        }
        let encoder = try program.run("show", program.encoder(), "--json").json()
        #expect(encoder["architecture"]?.string == "bert")
    }

    @Test func tokenizeGoesThereAndBack() throws {
        let model = try program.model()
        let json = try program.run("tokenize", model, "--json", "the inn at\nthe end").json()
        let ids = try #require(json["ids"]?.array).compactMap(\.integer)
        #expect(json["tokens"]?.array?.count == ids.count && ids.count > 4)
        let list = ids.map(String.init).joined(separator: ",")
        #expect(try program.run("tokenize", model, "--decode", list).output == "the inn at\nthe end\n")
        let back = try program.run("tokenize", model, "--json", "--decode", list).json()
        #expect(back["text"]?.string == "the inn at\nthe end")
        #expect(try program.run("tokenize", model, "--count", "the inn at\nthe end").output == "\(ids.count)\n")
        #expect(try program.run("tokenize", model, "--json", input: "the inn at\nthe end").json() == json)
    }

    @Test func embedGivesVectorsOfLengthOne() throws {
        let model = try program.encoder()
        let lines = try program.run("embed", model, "--text", "a cat", "--text", "a dog, too").output
        let vectors = try lines.split(separator: "\n").map { try JSON(parsing: Array($0.utf8)) }
        #expect(vectors.count == 2)
        for vector in vectors {
            let numbers = try #require(vector.array).compactMap(\.double)
            #expect(numbers.count == 32 && abs(numbers.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
        }
        let json = try program.run("embed", model, "--json", input: "a cat\na dog, too\n").json()
        #expect(json["dimension"]?.integer == 32 && json["embeddings"]?.array == vectors)
        let cosines = try program.run("embed", model, "--json", "--similarity", input: "a cat\na cat\n").json()
        let first = try #require(cosines["similarity"]?.array?.first?.array).compactMap(\.double)
        #expect(first.allSatisfy { abs($0 - 1) < 1e-5 } && first.count == 2)
    }

    @Test func benchPrintsALineARound() throws {
        let result = try program.run("bench", try program.file(), "--json", "-p", "16", "-n", "4", "--rounds", "2")
        let lines = try result.output.split(separator: "\n").map { try JSON(parsing: Array($0.utf8)) }
        #expect(result.code == 0 && lines.count == 2)
        for line in lines {
            #expect(line["prompt_tokens"]?.integer == 16 && line["new_tokens"]?.integer == 4)
            #expect((line["new_tokens_per_second"]?.double ?? 0) > 0)
        }
    }

    @Test func envTellsKernelsAndFolders() throws {
        let json = try program.run("env", "--json").json()
        #expect(json["models"]?.string == program.home + "/martlet/models")
        #expect(json["kernels"]?.string?.isEmpty == false)
    }

    @Test func logitsAreWrittenAsTensors() throws {
        let path = program.home + "/l.safetensors"
        let result = try program.run("logits", program.model(), "--ids", "5,6,7", "--out", path)
        #expect(result.code == 0 && result.output.isEmpty)
        let file = try SafetensorsFile(path: path)
        #expect(try file.tensor("logits").shape == [3, 128] && file.tensor("ids").shape == [3])
        let model = try program.model()
        for name in ["l.npy", "l.npz"] {
            #expect(try program.run("logits", model, "--ids", "5,6,7", "--out", name).code == 0)
        }
        #expect(try NumPyArray.read(path: program.home + "/l.npy").shape == [3, 128])
        #expect(try NumPyArchive.read(path: program.home + "/l.npz").map(\.name) == ["ids", "logits"])
        #expect(try program.run("logits", model, "--ids", "5", "--out", "l.bin").error.contains(".safetensors, .npz"))
    }

    @Test func everyVerbHasAnExample() throws {
        let help = try program.run("--help")
        #expect(help.code == 0)
        let verbs = try #require(help.output.components(separatedBy: "SUBCOMMANDS:").last).split(separator: "\n")
            .filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") && !$0.contains("See '") }
            .map { line in String(line.dropFirst(2).prefix { $0 != " " && $0 != "," }) }
        #expect(
            Set(verbs).isSuperset(of: ["run", "pull", "list", "show", "embed", "tokenize", "logits", "bench", "env"]))
        for verb in verbs {
            let help = try program.run(verb, "--help")
            #expect(help.code == 0 && help.error.isEmpty)
            let examples = help.output.components(separatedBy: "Example").dropFirst().first ?? ""
            #expect(examples.contains("martlet \(verb)"), "\(verb)")
        }
        #expect(try program.run("--version").output == "0.1.0\n")
    }
}
