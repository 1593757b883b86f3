import ArgumentParser
import Martlet

struct DataPackCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pack",
        abstract: "Turn a corpus into token shards to train on.",
        discussion: """
            A corpus is files and folders: text (.txt, .md), records (.jsonl, .json), tables (.csv, .tsv, .parquet), \
            each also with .gz or .zst. Records hold a text, a conversation (messages, conversations) or a task \
            (instruction and output, question and answer, prompt and completion); --field names another field.

            The folder that --out names appears when all is done, with a copy of the tokenizer. Conversations go \
            through the tokenizer's chat template, and the assistant's tokens alone are trained on; --chats text makes \
            plain texts of them.

            Examples:
              martlet data pack corpus/ --tokenizer tok/ --out shards/
              martlet data pack tinyshakespeare.txt --tokenizer tok/ --validation 0.1 --out shards/
              martlet data pack alpaca.json --tokenizer model/ --chats template --out sft/
            """)

    @Argument(help: "Files and folders.") var paths: [String]
    @OptionGroup var source: CorpusFlags
    @Option(name: .shortAndLong, help: "The folder to write.") var out: String
    @Option(help: "The share kept for validation.") var validation = 0.01
    @Option(help: "documents: by their hash; tail: every text's end; auto: the tail of a single text.")
    var split = PackOptions.Split.auto
    @Option(help: "Tokens a shard.") var shardTokens = 100_000_000
    @Option(help: "Another salt keeps other documents for validation.") var splitSalt: UInt64 = 0
    @Flag(help: "Replace shards that are in the folder already.") var overwrite = false
    @Flag(help: "Print the result as a JSON object.") var json = false

    func run() throws {
        let corpus = try Corpus(paths, options: source.options)
        let tokenizer = try Tokenizer(folder: source.tokenizer)
        let encoder = try source.encoder(tokenizer)
        for path in corpus.skipped.prefix(5) { Terminal.note("not read: \(path)") }
        if corpus.skipped.count > 5 { Terminal.note("not read: \(corpus.skipped.count - 5) more") }
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
        let result = try CorpusPacker(corpus, encoder: encoder, options: options).pack(
            into: out, tokenizerFolder: source.tokenizer, isInterrupted: { interrupted.isRequested }
        ) { progress in
            let seconds = (ContinuousClock.now - started).inSeconds
            line.show(progress.line(after: seconds), after: seconds)
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
        if validation > 0, result.validationTokens == 0 {
            Terminal.note("no document fell into validation: there are few; raise --validation or use --split tail")
        }
        if json {
            print(JSON.object(JSONObject(facts(result, seconds))).text())
        } else {
            let ratio = (Double(result.textBytes) / Double(max(result.tokens, 1))).rounded(to: 2)
            print(
                "\(out): \(result.trainingTokens) training and \(result.validationTokens) validation tokens of "
                    + "\(result.documents - result.emptyDocuments) documents (\(ratio) bytes a token), "
                    + "\(seconds.rounded(to: 1)) s")
        }
    }

    private func facts(_ result: PackProgress, _ seconds: Double) -> [(String, JSON)] {
        [
            ("path", .string(out)), ("documents", .integer(Int64(result.documents))),
            ("empty_documents", .integer(Int64(result.emptyDocuments))),
            ("train_tokens", .integer(Int64(result.trainingTokens))),
            ("validation_tokens", .integer(Int64(result.validationTokens))),
            ("validation_documents", .integer(Int64(result.validationDocuments))),
            ("text_bytes", .integer(Int64(result.textBytes))), ("seconds", .number(seconds.rounded(to: 3))),
        ]
    }
}

extension PackOptions.Split: ExpressibleByArgument {}

/// How a corpus is read and tokenised: the flags that `data pack` and `data preview` share.
struct CorpusFlags: ParsableArguments {
    enum Chats: String, ExpressibleByArgument, CaseIterable { case template, text }

    @Option(help: "The tokenizer's folder.") var tokenizer: String
    @Option(help: "The field or column that holds the text or the messages.") var field: String?
    @Option(help: "What stands between the documents of a text file; \"\" makes each file one document.")
    var separator = "<|endoftext|>"
    @Option(help: "The token that ends a document; \"\" for none. By default the tokenizer's own.")
    var endToken: String?
    @Option(help: "template: conversations through the chat template; text: as plain text.") var chats = Chats.template
    @Option(help: "A file with a chat template, when it is not to be the tokenizer's own.") var template: String?

    var options: CorpusOptions {
        var options = CorpusOptions()
        options.field = field
        options.separator = separator.isEmpty ? nil : separator
        return options
    }

    func encoder(_ tokenizer: Tokenizer) throws -> DocumentEncoder {
        var end = tokenizer.documentEnd
        if let endToken {
            end = endToken.isEmpty ? nil : tokenizer.id(of: endToken)
            guard endToken.isEmpty || end != nil else {
                throw ValidationError("--end-token: the tokenizer has no token \"\(endToken)\"")
            }
        }
        guard chats == .template else { return DocumentEncoder(tokenizer: tokenizer, separator: end) }
        let source: String
        if let template {
            source = String(decoding: try Folder.read(template), as: UTF8.self)
        } else if let own = tokenizer.chatTemplate {
            source = own
        } else {
            return DocumentEncoder(
                tokenizer: tokenizer, separator: end,
                chats: .refused(
                    "is a conversation, and the tokenizer has no chat template; give --template FILE, or --chats text"))
        }
        let chat = ChatEncoder(
            tokenizer: tokenizer,
            template: try ChatTemplate(source: source, specialTokens: tokenizer.namedSpecialTokens))
        return chat.documentEncoder(separator: end)
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
