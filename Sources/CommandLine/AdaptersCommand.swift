import ArgumentParser
import Martlet
import MartletVerbs

struct AdaptersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "adapters",
        abstract: "Look at adapters, convert them, or make one of two models.",
        discussion: """
            Folders of PEFT and mlx-lm and GGUF adapters are read; a GGUF one needs its base to be named.

            Examples:
              martlet adapters runs/id
              martlet adapters runs/
              martlet adapters convert runs/id --to gguf --base smollm2 --out id.gguf
              martlet adapters extract base/ tuned/ --rank 32 --out difference/
              martlet adapters expand smollm2 --blocks 6 --out deeper/
              martlet adapters add-tokens smollm2 --token "<tool>" --token "</tool>" --out larger/
            """,
        subcommands: [
            ListAdaptersCommand.self, ConvertAdapterCommand.self, ExtractAdapterCommand.self, ExpandCommand.self,
            AddTokensCommand.self,
        ],
        defaultSubcommand: ListAdaptersCommand.self)
}

/// An adapter as `martlet adapters` shows it.
private struct AdapterDescription {
    let path: String
    let stored: StoredAdapter

    var rows: [(String, String)] {
        let configuration = stored.configuration
        var rows = [("path", path), ("form", stored.form.rawValue), ("kind", configuration.title)]
        if configuration.kind == .lora {
            rows += [("rank", "\(configuration.rank)"), ("alpha", Terminal.fixed(configuration.alpha, 2))]
        }
        let kinds = Set(
            stored.modules.map { module in
                module.split(separator: ".").map { Int($0) == nil ? String($0) : "*" }.joined(separator: ".")
            }
        ).sorted()
        rows += [
            ("targets", kinds.prefix(12).joined(separator: ", ") + (kinds.count > 12 ? ", …" : "")),
            ("parameters", "\(stored.parameterCount)"), ("base", configuration.base ?? "not said"),
        ]
        if let head = stored.head {
            let names = head.labels.prefix(12).joined(separator: ", ") + (head.labels.count > 12 ? ", …" : "")
            rows.append(("head", "\(head.labels.count) outputs: \(names)"))
        }
        if let fingerprint = stored.baseFingerprint { rows.append(("fingerprint", fingerprint)) }
        return rows
    }

    var json: JSON {
        [
            "path": .string(path), "form": .string(stored.form.rawValue), "kind": .string(stored.configuration.title),
            "rank": .integer(Int64(stored.configuration.rank)), "alpha": .number(stored.configuration.alpha),
            "modules": .array(stored.modules.map { .string($0) }),
            "parameters": .integer(Int64(stored.parameterCount)),
            "base": stored.configuration.base.map { .string($0) } ?? .null,
            "fingerprint": stored.baseFingerprint.map { .string($0) } ?? .null,
            "labels": stored.head.map { .array($0.labels.map { .string($0) }) } ?? .null,
        ]
    }
}

struct ListAdaptersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Tell what an adapter is, or what adapters a folder holds.")
    @Argument(help: "An adapter, or a folder of adapters.") var path: String
    @Option(help: "The base, for GGUF adapters.", completion: .models) var base: String?
    @Flag(help: "A JSON array.") var json = false

    func run() throws {
        let place = try ModelLocator.locateAdapter(path)
        var paths = [place]
        if Folder.isFolder(place), !Folder.isFile(place + "/adapter_config.json") {
            paths = Folder.contents(place).map { "\(place)/\($0)" }
                .filter { Folder.isFile($0 + "/adapter_config.json") }
            guard !paths.isEmpty else {
                throw ValidationError("\(place) holds no adapter_config.json, nor do its folders")
            }
        }
        let decoder = try base.map { try ModelFiles.opened(name: $0).checkpoint.decoder() }
        var found: [AdapterDescription] = [], failures: [String] = []
        for path in paths {
            do {
                found.append(AdapterDescription(path: path, stored: try StoredAdapter.read(path, base: decoder)))
            } catch {
                guard paths.count > 1 else { throw error }
                failures.append("\(error)")
            }
        }
        if json {
            print(JSON.array(found.map(\.json)).text(indent: 2))
        } else {
            for (index, one) in found.enumerated() {
                if index > 0 { print("") }
                for (name, value) in one.rows { print(name.padding(14) + value) }
            }
        }
        for failure in failures { Terminal.note("warning: \(failure)") }
    }
}

