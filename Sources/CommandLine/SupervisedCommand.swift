import ArgumentParser
import Martlet

struct SupervisedCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sft",
        abstract: "Fine-tune a model on conversations.",
        discussion: """
            Conversations are turned into tokens by the model's own chat template, and what the assistant says is \
            trained on, nothing else; `martlet data preview` shows which tokens these are. Records hold messages, \
            conversations, a prompt and its response (instruction and output, question and answer, prompt and completion, \
            …) or a preference pair, of which the chosen reply is learnt, as JSONL, JSON, CSV, Parquet or Arrow; --map names \
            columns. Of folders the train split is read. A conversation longer than context_length is left out, or cut \
            at its turns with --long cut. Whatever is left out or changed is counted and told.

            Examples:
              martlet sft runs/first --data chat.jsonl
              martlet sft runs/first --data chat.jsonl --data alpaca.json --out runs/chatty --set epochs=3
              martlet data preview chat.jsonl --tokenizer runs/first
            """)

    @Argument(help: "The model to begin with: folder, GGUF file, hub repository or short name.") var model: String
    @Option(help: "Files and folders of conversations; may be given several times.") var data: [String]
    @Option(help: "The run folder to write; sft beside the model by default.") var out: String?
    @OptionGroup var records: RecordFlags
    @Option(help: "drop or cut, at turns and with the system prompt kept: conversations longer than context_length.")
    var long = LongConversations.drop
    @Option(help: "The share of conversations kept for validation; by default 0.02, and up to 0.1 where there are few.")
    var validation: Double?
    @Option(help: "Times to go through the data.") var epochs: Double?
    @Option(help: "Optimiser steps, instead of epochs.") var steps: Int?
    @Option(help: "Stop after this many minutes of training.") var minutes: Double?
    @Option(help: "A YAML or JSON file of options.") var config: String?
    @Option(name: .customLong("set"), help: "An option as name=value; may be given several times.")
    var settings: [String] = []
    @Option(
        help: """
            auto: go on from the newest whole checkpoint of the run, or begin; never: begin anew, even where the \
            checkpoints of a run are all damaged. Without it a folder that holds a run is refused.
            """)
    var resume: ResumeFlag?
    @Flag(help: "One JSON line for every reported step on standard output.") var json = false
    @OptionGroup var memory: MemoryFlags

    func validate() throws {
        guard !data.isEmpty else { throw ValidationError("--data names no conversations") }
    }

    func run() throws {
        let run = out ?? sibling(of: model, "sft")
        try TrainingDisplay.demandFree(run, resume: resume)
        var options = TrainingOptions(for: .tuning)
        if let config { try ConfigurationFile.read(config, into: &options) }
        if let epochs { try options.set("epochs", .number(epochs)) }
        if let steps { try options.set("steps", .integer(Int64(steps))) }
        if let minutes { try options.set("minutes", .number(minutes)) }
        for setting in settings { try options.set(assignment: setting) }
        let model = try StartingModel(.opened(ModelLocator.locate(model)), memory: memory.limit)
        let length = try ResolvedOptions(
            options, vocabularySize: model.tokenizer.vocabularySize, model: model.decoder.configuration
        )["context_length"].integer
        let isNew = !Folder.exists(run), folder = run + "/data"
        // Before packing: another process would train on what is being written over.
        let lock = try RunLock(run: run)
        let trainer: Trainer
        var isPacked = false
        do {
            isPacked = try CorpusReport.explaining { try pack(model, length: length, into: folder) }
            trainer = try Trainer(
                run: run, options: options, data: TrainingData(folder: folder), from: model, memory: memory.limit)
        } catch {
            // Nothing was trained on what was packed: a corrected call begins anew.
            if isPacked { CorpusPacker.remove(folder: folder) }
            if isNew { RunLock.removeUnused(run) }
            throw error
        }
        try TrainingDisplay(trainer: trainer, json: json, lock: lock).run(resume: resume)
    }

    /// The conversations as shards in the run's folder, so that a resumed run has the same ones.
    /// - Returns: whether they were packed now.
    private func pack(_ model: StartingModel, length: Int?, into folder: String) throws -> Bool {
        if resume == .auto, Folder.exists(folder + "/shards.json") {
            Terminal.note(
                "martlet: the conversations are those of \(folder), packed when the run began; --data is not read again"
            )
            return false
        }
        let corpus = try Corpus(data, options: try records.options())
        CorpusReport.tellFiles(corpus)
        corpus.onBadRecord = { Terminal.note("left out: \($0)") }
        var chats = try model.chatEncoder()
        // A row of so many places reads one token more.
        chats.largestSequence = length.map { $0 + 1 }
        chats.long = long
        let encoder = chats.documentEncoder(separator: model.tokenizer.documentEnd)
        var options = PackOptions()
        options.validation = validation
        options.usualValidation = 0.02
        options.split = .documents
        options.replacesShards = true
        let interrupted = StopRequest()
        let result = try CorpusPacker(corpus, encoder: encoder, options: options).pack(
            into: folder, tokenizerFolder: Folder.isFolder(model.path) ? model.path : nil,
            tokenizerFiles: Folder.isFolder(model.path) ? [] : model.tokenizerFiles,
            isInterrupted: { interrupted.isRequested })
        guard let result else { throw ExitCode(130) }
        CorpusReport.tell(result)
        if result.documents > result.conversations {
            Terminal.note(
                "\(result.documents - result.conversations) records are texts without turns: all of their tokens are learnt"
            )
        }
        Terminal.note(
            "\(result.conversations) conversations as \(result.sequences) sequences, \(result.trainedTokens) tokens to learn "
                + "of \(result.tokens); \(result.validationTokens) tokens are kept for validation")
        return true
    }
}

/// "runs/sft" for "runs/first"; "sft" for a model that is named and not given by path.
func sibling(of path: String, _ name: String) -> String {
    guard Folder.exists(path) else { return name }
    var parts = path.split(separator: "/", omittingEmptySubsequences: false)
    while parts.count > 1, parts.last?.isEmpty == true { parts.removeLast() }
    return (parts.dropLast() + [Substring(name)]).joined(separator: "/")
}
