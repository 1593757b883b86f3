import ArgumentParser
import MartletCatalog
import MartletSystem

struct ShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Print a model's architecture, tensors, template and metadata.",
        discussion: """
            Examples:
              martlet show smollm2
              martlet show ./model.gguf --tensors
              martlet show smollm2 --tree
              martlet show minilm --json
            """)
    @Argument(help: "A folder, a GGUF file, org/name, or a short name.", completion: .models) var model: String
    @OptionGroup var adapters: AdapterFlags
    @Flag(help: "List every tensor with its type and shape.") var tensors = false
    @Flag(help: "List the layers of the model by path: kind, shape, stored type, bytes, trained or frozen.")
    var tree = false
    @Flag(help: "Print all metadata of a GGUF file.") var metadata = false
    @Flag(help: "Print the chat template.") var template = false
    @Flag(help: "Print the Modelfile of a model that `martlet create` made.") var modelfile = false
    @Flag(help: "One JSON object instead of text.") var json = false

    func run() throws {
        let files = try ModelFiles.located(model, adapters: adapters.parsed()) { Terminal.note($0) }
        let description = try ModelDescription(files)
        let layers = tree ? try TreeDescription(files) : nil
        if json {
            var object = description.json.object ?? [:]
            object["tree"] = layers?.json
            print(JSON.object(object).text(indent: 2))
            return
        }
        for (name, value) in description.summary { print(name.padding(16) + value) }
        for warning in description.warnings { Terminal.note("warning: \(warning)") }
        if tensors {
            print("")
            for entry in description.tensors {
                print("\(entry.typeName.padding(8))\("\(entry.shape)".padding(20))\(entry.name)")
            }
        }
        if let layers {
            print("")
            layers.lines.forEach { print($0) }
        }
        if metadata {
            print("")
            for (key, value) in description.metadata { print("\(key) = \(value)") }
        }
        if modelfile { print("\n" + (description.modelfile ?? "not made of another model")) }
        if template { print("\n" + (description.template ?? "no chat template")) }
    }
}

struct TokenizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenize",
        abstract: "Show how a model's tokenizer cuts text.",
        discussion: """
            Without a text, standard input is read. --decode turns ids back into text. A tokenizer is enough: a folder \
            without config.json or weights, a tokenizer.json, tokenizer.model, vocab.txt or .tiktoken file, the \
            tokenizer.bin of llama2.c or llm.c, or a GGUF file that holds a vocabulary only.

            Examples:
              martlet tokenize smollm2 "Hello, world"
              martlet tokenize smollm2 --json < README.md
              martlet tokenize smollm2 --decode 19556,28,905
            """)
    @Argument(help: "A folder, a GGUF file, org/name, or a short name.", completion: .models) var model: String
    @Argument(help: "The text.") var text: [String] = []
    @Option(help: "Token ids separated by commas, to be decoded.") var decode: String?
    @Flag(inversion: .prefixedNo, help: "Add the special tokens the model begins or ends a text with.") var special =
        true
    @Flag(help: "Print only the number of tokens.") var count = false
    @Flag(help: "A JSON object with ids and tokens, or the text.") var json = false

    func run() throws {
        let path = try ModelLocator.locate(model) { Terminal.note($0) }
        let tokenizer = try ModelFiles.tokenizer(path: path)
        if let decode {
            let ids = try TokenList.parse(decode)
            // A reply goes on past such an id, which padded vocabularies have; whoever types one is told.
            if let id = ids.first(where: { $0 < 0 || Int($0) >= tokenizer.vocabularySize }) {
                throw ModelError.tokenOutOfRange(token: Int(id), vocabularySize: tokenizer.vocabularySize)
            }
            let text = try tokenizer.decode(ids)
            print(json ? JSON.object(["text": .string(text)]).text() : text)
            return
        }
        var input = text.joined(separator: " ")
        if text.isEmpty {
            input = try StandardInput.read() ?? ""
        }
        let ids = try tokenizer.encode(input, addSpecialTokens: special)
        if count {
            print(json ? JSON.object(["count": .integer(Int64(ids.count))]).text() : "\(ids.count)")
        } else if json {
            let tokens = ids.map { JSON.string(tokenizer.token($0) ?? "") }
            print(JSON.object(["ids": .array(ids.map { .integer(Int64($0)) }), "tokens": .array(tokens)]).text())
        } else {
            for id in ids { print("\(id)".padding(8) + (tokenizer.token(id) ?? "")) }
        }
    }
}

