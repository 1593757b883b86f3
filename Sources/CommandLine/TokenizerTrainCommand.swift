import ArgumentParser
import Martlet
import MartletSystem
import MartletVerbs
import Synchronization

struct TokenizerTrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a tokenizer on a corpus.",
        discussion: """
            A corpus is files and folders: text (.txt, .md), records (.jsonl, .json), tables (.csv, .tsv, .parquet), \
            each also with .gz or .zst. The folder that --out names gets tokenizer.json and tokenizer_config.json, \
            which martlet, tokenizers and transformers read.

            Special tokens have the first ids, in the order given; without --special they are \
            \(ChatMarkup.specialTokens.joined(separator: " ")) (wordpiece: BERT's). Where both tokens that \
            conversations need are among them, the configuration gets a chat template; --no-chat-template leaves it out.

            Examples:
              martlet tokenizer train corpus/*.txt --vocab-size 10000 --out tok/
              martlet tokenizer train tinystories.txt.gz --vocab-size 10000 --tie cs336 \
            --special "<|endoftext|>" --out tok/
              martlet tokenizer train corpus/ --kind unigram --vocab-size 8000 --out tok/ --json
            """)

    enum Kind: String, ExpressibleByArgument, CaseIterable { case bpe, wordpiece, unigram }

    enum Pattern: String, ExpressibleByArgument, CaseIterable {
        case gpt2, cl100k, o200k, llama3, qwen2

        var cut: TrainingCut {
            switch self {
            case .gpt2: .gpt2
            case .cl100k, .llama3: .gpt4()
            case .qwen2: .gpt4(digits: 1)
            case .o200k: .gpt4o
            }
        }
    }

    enum Tie: String, ExpressibleByArgument, CaseIterable {
        case wheel, cs336

        var rule: TieRule { self == .wheel ? .ids : .bytes }
    }

    @Argument(help: "Files and folders.") var paths: [String]
    @Option(help: "How many tokens, special ones and bytes included.") var vocabSize: Int
    @Option(name: .shortAndLong, help: "The folder to write.") var out: String
    @Option(help: "The model.") var kind = Kind.bpe
    @Option(help: "How bpe cuts text into words: as the tokenizer of this name does. (default: gpt2)")
    var pattern: Pattern?
    @Option(
        help: ArgumentHelp(
            "How many of bpe's tokens may join words in small letters, such as \" in the garden\".", valueName: "count")
    )
    var phrases: Int?
    @Option(help: "A special token; can be given several times.") var special: [String] = []
    @Option(help: "A pair of tokens that occurs less often is not merged (bpe, wordpiece).") var minFrequency: Int?
    @Option(help: "Which of equally frequent pairs bpe merges: as the tokenizers library, or as Stanford's CS336.")
    var tie: Tie?
    @Flag(help: "Add the markers of parts for objective fim of martlet train: <|fim_prefix|> and its kin.") var fim =
        false
    @Option(help: "Add so many tokens for objective span-corruption of martlet train: <extra_id_0> and on.")
    var sentinels = 0
    @Flag(inversion: .prefixedNo, help: "Write a ChatML template. (default: when its tokens are special)")
    var chatTemplate: Bool?
    @Option(help: "The field or column of records that holds the text.") var field: String?
    @Option(help: "About how much memory bpe may use, as 2GB or 500MB; beyond it the rarest words are forgotten.")
    var memory: ByteCount?
    @Option(help: "Threads; 0 for all processors. The result is the same.") var threads = 0
    @Flag(help: "Print the result as a JSON object.") var json = false

    private var specials: [String] {
        let usual =
            kind == .wordpiece ? WordPieceTrainer(vocabularySize: vocabSize).specialTokens : ChatMarkup.specialTokens
        var all = special.isEmpty ? usual : special
        if fim { all += ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"].filter { !all.contains($0) } }
        all += (0..<sentinels).map { "<extra_id_\($0)>" }.filter { !all.contains($0) }
        return all
    }

    func validate() throws {
        try demand("--sentinels", sentinels, 0...10_000)
        try demand("--threads", threads, 0...1024)
        guard kind == .bpe || pattern == nil && tie == nil && memory == nil && phrases == nil else {
            throw ValidationError("--pattern, --phrases, --tie and --memory are for --kind bpe")
        }
        guard kind != .unigram || minFrequency == nil else {
            throw ValidationError("--min-frequency is for --kind bpe and wordpiece")
        }
        if chatTemplate == true {
            for token in [ChatMarkup.start, ChatMarkup.end] where !specials.contains(token) {
                throw ValidationError("--chat-template needs --special \"\(token)\"")
            }
        }
    }

    func run() throws {
        let interrupted = StopRequest()
        let line = Mutex(TokenizerLine())
        var trainer = trainer()
        trainer.threads = threads
        trainer.observer = { progress in
            line.withLock { $0.show(progress) }
            return !interrupted.isRequested
        }
        try TrainedTokenizer.checkPlace(out)
        var options = CorpusOptions()
        options.field = field
        CorpusReport.tellFiles(try Corpus(paths, options: options))
        let clock = ContinuousClock()
        let started = clock.now
        var trained: TrainedTokenizer
        do {
            defer { line.withLock { $0.clear() } }
            trained = try trainer.train(corpus: paths, options: options)
        } catch TokenizerTrainingError.cancelled {
            Terminal.note("interrupted; nothing was written")
            throw ExitCode(130)
        } catch TokenizerTrainingError.setting(let name, let found, let expected) {
            throw ValidationError("\(Self.flags[name] ?? name) is \(found); expected \(expected)")
        }
        if chatTemplate ?? [ChatMarkup.start, ChatMarkup.end].allSatisfy(specials.contains) {
            try trained.adoptChatMarkup()
        }
        let seconds = (clock.now - started) / .seconds(1)
        try trained.write(to: out)
        let bytes = line.withLock { $0.bytes }
        if trained.tokens.count < vocabSize {
            Terminal.note("the text has no more to learn: \(trained.tokens.count) tokens instead of \(vocabSize)")
        }
        if trained.forgottenWords > 0 {
            Terminal.note("rare words, met \(trained.forgottenWords) times in all, were forgotten to save memory")
        }
        tell(trained, bytes, seconds)
    }

    private static let flags = [
        "vocabularySize": "--vocab-size", "specialTokens": "--special", "minimumFrequency": "--min-frequency",
        "memory": "--memory", "phraseTokens": "--phrases",
    ]

    private func trainer() -> any TokenizerTrainer {
        switch kind {
        case .bpe:
            var trainer = BytePairTrainer(vocabularySize: vocabSize, specialTokens: specials)
            trainer.minimumFrequency = minFrequency ?? trainer.minimumFrequency
            trainer.cut = pattern?.cut ?? .gpt2
            trainer.phraseTokens = phrases ?? 0
            trainer.ties = tie?.rule ?? .ids
            trainer.memory = memory?.bytes
            return trainer
        case .wordpiece:
            var trainer = WordPieceTrainer(vocabularySize: vocabSize, specialTokens: specials)
            trainer.minimumFrequency = minFrequency ?? trainer.minimumFrequency
            return trainer
        case .unigram: return UnigramTrainer(vocabularySize: vocabSize, specialTokens: specials)
        }
    }

    private func tell(_ trained: TrainedTokenizer, _ bytes: Int, _ seconds: Double) {
        let speed = Double(bytes) / 1e6 / max(seconds, 1e-9)
        if json {
            let result: JSON = [
                "path": .string(out), "kind": .string(kind.rawValue),
                "vocabulary_size": .integer(Int64(trained.tokens.count)),
                "merges": .integer(Int64(trained.merges.count)),
                "special_tokens": .array(specials.map { .string($0) }),
                "chat_template": .bool(trained.chatTemplate != nil), "bytes": .integer(Int64(bytes)),
                "seconds": .number(seconds.rounded(to: 3)), "megabytes_per_second": .number(speed.rounded(to: 2)),
                "forgotten_words": .integer(Int64(trained.forgottenWords)),
                "peak_memory_bytes": .integer(Int64(Terminal.peakMemory)),
            ]
            print(result.text())
        } else {
            print(
                "\(out): \(trained.tokens.count) tokens learned from \(Terminal.bytes(bytes)) in "
                    + "\(ElapsedTime.text(seconds, decimals: 1)) (\(Terminal.fixed(speed, 1)) MB/s)")
        }
    }
}

