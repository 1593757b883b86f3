import ArgumentParser
import MartletCatalog
import MartletSystem

/// A word in the place of a verb that is none, and the verb that was probably meant.
struct MistakenVerb: CustomStringConvertible {
    let written: String
    /// The verbs before it: "data", where it stands in the place of "pack".
    let group: String?
    let meant: String?

    /// What other programs call the verbs.
    private static let otherNames = [
        "chat": "run", "generate": "run", "infer": "run", "inference": "run", "predict": "run", "prompt": "run",
        "deploy": "serve", "host": "serve", "quant": "quantize", "tokens": "tokenize", "embedding": "embed",
        "ask": "run", "complete": "run", "sample": "run", "runs": "report",
        "resume": "train --resume auto", "start": "serve", "server": "serve",
        "summarize": "run", "summarise": "run", "translation": "translate", "download": "pull", "fetch": "pull",
        "get": "pull", "models": "list", "info": "show",
        "embeddings": "embed", "encode": "tokenize", "pretrain": "train", "pre-train": "train", "pretraining": "train",
        "finetune": "sft", "fine-tune": "sft",
        "tune": "sft", "lora": "adapters", "fuse": "merge", "export": "convert", "rl": "grpo", "rlhf": "grpo",
        "evaluate": "eval", "benchmark": "bench", "cost": "plan", "version": "--version", "remove": "rm",
        "delete": "rm", "copy": "cp", "status": "ps", "unload": "stop", "ppl": "perplexity", "tokenise": "tokenize",
    ]

    /// nil where the words begin with a verb, a group and a verb of it, or an option.
    init?(_ words: some Collection<String>, among root: CommandConfiguration) {
        var words = words.map { $0 }
        // `martlet help VERB`
        if words.first == "help" { words.removeFirst() }
        guard let first = words.first, !first.isEmpty, !first.hasPrefix("-"), first != "help" else { return nil }
        guard let verb = Self.find(first, in: root) else {
            self.init(first, of: nil, among: root)
            return
        }
        let inner = verb.configuration
        guard !inner.subcommands.isEmpty, words.count > 1 else { return nil }
        let second = words[1]
        guard !second.isEmpty, !second.hasPrefix("-"), second != "help", Self.find(second, in: inner) == nil else {
            return nil
        }
        // A verb that also takes arguments of its own may be followed by anything; what is nothing that is there, and nearly
        // a verb before further words, is meant as one.
        if inner.defaultSubcommand != nil {
            let isNear = Spelling.nearest(to: second, among: inner.subcommands.flatMap(Self.names)) != nil
            guard isNear, words.count > 2, !words[2].hasPrefix("-"), (try? ModelLocator.locate(second)) == nil else {
                return nil
            }
        }
        self.init(second, of: first, among: inner)
    }

    private init(_ word: String, of group: String?, among configuration: CommandConfiguration) {
        written = word
        self.group = group
        let known = group == nil ? Self.otherNames[word.lowercased()] : nil
        meant =
            known ?? Spelling.nearest(to: word, among: configuration.subcommands.flatMap(Self.names))
            ?? (group == nil && Self.isModel(word) ? "run \(word.shown(limit: 400))" : nil)
    }

    /// Whether a word names a model, in the place of what is to be done with it; not every file or folder that is there.
    private static func isModel(_ word: String) -> Bool {
        guard let path = try? ModelLocator.locate(word) else { return false }
        return !Folder.exists(word) || path.hasSuffix(".gguf") || Folder.isFile(path + "/config.json")
    }

    private static func names(_ verb: any ParsableCommand.Type) -> [String] {
        [verb.configuration.commandName ?? ""] + verb.configuration.aliases
    }

    private static func find(_ word: String, in configuration: CommandConfiguration) -> (any ParsableCommand.Type)? {
        configuration.subcommands.first { names($0).contains(word) }
    }

    var description: String {
        let before = "martlet " + (group.map { $0 + " " } ?? "")
        let next = meant.map { "did you mean `\(before)\($0)`?" } ?? "`\(before)--help` lists the verbs"
        return "there is no verb \(written.quoted(limit: 40))\(group.map { " of `martlet \($0)`" } ?? ""); \(next)"
    }
}