/// Token ids as typed on a command line.
enum TokenList {
    static func parse(_ text: String) throws -> [Int32] {
        try text.split(whereSeparator: { $0 == "," || $0 == " " }).map { part in
            guard let id = Int32(part) else { throw ValidationError("\"\(part)\" is no token id; expected 1,2,3") }
            return id
        }
    }
}

struct LogitsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logits",
        abstract: "Write the logits of a sequence of tokens to a safetensors, npz or npy file.",
        discussion: """
            The file holds "logits", float32 [tokens, vocabulary], and "ids"; one that ends in .npy the logits alone. With \
            MARTLET_BACKEND=reference in the environment, every operation is computed by its formula in float64: slow, and \
            what the kernels are held to.

            Example:
              martlet logits smollm2 --ids 1,2,3 --out l.safetensors
            """)
    @OptionGroup var flags: ModelFlags
    @Option(help: "Token ids separated by commas.") var ids: String?
    @Option(help: "A text instead of ids.") var text: String?
    @Option(name: .shortAndLong, help: "The file to write: .safetensors, .npz or .npy.") var out: String

    func run() throws {
        guard let form = ["safetensors", "npz", "npy"].first(where: { out.hasSuffix("." + $0) }) else {
            throw ValidationError("--out is \(out.quoted()); expected a name that ends in .safetensors, .npz or .npy")
        }
        let files = try flags.files()
        let decoder = try files.decoder()
        let tokens: [Int32]
        if let ids {
            tokens = try TokenList.parse(ids)
        } else if let text {
            tokens = try files.tokenizer().encode(text)
        } else {
            throw ValidationError("give --ids or --text")
        }
        guard !tokens.isEmpty else { throw ValidationError("there are no tokens") }
        let limit = decoder.configuration.contextLength
        guard tokens.count <= limit else { throw ModelError.contextExceeded(tokens: tokens.count, limit: limit) }
        let logits: Tensor
        switch try Backend.chosen() {
        case .cpu:
            try decoder.prepare(flags.precision)
            logits = try decoder(tokens)
        case .reference:
            try decoder.tree.convert(to: .float64)
            logits = try decoder(tokens).to(.float32)
        }
        let arrays = [(name: "ids", tensor: try Tensor(tokens)), (name: "logits", tensor: logits)]
        switch form {
        case "npy": try NumPyArray.write(logits, path: out)
        case "npz": try NumPyArchive.write(arrays, path: out)
        default: try SafetensorsWriter.write(arrays, to: out)
        }
        Terminal.note("wrote \(tokens.count) × \(logits.shape[1]) logits to \(out)")
    }
}

struct EnvironmentCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "env",
        abstract: "Print what Martlet found on this machine: kernels, threads, folders.",
        discussion: """
            Examples:
              martlet env
              martlet env --json
            """)
    @Flag(help: "One JSON object.") var json = false

    func run() throws {
        let rows = MachineDescription.rows()
        if json {
            print(JSON.object(JSONObject(rows.map { (key: $0.0, value: JSON.string($0.1)) })).text(indent: 2))
        } else {
            for (name, value) in rows { print(name.padding(16) + value) }
        }
    }
}

struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the models on this machine.",
        discussion: """
            Models fetched by ./quickstart, and what the hub's cache holds.

            Examples:
              martlet list
              martlet list --json
            """,
        aliases: ["ls"])
    @Flag(help: "A JSON array.") var json = false

    func run() throws {
        let models = try InstalledModel.all()
        for folder in InstalledModel.forbiddenFolders {
            Terminal.note("warning: \(folder): this user may not read there, so its models are not listed")
        }
        if json {
            print(JSON.array(models.map(\.json)).text(indent: 2))
        } else if models.isEmpty {
            Terminal.note("no models yet: run ./quickstart, or martlet pull NAME")
        } else {
            let width = max(20, (models.map(\.name.columns).max() ?? 0) + 2)
            print("NAME".padding(width) + "SIZE".padding(12) + "WHERE")
            for model in models {
                print(model.name.padding(width) + Terminal.bytes(model.byteCount).padding(12) + model.path)
            }
        }
    }
}

extension String {
    /// Filled with spaces up to a width in columns, and followed by at least one.
    package func padding(_ width: Int) -> String { self + String(repeating: " ", count: max(1, width - columns)) }

    /// Filled with spaces up to a width in columns.
    package func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - columns)) }
}
