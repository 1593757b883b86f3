import MartletJSON
import MartletSystem
import MartletTensor

/// Packs a corpus into token shards: documents are read in order, tokenized on all processors, and written in order, so
/// the shards' bytes depend only on the corpus and the options.
///
/// ```swift
/// let encoder = DocumentEncoder(tokenizer: tokenizer, separator: tokenizer.eosTokens.min())
/// let packer = CorpusPacker(try Corpus(["texts", "more.jsonl"]), encoder: encoder)
/// if let done = try packer.pack(into: "shards", tokenizerFolder: "tokenizer") { print(done) }
/// ```
public struct CorpusPacker {
    public let corpus: Corpus
    public let encoder: DocumentEncoder
    public let options: PackOptions

    /// Bytes of text tokenized at a time: enough for all processors, and a limit on memory.
    private static let stretch = 8 << 20

    public init(_ corpus: Corpus, encoder: DocumentEncoder, options: PackOptions = PackOptions()) {
        self.corpus = corpus
        self.encoder = encoder
        self.options = options
    }

    /// Writes `train-*.shard` and `validation-*.shard`, `shards.json`, and a copy of the tokenizer's files. The folder
    /// appears when everything is complete; after an error or an interruption nothing remains.
    /// - Parameters:
    ///   - tokenizerFolder: the folder whose tokenizer files are copied.
    ///   - tokenizerFiles: files to write beside the shards if there is no such folder.
    ///   - isInterrupted: called between blocks of documents.
    /// - Returns: nil after an interruption.
    public func pack(
        into folder: String, tokenizerFolder: String? = nil, tokenizerFiles: [(name: String, bytes: [UInt8])] = [],
        isInterrupted: () -> Bool = { false },
        progress report: (PackProgress) -> Void = { _ in }
    ) throws(DataError) -> PackProgress? {
        try options.check()
        var progress = PackProgress()
        progress.byteCount = corpus.byteCount
        progress.validationShare = options.share(ofBytes: corpus.byteCount)
        progress.isShareDerived = options.validation == nil
        var split = try DocumentSplit(validation: progress.validationShare, salt: options.salt)
        var waiting: [Document] = []
        try read(&waiting)
        guard let first = waiting.first else {
            throw DataError(
                .invalid, path: corpus.files.first?.path, "the corpus has no documents" + Self.why(corpus.tally))
        }
        let cutsTails = try cutsTails(waiting, progress.validationShare)
        if progress.isShareDerived, !cutsTails, !corpus.hasMore { split = split.fitting(waiting) }
        let output = try ShardFolder(
            folder, vocabulary: VocabularyIdentity(encoder.tokenizer),
            separator: encoder.makesMasks ? nil : encoder.separator,
            hasMask: encoder.makesMasks, shardTokens: options.shardTokens, replaces: options.replacesShards)
        var ownTally = CorpusTally()
        while !waiting.isEmpty {
            if isInterrupted() {
                output.discard()
                return nil
            }
            for (document, part) in zip(waiting, encoded(waiting, split, cutsTails ? progress.validationShare : nil)) {
                do throws(DataError) {
                    try write(part.get(), of: document, to: output, &progress, &ownTally)
                } catch {
                    // An error other than a malformed record would affect the next records too.
                    guard error.kind == .malformed else { throw error }
                    try corpus.passOver(error)
                }
            }
            waiting.removeAll(keepingCapacity: true)
            try read(&waiting)
            progress.bytesRead = corpus.bytesRead
            progress.tally = corpus.tally
            progress.tally.add(ownTally)
            report(progress)
        }
        guard progress.trainingTokens > 0 else {
            throw DataError(
                .invalid, path: first.path, "the corpus has nothing to train on" + Self.why(progress.tally))
        }
        try output.finish(
            tokenizerFolder: tokenizerFolder, tokenizerFiles, facts(progress, cutsTails ? "tail" : "documents"))
        return progress
    }

    /// Facts for the manifest besides the shards.
    private func facts(_ progress: PackProgress, _ by: String) -> [(String, JSON)] {
        [
            (
                "split",
                [
                    "by": .string(by), "validation": .number(progress.validationShare),
                    "salt": .integer(Int64(truncatingIfNeeded: options.salt)),
                ]
            ),
            ("sources", .array(corpus.files.map { .string($0.path) })),
            ("not_read", .array(corpus.leftOutFiles.map { .string("\($0.path): \($0.reason.text)") })),
            ("told", progress.tally.json),
        ]
    }

    private static func why(_ tally: CorpusTally) -> String {
        tally.entries.isEmpty ? "" : ": " + tally.entries.map(\.description).joined(separator: "; ")
    }

