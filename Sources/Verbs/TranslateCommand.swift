import ArgumentParser
import MartletCatalog

struct TranslateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "translate",
        abstract: "Translate with an encoder-decoder model, or have it rewrite a text.",
        discussion: """
            Models: Marian (OPUS-MT), mBART, NLLB and M2M-100, T5 and Flan-T5, BART and Pegasus (which summarise). Without \
            a text each line of standard input is one. Languages are named as the model names them: fr, fr_XX, fra_Latn; \
            of T5 and Flan-T5 in pairs with --from and --to. Beams, length and what is not repeated are the model's own \
            unless said otherwise.

            Examples:
              martlet translate ./opus-mt-en-de "The weather is fine today."
              martlet translate ./nllb --from eng_Latn --to fra_Latn < letter.txt
              martlet translate ./t5-small --from en --to de "That is good." --beams 4
            """)
    @OptionGroup var flags: ModelFlags
    @Argument(help: "The text; without it each line of standard input is one.") var text: [String] = []
    @Option(name: .customLong("from"), help: "The language of the text, as the model names it.") var source: String?
    @Option(name: .customLong("to"), help: "The language to translate into, as the model names it.")
    var target: String?
    @Option(help: "How many beams; 1 takes the most probable token at each step.") var beams: Int?
    @Option(help: "With beams: above 0 favours long texts, below 0 short ones.") var lengthPenalty: Double?
    @Option(name: [.customShort("n"), .customLong("max-tokens")], help: "Tokens of a translation at most.")
    var maximumTokens: Int?
    @Flag(help: "No statistics on standard error.") var quiet = false

    func run() throws {
        var inputs = text.isEmpty ? [] : [text.joined(separator: " ")]
        if inputs.isEmpty {
            inputs = (try StandardInput.read() ?? "").split { $0 == "\n" || $0 == "\r\n" }.map(String.init)
        }
        guard !inputs.isEmpty else { throw ValidationError("there is no text: give one, or pipe it in") }
        var options = SequenceToSequenceModel.Options()
        (options.source, options.target) = (source, target)
        if let maximumTokens {
            guard maximumTokens > 0 else {
                throw ValidationError("--max-tokens is \(maximumTokens); expected 1 or more")
            }
            options.maximumTokens = maximumTokens
        }
        let files = try ModelFiles.opened(flags.model, flags.adapters)
        let model = try Self.model(files, flags.precision)
        if beams != nil || lengthPenalty != nil {
            var search = model.rules.beams
            if let beams { search.width = beams }
            if let lengthPenalty { search.lengthPenalty = lengthPenalty }
            try search.validate()
            options.beams = search
        }
        for input in inputs { try Self.write(input, model, options, showsStatistics: !quiet) }
    }

    private static func model(_ files: ModelFiles, _ precision: Precision) throws -> SequenceToSequenceModel {
        guard files.adapters.isEmpty else {
            throw ValidationError("adapters of encoder-decoders are not read: merge them into the model first")
        }
        return try SequenceToSequenceModel(files, precision: precision)
    }

    /// What `martlet run` does with such a model.
    static func write(
        _ text: String, _ files: ModelFiles, _ precision: Precision, _ options: SequenceToSequenceModel.Options,
        showsStatistics: Bool
    ) throws {
        try write(text, model(files, precision), options, showsStatistics: showsStatistics)
    }

    private static func write(
        _ text: String, _ model: SequenceToSequenceModel, _ options: SequenceToSequenceModel.Options,
        showsStatistics: Bool
    ) throws {
        let start = ContinuousClock.now
        let reply = try model.reply(to: text, options, emit: { Terminal.show($0) })
        Terminal.show("\n")
        guard showsStatistics else { return }
        let time = start.duration(to: .now),
            seconds =
                Double(time.components.seconds)
                + Double(time.components.attoseconds) / 1e18
        let cut = reply.finishReason == .length ? ", cut at the most tokens: --max-tokens allows more" : ""
        Terminal.note(
            "\(reply.sourceTokens) tokens read, \(reply.replyTokens) written in \(Terminal.fixed(seconds, 2)) s\(cut)",
            isDim: true)
    }
}
