import ArgumentParser
import Martlet
import MartletVerbs

struct PreferenceCommand: ParsableCommand, TrainingVerb {
    static let configuration = CommandConfiguration(
        commandName: "dpo",
        abstract: "Align a model with pairs of replies, or with replies that were judged good or bad.",
        discussion: """
            Records are pairs (prompt, chosen and rejected, as texts or conversations; LLaMA-Factory's and Alpaca's forms; \
            whole dialogues whose common beginning is the prompt), or, for --loss kto, replies with a label. Which it is \
            is found out and told with the first record; `martlet data preview` shows them token by token. Pairs that are \
            equal, empty or too long are counted and told.

            --loss takes TRL's names: sigmoid, hinge, ipo, exo_pair, nca_pair, robust, bco_pair, sppo_hard, aot, \
            aot_unpaired, apo_zero, apo_down, discopop, sigmoid_norm, several with weights as sigmoid=0.8,bco_pair=0.2,sft=1; \
            orpo, simpo, cpo, cpo_hinge, cpo_ipo, which need no reference; kto and apo_zero_unpaired.

            The reference is the model as it begins; what it says of every reply is computed once and kept in the run's \
            folder as reference.safetensors, which another run on the same rows takes with --reference. --reference MODEL \
            takes another model. Held-out pairs tell how often the chosen reply is worth more, with its 95 % interval.

            Examples:
              martlet dpo smollm2 --data pairs.json
              martlet dpo smollm2 --data pairs.json --loss sigmoid --beta 0.1 --epochs 3 --out runs/dpo
              martlet dpo runs/sft --data preferences.jsonl --loss simpo
              martlet dpo runs/sft --data judged.json --loss kto
              martlet dpo runs/sft --data dpo_en_demo --dataset-info data/dataset_info.json
            """)

    @Argument(help: "The model to begin with: folder, GGUF file, hub repository or short name.", completion: .models)
    var model: String?
    @OptionGroup var training: TrainingFlags<PreferenceCommand>

    static var emptyOptions: TrainingOptions { TrainingOptions(for: .preferences) }

    func run() throws {
        var options = try training.options(model)
        if try training.printsConfig(options) { return }
        try options.locateReference()
        try FeedbackRun(options: options, model: model, name: "dpo").run(training) { run, start, data, progress in
            try Trainer(
                run: run, options: options, model: start, feedback: data, memory: training.memory.limit,
                progress: progress)
        }
    }
}

struct RewardModelCommand: ParsableCommand, TrainingVerb {
    static let configuration = CommandConfiguration(
        commandName: "reward",
        abstract: "Train a reward model on pairs of replies.",
        discussion: """
            A head on the model gives each conversation a number, and learns to give the chosen reply of a pair more \
            (Bradley-Terry). A record's margin is by how much it is to lead; --centering keeps the numbers around 0. The run's \
            folder is a model that transformers loads as sequence classification with one label (score.weight), and that \
            grpo and ppo take as --reward.

            Of records with a prompt, completions and labels (replies in steps, each right or wrong) it is a process reward \
            model: two classes at the end of each step, which transformers loads as token classification.

            Examples:
              martlet reward smollm2 --data pairs.json --out runs/rm
              martlet reward runs/sft --data pairs.json --centering 0.01 --epochs 2
              martlet grpo runs/sft --data problems.jsonl --reward runs/rm
            """)

    @Argument(help: "The model to begin with: folder, GGUF file, hub repository or short name.", completion: .models)
    var model: String?
    @OptionGroup var training: TrainingFlags<RewardModelCommand>

    static var emptyOptions: TrainingOptions { TrainingOptions(for: .rewardModel) }

    func run() throws {
        let options = try training.options(model)
        if try training.printsConfig(options) { return }
        try FeedbackRun(options: options, model: model, name: "reward").run(training) { run, start, data, _ in
            try Trainer(
                run: run, options: options, rewardModelFrom: start, pairs: data, memory: training.memory.limit)
        }
    }
}

extension TrainingOptions {
    /// Puts the files of the reference in the place of its name, if it is a model.
    mutating func locateReference() throws {
        guard let name = given("reference"), !name.hasSuffix(".safetensors") else { return }
        try set("reference", .string(ModelLocator.locate(name) { Terminal.note($0) }), from: "--reference")
    }

    /// Refuses a file of data that is not there. Names of data sets, parts of folders and what a file lists are looked for
    /// where they are read.
    func demandFiles() throws {
        guard given("dataset_info") == nil else { return }
        for name in paths + [prompts].compactMap({ $0 }) where CorpusFile(path: name) != nil && !Folder.exists(name) {
            throw TrainingError(.data, "\(name) is not there: --data names the files to learn from")
        }
    }
}

/// What commands that learn from feedback share: the model, the records, and what is told of them.
struct FeedbackRun {
    let options: TrainingOptions
    let model: String?
    /// Of the run's folder, where none is given.
    let name: String

    func run<Verb: TrainingVerb>(
        _ training: TrainingFlags<Verb>,
        _ make: (String, StartingModel, FeedbackData, (Int, Int) -> Bool) throws -> Trainer
    ) throws {
        guard let model = model ?? options.startingModel else {
            throw ValidationError("a model to begin with is needed")
        }
        guard !options.paths.isEmpty else {
            throw ValidationError("--data with records is needed, or data in a --config file")
        }
        let run = options.out ?? sibling(of: model, name)
        try TrainingDisplay.demandFree(run, resume: training.resume, options)
        let start = try StartingModel.opened(model, options, memory: training.memory.limit)
        let data = try CorpusReport.explaining {
            try Trainer.feedbackData(options, start) { Terminal.note("left out: \($0)") }
        }
        for entry in data.tally.entries { Terminal.note(entry.description) }
        Terminal.note(
            "\(data.trainingCount) \(data.kind == .pairs ? "pairs" : data.kind == .steps ? "replies in steps" : "judged replies") to learn from, \(data.tokenCount) "
                + "tokens; \(data.heldOutCount) are held out")
        let isNew = !Folder.exists(run), lock = try RunLock(run: run)
        let trainer: Trainer
        do {
            trainer = try reference(run, start, data, make)
        } catch {
            if isNew { RunLock.removeUnused(run) }
            throw error
        }
        try TrainingDisplay(trainer: trainer, json: training.json, lock: lock).run(resume: training.resume)
    }

    private func reference(
        _ run: String, _ start: StartingModel, _ data: FeedbackData,
        _ make: (String, StartingModel, FeedbackData, (Int, Int) -> Bool) throws -> Trainer
    ) throws -> Trainer {
        let interrupted = StopRequest()
        var line = StatusLine()
        defer { line.end() }
        do {
            return try make(run, start, data) { done, all in
                line.show("the reference's log-probabilities: \(done) of \(all) rows", isDue: done == 0)
                return !interrupted.isRequested
            }
        } catch is CancellationError { throw ExitCode(130) }
    }
}
