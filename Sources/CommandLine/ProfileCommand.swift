import ArgumentParser
import Martlet
import MartletVerbs

struct ProfileCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "profile",
        abstract: "Show where the time and memory of a training step go.",
        discussion: """
            Trains a new model for some steps on random tokens: time, arithmetic, memory traffic and share of the \
            machine's peak of every operation, forward and backward. Dropout, precision, z_loss, label_smoothing and ema \
            are computed as in training. --out writes a trace that ui.perfetto.dev and \
            chrome://tracing open. `martlet train --profile 5` does the same within a run.

            Examples:
              martlet profile --depth 6
              martlet profile --depth 4 --set context_length=512 --steps 3 --out trace.json
            """)

    @Option(help: "Layers; the dial that sets every size.") var depth: Int?
    @Option(help: "A YAML or JSON file of options, as of martlet train.") var config: String?
    @Option(name: .customLong("set"), help: "An option as name=value, as of martlet train.") var settings: [String] = []
    @Option(help: "Tokens of the vocabulary.") var vocabulary = 8192
    @Option(help: "Steps to record, after two that are not.") var steps = 5
    @Option(help: "A trace file to write.") var out: String?
    @Flag(help: "One JSON object on standard output instead of the table.") var json = false
    @OptionGroup var memory: MemoryFlags

    func validate() throws {
        try demand("--steps", steps, 1...100_000)
        try demand("--vocabulary", vocabulary, PlanCommand.vocabularies, "tokens")
    }

    func run() throws {
        var options = TrainingOptions()
        if let config { try ConfigurationFile.read(config, into: &options) }
        if let depth { try options.set("depth", .integer(Int64(depth))) }
        for setting in settings { try options.set(assignment: setting) }
        let profile = try StepProfile.measure(
            ResolvedOptions(options, vocabularySize: vocabulary), steps: steps, memory: memory.limit)
        Terminal.show(json ? profile.json.text() + "\n" : profile.table)
        if let out {
            try AtomicFile.write(out, bytes: profile.trace.bytes())
            Terminal.note("\(out) opens in ui.perfetto.dev and chrome://tracing")
        }
    }
}
