import ArgumentParser
import Martlet
import MartletSystem
import MartletVerbs

struct DataPackCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pack",
        abstract: "Turn a corpus into token shards to train on.",
        discussion: """
            A corpus is files and folders: text (.txt, .md), records (.jsonl, .json), tables (.csv, .tsv, .parquet, \
            .arrow), each also with .gz or .zst. Of a folder the train split is read, as a hub repository's README, a data \
            set saved to disk or the files' names tell; --data-split takes another or all. Records hold a text, a conversation \
            (messages, conversations), a prompt and its response (instruction and output, question and answer, \
            prompt and completion, …), a preference pair, of which the chosen reply is learnt, or token ids; --field names \
            another field, --map several, such as prompt=question,response=solution.

            The folder that --out names appears when all is done, with a copy of the tokenizer. Conversations go \
            through the tokenizer's chat template, and the assistant's tokens alone are trained on; --chats text makes \
            plain texts of them. Whatever is left out or changed is counted and told.

            Examples:
              martlet data pack corpus/ --tokenizer tok/ --out shards/
              martlet data pack tinyshakespeare.txt --tokenizer tok/ --validation 0.1 --out shards/
              martlet data pack alpaca.json --tokenizer smollm2 --out sft/
              martlet data pack math/ --map prompt=problem,response=solution --tokenizer model.gguf --out sft/
            """)

    @Argument(help: "Files and folders.") var paths: [String]
    @OptionGroup var source: CorpusFlags
    @Option(name: .shortAndLong, help: "The folder to write.") var out: String
    @Option(help: "The share kept for validation; by default 0.01, and up to 0.1 where there is little.")
    var validation: Double?
    @Option(help: "documents: by their hash; tail: every text's end; auto: the tail of a single text.")
    var split = PackOptions.Split.auto
    @Option(help: "Tokens a shard.") var shardTokens = 100_000_000
    @Option(help: "Another salt keeps other documents for validation.") var splitSalt: UInt64 = 0
    @Flag(help: "Replace shards that are in the folder already.") var overwrite = false
    @Flag(help: "Print the result as a JSON object.") var json = false

    func validate() throws {
        try demand("--shard-tokens", shardTokens, 1...)
        guard (0..<1).contains(validation ?? 0) else {
            throw ValidationError("--validation is \(validation ?? 0); expected a share from 0 to below 1, as 0.1")
        }
    }

    func run() throws {
        let corpus = try Corpus(paths, options: try source.options())
        let tokenizer = try CorpusTokenizer(source.tokenizer)
        let encoder = try source.encoder(tokenizer.tokenizer)
        CorpusReport.tellFiles(corpus)
        corpus.onBadRecord = { Terminal.note("left out: \($0)") }
        if encoder.separator == nil, !encoder.makesMasks {
            Terminal.note("the tokenizer has no token that ends documents; they follow each other without one")
        }
        var options = PackOptions()
        options.validation = validation
        options.split = split
        options.salt = splitSalt
        options.shardTokens = shardTokens
        options.replacesShards = overwrite
        let interrupted = StopRequest()
        var line = StatusLine(shown: -10)
        let started = ContinuousClock.now
        let result = try CorpusReport.explaining {
            try CorpusPacker(corpus, encoder: encoder, options: options).pack(
                into: out, tokenizerFolder: tokenizer.folder, tokenizerFiles: tokenizer.files,
                isInterrupted: { interrupted.isRequested }
            ) { progress in
                let seconds = (ContinuousClock.now - started).inSeconds
                line.show(progress.line(after: seconds), after: seconds)
            }
        }
        line.clear()
        guard let result else {
            Terminal.note("interrupted; nothing was written")
            throw ExitCode(130)
        }
        let seconds = (ContinuousClock.now - started).inSeconds
        if corpus.cutCount > 0 {
            Terminal.note("texts without separator were cut \(corpus.cutCount) times: documents end there")
        }
        CorpusReport.tell(result)
        if result.validationShare > 0, result.validationTokens == 0 {
            Terminal.note(
                "no document fell into validation: there are few; raise --validation, or use --split tail")
        }
        if json {
            print(JSON.object(JSONObject(facts(result, seconds))).text())
        } else {
            let ratio = (Double(result.textBytes) / Double(max(result.tokens, 1))).rounded(to: 2)
            print(
                "\(out): \(result.trainingTokens) training and \(result.validationTokens) validation tokens of "
                    + "\(result.documents) documents (\(ratio) bytes a token), "
                    + ElapsedTime.text(seconds, decimals: 1))
        }
    }

    private func facts(_ result: PackProgress, _ seconds: Double) -> [(String, JSON)] {
        [
            ("path", .string(out)), ("documents", .integer(Int64(result.documents))),
            ("conversations", .integer(Int64(result.conversations))),
            ("sequences", .integer(Int64(result.sequences))),
            ("empty_documents", .integer(Int64(result.tally[.emptyText]))),
            ("told", result.tally.json), ("trained_tokens", .integer(Int64(result.trainedTokens))),
            ("validation_share", .number(result.validationShare)),
            ("train_tokens", .integer(Int64(result.trainingTokens))),
            ("validation_tokens", .integer(Int64(result.validationTokens))),
            ("validation_documents", .integer(Int64(result.validationDocuments))),
            ("text_bytes", .integer(Int64(result.textBytes))), ("seconds", .number(seconds.rounded(to: 3))),
        ]
    }
}

extension PackProgress {
    /// "12% 340 documents, 50000 tokens, 3.1 MB/s", after so many seconds.
    fileprivate func line(after seconds: Double) -> String {
        let share = Int(100 * Double(bytesRead) / Double(max(byteCount, 1)))
        let speed = Terminal.bytes(Int(Double(textBytes) / max(seconds, 0.001)))
        return "\(share)% \(documents) documents, \(tokens) tokens, \(speed)/s"
    }
}