struct ConvertAdapterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert", abstract: "Write an adapter in the form of PEFT, mlx-lm or llama.cpp.")
    @Argument(help: "The adapter.") var path: String
    @Option(help: "peft, mlx or gguf.") var to: String
    @Option(
        help: "The base, by which GGUF names its tensors; the one the adapter names where left out.",
        completion: .models)
    var base: String?
    @Option(name: .shortAndLong, help: "The folder to write, for gguf the file.") var out: String

    func run() throws {
        guard let form = StoredAdapter.Form(rawValue: to) else {
            throw ValidationError("--to is \(to); expected peft, mlx or gguf")
        }
        try MergeCommand.demandFree(out)
        let place = try ModelLocator.locateAdapter(path), isFile = place.hasSuffix(".gguf")
        var decoder: Decoder?, files: ModelFiles?
        if isFile || form == .gguf || base != nil {
            guard !isFile || base != nil else { throw ValidationError("a GGUF adapter needs --base") }
            let path =
                try base.map { try ModelLocator.locate($0) { Terminal.note($0) } }
                ?? ModelLocator.base(ofAdapter: place)
            let opened = try ModelFiles(path: path)
            (decoder, files) = (try opened.checkpoint.decoder(), opened)
        }
        var stored = try StoredAdapter.read(place, base: decoder)
        if let decoder {
            // Whether it fits is known before anything is written.
            _ = try Adapter(stored, of: decoder)
        }
        if let base { stored.configuration.base = stored.configuration.base ?? base }
        for note in stored.notes { Terminal.note("warning: \(note)") }
        let template = isFile ? nil : try StoredAdapter.templateSource(place)
        try stored.write(form, to: out, of: decoder)
        if let template, form != .gguf {
            try AtomicFile.write(out + "/chat_template.jinja", bytes: Array(template.utf8))
        } else if let template, try template != files?.tokenizer().chatTemplate {
            Terminal.note(
                "warning: it was tuned with a chat template of its own, which a GGUF adapter does not hold: give the base "
                    + "that one (\(place))")
        }
        Terminal.note("wrote \(out)")
    }
}

struct ExtractAdapterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "extract", abstract: "Make a LoRA of the difference between two models of one shape.")
    @Argument(help: "The model before.", completion: .models) var base: String
    @Argument(help: "The model after.", completion: .models) var tuned: String
    @Option(help: "Rank of the adapter.") var rank = 32
    @Option(name: .shortAndLong, help: "The folder to write.") var out: String

    func run() throws {
        try demand("--rank", rank, 1...65_536)
        try MergeCommand.demandFree(out)
        let before = try ModelFiles.opened(name: base), after = try ModelFiles.opened(name: tuned)
        let one = try before.checkpoint.publishedDecoder(), other = try after.checkpoint.publishedDecoder()
        var line = StatusLine()
        let extraction = try AdapterExtraction(base: one, tuned: other, rank: rank) { done, total in
            line.show("\(done) of \(total) matrices", done, of: total)
        }
        line.end()
        var stored = extraction.adapter
        stored.configuration.base = Folder.exists(base) ? Folder.real(base) ?? base : base
        stored.baseFingerprint = try BaseFingerprint.of(one)
        try stored.write(.peft, to: out)
        Terminal.note(
            "rank \(rank) of \(stored.modules.count) modules misses \(Terminal.fixed(100 * extraction.missed, 2)) % of the "
                + "difference of their matrices")
        if !extraction.leftOut.isEmpty {
            let names = extraction.leftOut.prefix(4).joined(separator: ", ")
            Terminal.note(
                "warning: \(extraction.leftOut.count) other parameters differ and are left out: \(names)"
                    + (extraction.leftOut.count > 4 ? ", …" : ""))
        }
        Terminal.note("wrote \(out)")
    }
}

struct ExpandCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "expand",
        abstract: "Make a deeper model that says the same, whose new blocks are to be tuned (LLaMA Pro).")
    @Argument(help: "The model.", completion: .models) var model: String
    @Option(help: "Blocks to add; a divisor of those there are.") var blocks: Int
    @Option(name: .shortAndLong, help: "The folder to write.") var out: String

    func validate() throws { try demand("--blocks", blocks, 1...1024) }

    func run() throws {
        try MergeCommand.demandFree(out)
        let files = try ModelFiles.opened(name: model)
        let decoder = try files.checkpoint.publishedDecoder()
        let expansion = try BlockExpansion(decoder, blocks: blocks)
        try MergedFolder(files, decoder, type: nil).write(expansion, to: out)
        let layers = expansion.added.map(String.init).joined(separator: ",")
        Terminal.note("wrote \(out); its new blocks are tuned by")
        Terminal.note("  martlet sft \(out) --adapter freeze --adapter-layers \(layers) --data …")
    }
}

struct AddTokensCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add-tokens",
        abstract: "Make a model that has further tokens, whose rows are to be tuned.",
        discussion: """
            Each new row of the tables is the mean of those there are. A text of a token is one token wherever it stands.

            Examples:
              martlet adapters add-tokens smollm2 --token "<tool>" --token "</tool>" --out larger/
              martlet adapters add-tokens base/ --token "<|pause|>" --special --out larger/
            """)
    @Argument(help: "The model.", completion: .models) var model: String
    @Option(name: [.customLong("token"), .customLong("tokens")], help: "The text of a token; repeatable.")
    var tokens: [String]
    @Flag(help: "They are special: replies that people read leave them out.") var special = false
    @Option(name: .shortAndLong, help: "The folder to write.") var out: String

    func validate() throws {
        guard tokens.count <= 65_536 else { throw ValidationError("more than 65536 tokens cannot be added at once") }
    }

    func run() throws {
        try MergeCommand.demandFree(out)
        let files = try ModelFiles.opened(name: model)
        let decoder = try files.checkpoint.publishedDecoder()
        let ids = try MergedFolder(files, decoder, type: nil).write(adding: tokens, areSpecial: special, to: out)
        let numbers = ids.count == 1 ? "\(ids.lowerBound)" : "\(ids.lowerBound)-\(ids.upperBound - 1)"
        Terminal.note("wrote \(out); its new tokens \(numbers) are tuned by")
        Terminal.note("  martlet sft \(out) --adapter lora --trained-tokens \(numbers) --data …")
    }
}
