import ArgumentParser
import MartletSystem

/// A first word that is no verb of the program, and the verb that was probably meant.
struct MistakenVerb: CustomStringConvertible {
    let written: String
    let meant: String?

    /// What other programs call the verbs.
    private static let otherNames = [
        "chat": "run", "generate": "run", "ask": "run", "complete": "run", "start": "serve", "server": "serve",
        "download": "pull", "fetch": "pull", "get": "pull", "models": "list", "info": "show", "inspect": "show",
        "embeddings": "embed", "encode": "tokenize", "pretrain": "train", "finetune": "sft", "fine-tune": "sft",
        "tune": "sft", "lora": "adapters", "fuse": "merge", "export": "merge", "rl": "grpo", "ppo": "grpo",
        "evaluate": "eval", "benchmark": "bench", "cost": "plan", "version": "--version", "remove": "rm",
        "delete": "rm", "copy": "cp", "status": "ps", "unload": "stop",
    ]

    /// nil where `word` is a verb, an option or missing.
    init?(_ word: String?, among configuration: CommandConfiguration) {
        guard let word, !word.isEmpty, !word.hasPrefix("-"), word != "help" else { return nil }
        let verbs = configuration.subcommands.flatMap {
            [$0.configuration.commandName ?? ""] + $0.configuration.aliases
        }
        guard !verbs.contains(word) else { return nil }
        written = word
        meant = Self.otherNames[word.lowercased()] ?? Spelling.nearest(to: word, among: verbs)
    }

    var description: String {
        let next = meant.map { "did you mean `martlet \($0)`?" } ?? "`martlet --help` lists the verbs"
        return "there is no verb \(written.quoted(limit: 40)); \(next)"
    }
}