/// A number of bytes as people write it: 500MB, 2GB, 1000000.
struct ByteCount: ExpressibleByArgument {
    let bytes: Int

    init?(argument: String) {
        let text = argument.uppercased()
        let units = [
            ("KIB", 1024.0), ("MIB", 1_048_576), ("GIB", 1_073_741_824), ("KB", 1e3), ("MB", 1e6), ("GB", 1e9),
            ("B", 1), ("", 1),
        ]
        for (unit, scale) in units where text.hasSuffix(unit) {
            guard let number = Double(text.dropLast(unit.count)), number > 0, number * scale < 1e15 else { return nil }
            bytes = Int(number * scale)
            return
        }
        return nil
    }
}

/// Progress of training, and how much text there was.
private struct TokenizerLine {
    private let started = ContinuousClock.now
    private var line = StatusLine()
    /// Of text, counted so far.
    private(set) var bytes = 0

    mutating func show(_ progress: TokenizerTrainingProgress) {
        if progress.stage == .counting { bytes = progress.done }
        let seconds = (ContinuousClock.now - started) / .seconds(1)
        line.show(progress.line(after: seconds), after: seconds)
    }

    mutating func clear() { line.clear() }
}

extension TokenizerTrainingProgress {
    /// "merging pairs: 900 of 2000, 3 s"
    fileprivate func line(after seconds: Double) -> String {
        func text(_ count: Int) -> String { stage == .counting ? Terminal.bytes(count) : "\(count)" }
        let total = total.map { " of \(text($0))" } ?? ""
        return "\(stage.rawValue): \(text(done))\(total), \(ElapsedTime.text(seconds))"
    }
}
