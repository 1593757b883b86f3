import ArgumentParser
import Martlet
import MartletVerbs

struct EmbeddingTrainCommand: ParsableCommand, TrainingVerb {
    static let configuration = CommandConfiguration(
        commandName: "embed-train",
        abstract: "Train an embedding model on pairs and triplets of texts.",
        discussion: """
            A row is an anchor and a positive (also query and passage, question and answer, sentence1 and sentence2, instruction \
            and output, prompt and chosen, or messages), with negatives where there are some, or with a score of how alike both \
            are. Which columns are taken is found out and told; --map anchor=…,positive=…,negative=…,score=… says it.

            Losses are those of sentence-transformers. infonce (MultipleNegativesRankingLoss): each anchor is to find its \
            positive among those of all rows of the step and all given negatives; equal texts are no negatives of each other, \
            and how many were left out is logged. triplet: the negative is to be farther by --margin. cosine: the cosine is to be \
            the score. cosent: cosines are to be ordered as the scores. --matryoshka 384,128 trains the first so many numbers of \
            each vector as well. A step's rows may be more than memory holds: with --set micro_batches=8 vectors are computed \
            twice and the loss still compares all rows.

            Held-out rows are looked at as a search: the mean reciprocal rank of the right text (MRR@10) and recall among all \
            held-out texts; with scores the rank correlation. The run's folder is a model that sentence-transformers loads, and \
            martlet embed. --adapter lora trains an adapter in place of the model; the run's folder holds it alone, by PEFT's names.

            Examples:
              martlet embed-train minilm --data pairs.jsonl --out runs/emb
              martlet embed-train minilm --data triplets.jsonl --loss triplet --margin 0.2
              martlet embed-train minilm --data gsm8k_train.jsonl --batch 64 --matryoshka 384,128,64 --epochs 2
              martlet embed-train ./e5 --data qa.csv --map anchor=q,positive=a --anchor-prompt "query: " --positive-prompt "passage: "
              martlet embed-train minilm --data pairs.jsonl --adapter lora --rank 8 --targets query,value
              martlet embed runs/emb --text "where do cats sleep?"
            """)

    @Argument(help: "The embedding model to begin with: folder, hub repository or short name.", completion: .models)
    var model: String?
    @OptionGroup var training: TrainingFlags<EmbeddingTrainCommand>

    static var emptyOptions: TrainingOptions { TrainingOptions(for: .embedding) }

    func run() throws {
        let options = try training.options(model)
        if try training.printsConfig(options) { return }
        try EncoderRun(options: options, model: model, name: "emb").run(training) { run, files, base in
            let start = try StartingEmbedder(
                files, options: options, base: base, locate: ModelLocator.locateAdapter)
            if let adapter = start.adapter { Terminal.note("\(adapter.summary)") }
            let data = try CorpusReport.explaining {
                try EmbeddingData(options, start) { Terminal.note("left out: \($0)") }
            }
            EncoderRun.tell(data.tally, learnt: data.trainingCount, held: data.heldOutCount, "rows", data.tokenCount)
            return try Trainer(
                run: run, options: options, embedder: start, pairs: data, memory: training.memory.limit)
        }
    }
}

