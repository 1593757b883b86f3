import ArgumentParser
import Martlet
import MartletVerbs

struct DataPreviewCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "preview",
        abstract: "Show what a model would be trained on, token by token.",
        discussion: """
            Shows documents of a corpus, or of a .shard file, as tokens. On a terminal, tokens that are trained on are \
            green, by turns light and dark, and those that are only read are grey; elsewhere what is trained on stands \
            between ⟦ and ⟧, followed by ×0.5 where it has a weight of its own. --tokens lists one token a line. Behind them stands what of the corpus is left out or changed \
            and why, with the first record of each kind, counted over the first --scan records.

            Pairs of replies, replies that were judged and prompts without a reply are shown as what they are, as dpo, \
            reward and grpo read them; --as texts shows what sft and pack make of them.

            Examples:
              martlet data preview chat.jsonl --tokenizer model/
              martlet data preview pairs.json --tokenizer model/ --documents 1
              martlet data preview shards/train-00000.shard --tokenizer shards/ --documents 1 --tokens
            """)

    @Argument(help: "Files and folders, or one .shard file.") var paths: [String]
    @OptionGroup var source: CorpusFlags
    @Option(help: "rows: feedback and prompts as what they are; texts: as sft and pack read them.") var `as` = Reading
        .rows
    @Option(help: "Documents to show.") var documents = 3
    @Option(help: "Documents to pass over first.") var skip = 0
    @Option(help: "Tokens to show of each.") var limit = 400
    @Option(help: "Records to look at for what is left out.") var scan = 1000
    @Flag(help: "One token a line: place, label (and weight), id, token.") var tokens = false

    enum Reading: String, ExpressibleByArgument, CaseIterable { case rows, texts }

    func validate() throws {
        try demand("--documents", documents, 1...)
        try demand("--skip", skip, 0...)
        try demand("--limit", limit, 1...)
        try demand("--scan", scan, 0...)
    }

    func run() throws {
        let tokenizer = try CorpusTokenizer(source.tokenizer).tokenizer
        if paths.count == 1, paths[0].hasSuffix(".shard") || paths[0].hasSuffix(".bin") {
            if let idle = source.givenForRecords.first {
                throw ValidationError("\(paths[0]) holds tokens already: \(idle) is of records and texts, leave it out")
            }
            let shard = try TokenShard(path: paths[0], findsDocuments: true)
            let own = VocabularyIdentity(tokenizer)
            if let made = shard.vocabulary, made != own {
                throw DataError(
                    .invalid, path: shard.path, field: "vocabulary", "is \(made), but the tokenizer has \(own)")
            }
            for document in skip..<max(min(shard.documentCount, skip + documents), skip) {
                let range = shard.range(ofDocument: document)
                let ids = try shard.tokens(range.lowerBound..<min(range.upperBound, range.lowerBound + limit))
                let labels = try range.prefix(limit).map { try shard.weight(of: $0) }
                let trained = range.count { shard.isTrained($0) }
                try show(
                    ids, labels, total: range.count, trained: trained, "\(shard.path): document \(document)", tokenizer)
            }
            return
        }
        try CorpusReport.explaining { try preview(tokenizer) }
    }

    private func preview(_ tokenizer: Tokenizer) throws {
        var options = try source.options()
        if `as` == .rows {
            options.feedback = .whereThere
            options.keepsPrompts = true
        }
        let corpus = try Corpus(paths, options: options), encoder = try source.encoder(tokenizer)
        let rows = `as` == .rows && source.chats == .template ? try source.chatEncoder(tokenizer) : nil
        CorpusReport.tellFiles(corpus)
        corpus.onBadRecord = { Terminal.note("left out: \($0)") }
        var tally = CorpusTally(), shown = 0, read = 0
        while shown < documents || read < scan, let document = try corpus.nextDocument() {
            read += 1
            if let parts = try rows?.preview(document, corpus) {
                if let most = source.maxTokens, parts.contains(where: { $0.chat.tokens.count > most }) {
                    tally.add(.longPair, at: document.origin)
                    continue
                }
                guard read > skip, shown < documents, !parts.isEmpty else { continue }
                shown += 1
                for part in parts {
                    try show(
                        Array(part.chat.tokens.prefix(limit)),
                        Self.weights(part.chat.isTrained, part.chat.weights, limit),
                        total: part.chat.tokens.count, trained: part.chat.trainedCount,
                        "\(document.origin), \(part.name)", tokenizer)
                }
                continue
            }
            let encoding: DocumentEncoding
            do throws(DataError) {
                encoding = try encoder.encode(document)
            } catch {
                guard error.kind == .malformed else { throw error }
                try corpus.passOver(error)
                continue
            }
            for note in encoding.notes { tally.add(note, at: document.origin) }
            guard read > skip, shown < documents else { continue }
            shown += 1
            for (index, sequence) in encoding.sequences.enumerated() {
                let isTrained = sequence.isTrained ?? Array(repeating: true, count: sequence.tokens.count)
                let part = encoding.sequences.count > 1 ? ", sequence \(index + 1) of \(encoding.sequences.count)" : ""
                try show(
                    Array(sequence.tokens.prefix(limit)), Self.weights(isTrained, sequence.weights, limit),
                    total: sequence.tokens.count, trained: sequence.trainedCount, document.origin + part, tokenizer)
            }
            if encoding.sequences.isEmpty { print("\(document.origin): left out\n") }
        }
        var all = corpus.tally
        all.add(tally)
        print(
            all.entries.isEmpty
                ? "nothing is left out or changed in \(read) records"
                : "left out or changed, beside and among \(read) records that are read:")
        for entry in all.entries { print("  \(entry.description)") }
    }

    private static func weights(_ isTrained: [Bool], _ weights: [Float]?, _ limit: Int) -> [Float] {
        Array((weights ?? isTrained.map { $0 ? 1 : 0 }).prefix(limit))
    }

    /// - Parameter weights: what each token counts in the loss; 0 is only read.
    private func show(
        _ ids: [Int32], _ weights: [Float], total: Int, trained: Int, _ title: String, _ tokenizer: Tokenizer
    ) throws {
        print("\(title): \(total) tokens, \(trained) trained on")
        if tokens {
            for (index, id) in ids.enumerated() {
                let weight = weights[index], label = weight == 0 ? "read" : weight == 1 ? "train" : "train ×\(weight)"
                print(
                    "\(index)".padding(7) + label.padding(weights.allSatisfy { $0 == 0 || $0 == 1 } ? 7 : 14)
                        + "\(id)".padding(8) + (tokenizer.token(id) ?? ""))
            }
        } else {
            print(Terminal.outputIsTerminal ? coloured(ids, weights, tokenizer) : marked(ids, weights, tokenizer))
        }
        if ids.count < total { print("… \(total - ids.count) tokens more") }
        print("")
    }

    /// Runs of one label, each decoded as a whole, so that characters of several tokens come out.
    private func runs(_ ids: [Int32], _ weights: [Float]) -> [Range<Int>] {
        var runs: [Range<Int>] = []
        for index in ids.indices {
            if let last = runs.last, weights[last.lowerBound] == weights[index] {
                runs[runs.count - 1] = last.lowerBound..<index + 1
            } else {
                runs.append(index..<index + 1)
            }
        }
        return runs
    }

    private func marked(_ ids: [Int32], _ weights: [Float], _ tokenizer: Tokenizer) -> String {
        runs(ids, weights).map { run in
            let text = safe(ids[run].flatMap { tokenizer.bytes(of: $0) ?? [] }), weight = weights[run.lowerBound]
            return weight == 0 ? text : "⟦\(text)⟧" + (weight == 1 ? "" : "×\(weight)")
        }.joined()
    }

    private func coloured(_ ids: [Int32], _ weights: [Float], _ tokenizer: Tokenizer) -> String {
        var text = "", pending: [UInt8] = []
        for (index, id) in ids.enumerated() {
            pending += tokenizer.bytes(of: id) ?? []
            // A character may be spread over tokens: it is shown with the last of them.
            let isWhole = String(validating: pending, as: UTF8.self) != nil || pending.count > 8
            guard isWhole || index == ids.count - 1 else { continue }
            let colour = weights[index] == 0 ? "90" : index % 2 == 0 ? "30;42" : "30;102"
            text += "\u{1B}[\(colour)m\(safe(pending).replacing("\n", with: "⏎\u{1B}[0m\n\u{1B}[\(colour)m"))\u{1B}[0m"
            pending = []
        }
        return text
    }

    /// Text without control characters, so that it cannot control the terminal.
    private func safe(_ bytes: [UInt8]) -> String {
        var result = ""
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            if scalar == "\n" || scalar == "\t" || scalar.properties.generalCategory != .control {
                result.unicodeScalars.append(scalar)
            } else {
                result += "\\u{\(String(scalar.value, radix: 16))}"
            }
        }
        return result
    }
}
