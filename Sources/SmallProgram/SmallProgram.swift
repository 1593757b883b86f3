import ArgumentParser
import MartletSystem
import MartletVerbs

/// The program of the first hour, `martlet-small`: what fetches, runs and looks at models, built in a fraction of the time.
@main struct SmallProgram: VerbProgram {
    static let configuration = CommandConfiguration(
        commandName: "martlet",
        abstract: "Run and inspect language models on this machine (the small program of ./quickstart).",
        discussion: FirstVerbs.discussion
            + "\n\nNot in this program: \(WholeProgram.verbs.joined(separator: ", ")). \(WholeProgram.how).",
        version: ProgramVersion.current,
        subcommands: FirstVerbs.all(bench: SmallBenchCommand.self))

    static func absence(of words: [String]) -> String? {
        guard let first = words.first else { return nil }
        let verb = words.starts(with: ["bench", "serve"]) ? "bench serve" : first
        guard verb != first || WholeProgram.verbs.contains(verb) else { return nil }
        return "`martlet \(verb)` is not in the small program that ./quickstart builds. \(WholeProgram.how)"
    }

    static func main() async { await start() }
}

/// `martlet bench`, of a model.
private struct SmallBenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Measure a model.", subcommands: [BenchModelCommand.self],
        defaultSubcommand: BenchModelCommand.self)
}

/// What the small program knows of the whole one.
private enum WholeProgram {
    static let how =
        "./install builds the whole and puts it on your PATH; `swift build -c release --product martlet` only builds it"
    /// Its other verbs. A test holds the list against what the whole program says of itself.
    static let verbs = [
        "train", "plan", "profile", "report", "data", "tokenizer", "sft", "dpo", "reward", "embed-train",
        "classify-train", "grpo", "ppo", "distill",
        "constitution", "expert", "merge", "adapters", "eval", "results", "inspect", "lens", "neurons", "steer",
        "features", "judge", "arena", "bias", "redteam", "toxicity", "attack", "contamination", "watermark",
        "scaling", "serve", "options", "log", "ps", "stop", "manual", "quantize", "convert", "perplexity", "compare",
    ]
}
