import ArgumentParser
import Martlet
import MartletVerbs

struct SupervisedCommand: ParsableCommand, TrainingVerb {
    static let configuration = CommandConfiguration(
        commandName: "sft",
        abstract: "Fine-tune a model on conversations.",
        discussion: """
            Conversations are turned into tokens by the model's own chat template, and what the assistant says is \
            trained on, nothing else; `martlet data preview` shows which tokens these are. Records hold messages, \
            conversations, a prompt and its response (instruction and output, question and answer, prompt and completion, \
            …) or a preference pair, of which the chosen reply is learnt, as JSONL, JSON, CSV, Parquet or Arrow; --map names \
            columns. Of folders the train split is read. A conversation longer than context_length is left out, or cut \
            at its turns with --long cut. With a share behind a file's name rows are drawn in these proportions, \
            whatever the files' sizes. Whatever is left out or changed is counted and told.

            Examples:
              martlet sft runs/first --data chat.jsonl
              martlet sft runs/first --data chat.jsonl --data alpaca.json --out runs/chatty --set epochs=3
              martlet sft runs/first --data identity.json --data alpaca.json=0.5 --out runs/mixed
              martlet sft smollm2 --data identity.json --adapter lora --rank 16 --out runs/id
              martlet run runs/id "Who are you?"
              martlet sft --print-config > sft.yaml
              martlet data preview chat.jsonl --tokenizer runs/first
            """)

    @Argument(help: "The model to begin with: folder, GGUF file, hub repository or short name.", completion: .models)
    var model: String?
    @OptionGroup var training: TrainingFlags<SupervisedCommand>

    static var emptyOptions: TrainingOptions { TrainingOptions(for: .tuning) }

    func run() throws {
        let options = try training.options(model)
        if try training.printsConfig(options) { return }
        guard let model = model ?? options.startingModel else {
            throw ValidationError("a model to begin with is needed")
        }
        guard !options.paths.isEmpty else {
            throw ValidationError("--data with conversations is needed, or data in a --config file")
        }
        let run = options.out ?? sibling(of: model, "sft"), resume = training.resume
        try TrainingDisplay.demandFree(run, resume: resume, options)
        let start = try StartingModel.opened(model, options, memory: training.memory.limit)
        let resolved = try ResolvedOptions(
            options, vocabularySize: start.tokenizer.vocabularySize, model: start.decoder.configuration)
        let isNew = !Folder.exists(run)
        let parts = SupervisedPart.all(resolved.chat.data, run: run)
        // Before packing: another process would train on what is being written over.
        let lock = try RunLock(run: run)
        let trainer: Trainer
        var packed: [String] = []
        do {
            try CorpusReport.explaining {
                for part in parts where try pack(start, options, part) { packed.append(part.folder) }
            }
            trainer = try Trainer(
                run: run, options: options,
                data: TrainingData(parts.map { DataPortion($0.folder, weight: $0.weight) }), from: start,
                memory: training.memory.limit)
        } catch {
            // Nothing was trained on what was packed: a corrected call begins anew.
            for folder in packed { CorpusPacker.remove(folder: folder) }
            if isNew { RunLock.removeUnused(run) }
            throw error
        }
        try TrainingDisplay(trainer: trainer, json: training.json, lock: lock).run(resume: resume)
    }

    /// The conversations as shards in the run's folder, so that a resumed run has the same ones.
    /// - Returns: whether they were packed now.
    private func pack(_ model: StartingModel, _ options: TrainingOptions, _ part: SupervisedPart) throws -> Bool {
        let folder = part.folder
        if training.resume == .auto, Folder.exists(folder + "/shards.json") {
            Terminal.note(
                "martlet: the conversations are those of \(folder), packed when the run began; --data is not read again"
            )
            return false
        }
        if part.weight != 1 || part.isOneOfSeveral { Terminal.note("\(part.paths[0]), a share of \(part.weight):") }
        let interrupted = StopRequest()
        let result = try SupervisedRows.pack(
            model, options, paths: part.paths, into: folder,
            prepare: { corpus in
                CorpusReport.tellFiles(corpus)
                corpus.onBadRecord = { Terminal.note("left out: \($0)") }
            }, isInterrupted: { interrupted.isRequested })
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

/// Files of conversations that are packed together, and their share of a run's rows.
struct SupervisedPart {
    let paths: [String]
    let folder: String
    let weight: Double
    let isOneOfSeveral: Bool

    /// One part of all files; where a file is given with a share (`alpaca.json=0.5`), a part for each.
    static func all(_ data: [String], run: String) -> [SupervisedPart] {
        let portions = data.map { text in
            // A name may have a "=" in it.
            guard !Folder.exists(text), let cut = text.lastIndex(of: "="), cut > text.startIndex,
                let weight = Double(text[text.index(after: cut)...]), weight > 0, weight <= 1e9
            else { return (path: text, weight: Double?.none) }
            return (path: String(text[..<cut]), weight: Double?.some(weight))
        }
        guard portions.count > 1, portions.contains(where: { $0.weight != nil }) else {
            return [
                SupervisedPart(
                    paths: portions.map(\.path), folder: run + "/data", weight: 1, isOneOfSeveral: false)
            ]
        }
        return portions.enumerated().map { index, portion in
            SupervisedPart(
                paths: [portion.path], folder: "\(run)/data-\(index + 1)", weight: portion.weight ?? 1,
                isOneOfSeveral: true)
        }
    }
}

/// "runs/sft" for "runs/first"; "sft" for a model that is named and not given by path.
func sibling(of path: String, _ name: String) -> String {
    guard Folder.exists(path) else { return name }
    var parts = path.split(separator: "/", omittingEmptySubsequences: false)
    while parts.count > 1, parts.last?.isEmpty == true { parts.removeLast() }
    return (parts.dropLast() + [Substring(name)]).joined(separator: "/")
}
