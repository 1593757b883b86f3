import MartletJSON
import MartletTensor

/// Makes shards of a corpus: documents are read in order, tokenised on every processor, and written in order, so
/// that the shards' bytes depend on the corpus and the options only.
public struct CorpusPacker {
    public let corpus: Corpus
    public let encoder: DocumentEncoder
    public let options: PackOptions

    /// Text that is tokenised at a time: enough for every processor, and a bound on memory.
    private static let stretch = 8 << 20

    public init(_ corpus: Corpus, encoder: DocumentEncoder, options: PackOptions = PackOptions()) {
        self.corpus = corpus
        self.encoder = encoder
        self.options = options
    }

    /// Writes `train-*.shard` and `validation-*.shard`, `shards.json`, and a copy of the tokenizer's files. The folder
    /// appears when all of it is done; after an error or an interruption there is nothing.
    /// - Parameters:
    ///   - tokenizerFolder: whose files are copied.
    ///   - tokenizerFiles: what is written beside the shards where there is no such folder.
    ///   - isInterrupted: asked between stretches of documents.
    /// - Returns: nil after an interruption.
    public func pack(
        into folder: String, tokenizerFolder: String? = nil, tokenizerFiles: [(name: String, bytes: [UInt8])] = [],
        isInterrupted: () -> Bool = { false },
        progress report: (PackProgress) -> Void = { _ in }
    ) throws(DataError) -> PackProgress? {
        try options.check()
        let split = try DocumentSplit(validation: options.validation, salt: options.salt)
        var waiting: [Document] = []
        while waiting.count < 2, let document = try corpus.nextDocument() { waiting.append(document) }
        guard let first = waiting.first else {
            throw DataError(.invalid, path: corpus.files.first?.path, "the corpus has no documents")
        }
        let cutsTails =
            options.validation > 0 && (options.split == .tail || options.split == .auto && waiting.count == 1)
        if options.validation > 0, waiting.count == 1 {
            if case .chat = first.content {
                throw DataError(
                    .invalid, path: first.path,
                    "the corpus is one conversation, of which nothing can be kept for validation; add more, or ask for "
                        + "no validation")
            }
            if options.split == .documents {
                throw DataError(
                    .invalid, path: first.path,
                    "the corpus is one document, which cannot be split by documents; split its tail off, or ask for no "
                        + "validation")
            }
        }
        let output = try ShardFolder(
            folder, vocabulary: VocabularyIdentity(encoder.tokenizer),
            separator: encoder.makesMasks ? nil : encoder.separator,
            hasMask: encoder.makesMasks, shardTokens: options.shardTokens, replaces: options.replacesShards)
        var progress = PackProgress()
        progress.byteCount = corpus.byteCount
        while true {
            if isInterrupted() {
                output.discard()
                return nil
            }
            var bytes = waiting.reduce(0) { $0 + $1.plainText.count }
            while bytes < Self.stretch, waiting.count < 1 << 14, let document = try corpus.nextDocument() {
                bytes += document.plainText.count
                waiting.append(document)
            }
            if waiting.isEmpty { break }
            for part in try encoded(waiting, split, cutsTails) {
                try write(part, to: output, &progress)
            }
            waiting.removeAll(keepingCapacity: true)
            progress.bytesRead = corpus.bytesRead
            report(progress)
        }
        guard progress.trainingTokens > 0 else {
            throw DataError(.invalid, path: first.path, "the corpus has no text to train on")
        }
        try output.finish(
            tokenizerFolder: tokenizerFolder, tokenizerFiles,
            [
                (
                    "split",
                    [
                        "by": .string(cutsTails ? "tail" : "documents"), "validation": .number(options.validation),
                        "salt": .integer(Int64(truncatingIfNeeded: options.salt)),
                    ]
                ),
                ("sources", .array(corpus.files.map { .string($0.path) })),
            ])
        return progress
    }

    /// Takes away a folder that `pack` has written.
    package static func remove(folder: String) { ShardFolder.remove(folder) }

    /// A document, or the two parts it was cut into.
    private struct Part: Sendable {
        var documents: [(EncodedDocument, isValidation: Bool)]
        var isEmpty: Bool
    }

    private func encoded(
        _ documents: [Document], _ split: DocumentSplit, _ cutsTails: Bool
    ) throws(DataError) -> [Part] {
        var results = [Result<Part, DataError>?](repeating: nil, count: documents.count)
        results.withUnsafeMutableBufferPointer { results in
            // Each index is written by one thread, and read when all are done.
            nonisolated(unsafe) let results = results
            ThreadPool.shared.run(documents.count) { index in
                results[index] = Result { () throws(DataError) in
                    try part(documents[index], split, cutsTails)
                }
            }
        }
        var parts: [Part] = []
        parts.reserveCapacity(results.count)
        for result in results { if let result { parts.append(try result.get()) } }
        return parts
    }

    private func part(_ document: Document, _ split: DocumentSplit, _ cutsTails: Bool) throws(DataError) -> Part {
        if cutsTails, case .text(let text) = document.content, !text.isEmpty {
            let cut = Self.tail(of: text, share: options.validation)
            var documents: [(EncodedDocument, isValidation: Bool)] = []
            for (range, isValidation) in [(0..<cut, false), (cut..<text.count, true)] where !range.isEmpty {
                let part = Document(.text(Array(text[range])), path: document.path, place: document.place)
                documents.append((try encoder.encode(part), isValidation))
            }
            return Part(documents: documents, isEmpty: false)
        }
        let isEmpty = document.plainText.isEmpty
        if isEmpty { return Part(documents: [], isEmpty: true) }
        let isValidation = split.isValidation(document.identity)
        return Part(documents: [(try encoder.encode(document), isValidation)], isEmpty: false)
    }

    /// Where the last share of a text begins: at a character's first byte.
    static func tail(of text: [UInt8], share: Double) -> Int {
        var cut = Int((Double(text.count) * (1 - share)).rounded(.down))
        while cut < text.count, cut > 0, text[cut] & 0xc0 == 0x80 { cut += 1 }
        return max(min(cut, text.count), 1)
    }

    private func write(_ part: Part, to output: ShardFolder, _ progress: inout PackProgress) throws(DataError) {
        progress.documents += 1
        if part.isEmpty { progress.emptyDocuments += 1 }
        for (document, isValidation) in part.documents {
            try output.append(document, toValidation: isValidation)
            progress.textBytes += document.sourceByteCount
            if isValidation {
                progress.validationTokens += document.tokens.count
                progress.validationDocuments += 1
            } else {
                progress.trainingTokens += document.tokens.count
            }
        }
    }
}