struct ClassifierTrainCommand: ParsableCommand, TrainingVerb {
    static let configuration = CommandConfiguration(
        commandName: "classify-train",
        abstract: "Train a classifier of texts, pairs of texts or words on labels.",
        discussion: """
            A row is a text (and a second one: premise and hypothesis, sentence1 and sentence2) with a label, or words with as \
            many tags (B-PER, I-PER, O). Columns are found by their names and told; --map text=…,pair=…,label=… or --map \
            tokens=…,tags=… says them. What is learnt follows from the labels and is told: one class of several, several \
            classes at once where labels are lists, a number where they are fractions, a class of each word; --task says it. \
            --task score trains a cross-encoder: how well a text fits a first one, from 0 to 1, which orders what a search has \
            found (martlet rerank); MRR@10 and NDCG@10 over held-out first texts are told. A \
            label that cannot be read is an error that names its row, or is passed over and counted with --on-bad-record skip.

            The head is new, unless the model has one for the same classes. --train-layers 0 trains the head alone, \
            --train-layers 2 the last two layers with it. --class-weights balanced lets rare classes count as much as frequent ones. \
            Held-out texts tell accuracy and F1, of words also the F1 of whole entities, of numbers correlations; --patience 3 \
            stops where the loss no longer falls. --adapter lora leaves the model as it is: the adapter and the head are trained, \
            and are what the run's folder holds, by PEFT's names; martlet merge makes a whole model of them.

            A language model gets a head over the state of a text's last token (score.weight) in place of its output projection; \
            classes of words are learnt on encoders.

            The run's folder is a model that transformers loads (AutoModelForSequenceClassification, \
            AutoModelForTokenClassification), and martlet classify.

            Examples:
              martlet classify-train ./bert-base --data reviews.csv --out runs/cls
              martlet classify-train minilm --data tickets.jsonl --map text=body,label=team --class-weights balanced
              martlet classify-train ./bert-base --data conll.parquet --labels O,B-PER,I-PER,B-LOC,I-LOC
              martlet classify-train ./bert-base --data similarity.jsonl --task regression --epochs 4
              martlet classify-train minilm --data judged.jsonl --map text=query,pair=passage --task score --out runs/ce
              martlet classify-train ./bert-base --data reviews.csv --adapter lora --rank 16 --out runs/cls
              martlet classify-train smollm2 --data reviews.csv --out runs/cls
              martlet classify runs/cls "It never arrived."
              martlet rerank runs/ce "where do cats sleep" --text "Cats sleep in the sun." --text "Dogs bark."
            """)

    @Argument(
        help: "The text encoder or language model to begin with: folder, hub repository or short name.",
        completion: .models)
    var model: String?
    @OptionGroup var training: TrainingFlags<ClassifierTrainCommand>

    static var emptyOptions: TrainingOptions { TrainingOptions(for: .classification) }

    func run() throws {
        let options = try training.options(model)
        if try training.printsConfig(options) { return }
        try EncoderRun(options: options, model: model, name: "cls").run(training) { run, files, base in
            try StartingClassifier.demand(files)
            let data = try CorpusReport.explaining {
                try LabelledData(options, files) { Terminal.note("left out: \($0)") }
            }
            EncoderRun.tell(data.tally, learnt: data.trainingCount, held: data.heldOutCount, "texts", data.tokenCount)
            let start = try StartingClassifier(
                files, data, options: options, base: base, locate: ModelLocator.locateAdapter)
            if let adapter = start.adapter { Terminal.note("\(adapter.summary)") }
            return try Trainer(
                run: run, options: options, classifier: start, labelled: data, memory: training.memory.limit)
        }
    }
}

/// What commands share that train encoders on rows of texts.
struct EncoderRun {
    let options: TrainingOptions
    let model: String?
    /// Of the run's folder, where none is given.
    let name: String

    /// - Parameter make: is given the run's folder, the model's files, and what files of an adapter are to call the model.
    func run<Verb: TrainingVerb>(
        _ training: TrainingFlags<Verb>, _ make: (String, ModelFiles, String) throws -> Trainer
    ) throws {
        guard let model = model ?? options.startingModel else {
            throw ValidationError("a model to begin with is needed")
        }
        guard !options.paths.isEmpty else {
            throw ValidationError("--data with rows is needed, or data in a --config file")
        }
        let run = options.out ?? sibling(of: model, name)
        try TrainingDisplay.demandFree(run, resume: training.resume, options)
        let files = try ModelFiles.opened(name: model)
        if let adapter = files.adapters.first {
            throw AdapterOnAdapter(run: model, base: files.path, adapter: adapter.path)
        }
        let isNew = !Folder.exists(run), lock = try RunLock(run: run)
        let trainer: Trainer
        do { trainer = try make(run, files, baseName(model)) } catch {
            if isNew { RunLock.removeUnused(run) }
            throw error
        }
        try TrainingDisplay(trainer: trainer, json: training.json, lock: lock).run(resume: training.resume)
    }

    static func tell(_ tally: CorpusTally, learnt: Int, held: Int, _ unit: String, _ tokens: Int) {
        for entry in tally.entries { Terminal.note(entry.description) }
        Terminal.note("\(learnt) \(unit) to learn from, \(tokens) tokens; \(held) are held out")
    }
}