    /// Reads until there is enough for all processors.
    private func read(_ waiting: inout [Document]) throws(DataError) {
        var bytes = 0
        // The way of splitting depends on whether there is one document or several.
        while bytes < Self.stretch || waiting.count < 2, waiting.count < 1 << 14,
            let document = try corpus.nextDocument()
        {
            bytes = bytes.adding(clamped: document.byteCount)
            waiting.append(document)
        }
    }

    /// A text so long that a few of them make up the corpus: holding out whole ones would be too much, or none.
    private static func isLong(_ document: Document) -> Bool {
        if case .text(let text) = document.content { text.count > 4 << 20 } else { false }
    }

    /// Whether the end of every text is held out for validation, instead of whole documents.
    private func cutsTails(_ documents: [Document], _ share: Double) throws(DataError) -> Bool {
        guard share > 0 else { return false }
        let isAlone = documents.count == 1 && !corpus.hasMore
        guard isAlone, let only = documents.first else {
            return options.split == .tail || options.split == .auto && documents.first.map(Self.isLong) ?? false
        }
        guard case .text = only.content else {
            if options.validation == nil { return false }
            throw DataError(
                .invalid, path: only.path,
                "the corpus is one conversation, of which nothing can be kept for validation; add more, or ask for no "
                    + "validation")
        }
        if options.split == .documents {
            if options.validation == nil { return false }
            throw DataError(
                .invalid, path: only.path,
                "the corpus is one document, which cannot be split by documents; split its tail off, or ask for no "
                    + "validation")
        }
        return true
    }

    /// Removes a folder written by `pack`.
    package static func remove(folder: String) { ShardFolder.remove(folder) }

    /// The encoding of a document, or of the two parts it was split into.
    private struct Part: Sendable {
        var sequences: [(EncodedDocument, isValidation: Bool)]
        var notes: [CorpusTally.Kind] = []
    }

    private func encoded(
        _ documents: [Document], _ split: DocumentSplit, _ tail: Double?
    ) -> [Result<Part, DataError>] {
        var results = [Result<Part, DataError>?](repeating: nil, count: documents.count)
        results.withUnsafeMutableBufferPointer { results in
            // Each index is written by one thread, and read when all threads have finished.
            nonisolated(unsafe) let results = results
            ThreadPool.shared.run(documents.count) { index in
                results[index] = Result { () throws(DataError) in try part(documents[index], split, tail) }
            }
        }
        return results.compactMap { $0 }
    }

    private func part(_ document: Document, _ split: DocumentSplit, _ tail: Double?) throws(DataError) -> Part {
        if let tail, case .text(let text) = document.content, !text.isEmpty {
            let cut = Self.tail(of: text, share: tail)
            var part = Part(sequences: [])
            for (range, isValidation) in [(0..<cut, false), (cut..<text.count, true)] where !range.isEmpty {
                let piece = Document(.text(Array(text[range])), path: document.path, place: document.place)
                part.sequences += try encoder.encode(piece).sequences.map { ($0, isValidation) }
            }
            return part
        }
        if document.isEmpty { return Part(sequences: [], notes: [.emptyText]) }
        let isValidation = split.validation > 0 && split.isValidation(document.identity)
        let encoding = try encoder.encode(document)
        return Part(sequences: encoding.sequences.map { ($0, isValidation) }, notes: encoding.notes)
    }

    /// The start of the last part of a text, at a character boundary.
    static func tail(of text: [UInt8], share: Double) -> Int {
        var cut = Int(clamping: (Double(text.count) * (1 - share)).rounded(.down))
        while cut < text.count, cut > 0, text[cut] & 0xc0 == 0x80 { cut += 1 }
        return max(min(cut, text.count), 1)
    }

    private func write(
        _ part: Part, of source: Document, to output: ShardFolder, _ progress: inout PackProgress,
        _ tally: inout CorpusTally
    ) throws(DataError) {
        progress.documents += 1
        if case .chat = source.content { progress.conversations += 1 }
        for note in part.notes { tally.add(note, at: source.origin) }
        if part.sequences.contains(where: \.isValidation) { progress.validationDocuments += 1 }
        for (document, isValidation) in part.sequences {
            try output.append(document, toValidation: isValidation)
            progress.sequences += 1
            progress.textBytes += document.sourceByteCount
            progress.trainedTokens += document.trainedCount
            if isValidation {
                progress.validationTokens += document.tokens.count
            } else {
                progress.trainingTokens += document.tokens.count
            }
        }
    }
}
