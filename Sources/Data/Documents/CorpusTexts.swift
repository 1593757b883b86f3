import MartletFormats
import MartletTokenizers

/// The texts of a corpus, in order, to train a tokenizer on. Plain text files are passed on by path and read in blocks;
/// documents of other files are read one by one.
struct CorpusTexts: Sequence, IteratorProtocol {
    private let options: CorpusOptions
    /// Whether the separators of text files are special tokens, at which the trainer splits texts itself.
    private let cutsItself: Bool
    private var files: ArraySlice<CorpusFile>
    private var corpus: Corpus?

    init(_ corpus: Corpus, options: CorpusOptions, specialTokens: [String]) {
        files = corpus.files[...]
        self.options = options
        cutsItself = options.separator.map(specialTokens.contains) ?? true
    }

    mutating func next() -> TrainingText? {
        do throws(DataError) {
            while true {
                if let document = try corpus?.nextDocument() { return .bytes(document.plainText) }
                corpus = nil
                guard let file = files.popFirst() else { return nil }
                if file.format == .text, cutsItself, !file.isPacked, try Self.isPlain(file.path) {
                    return .file(file.path)
                }
                corpus = try Corpus([file.path], options: options)
            }
        } catch {
            files = []
            return .missing(error.asTokenizerTrainingError)
        }
    }

    /// Whether the first bytes of a file belong neither to a compressed file nor to a byte order mark.
    private static func isPlain(_ path: String) throws(DataError) -> Bool {
        var start = [UInt8](repeating: 0, count: 4)
        var failure: DecompressionError?
        do throws(DecompressionError) {
            let file = try FileSource(path: path)
            start.withUnsafeMutableBytes { buffer in
                do throws(DecompressionError) { _ = try file.read(into: buffer) } catch { failure = error }
            }
            if let failure { throw failure }
        } catch {
            throw DataError(error, path: path)
        }
        let marks: [[UInt8]] = [
            [0x1F, 0x8B], [0x28, 0xB5, 0x2F, 0xFD], [0xEF, 0xBB, 0xBF], [0xFF, 0xFE], [0xFE, 0xFF],
        ]
        let isSkippable = start[0] & 0xF0 == 0x50 && start[1...] == [0x2A, 0x4D, 0x18]
        return !isSkippable && !marks.contains { start.starts(with: $0) }
    }
}

extension CorpusFile {
    fileprivate var isPacked: Bool { [".gz", ".zst"].contains { path.lowercased().hasSuffix($0) } }
}

extension DataError {
    fileprivate var asTokenizerTrainingError: TokenizerTrainingError {
        .unreadable(file: [path, place].compactMap { $0 }.joined(separator: ": "), reason: reason)
    }
}

extension TokenizerTrainer {
    /// Trains on files and folders of text, records, tables and their compressed forms: what `Corpus` reads.
    ///
    /// ```swift
    /// let trained = try BytePairTrainer(vocabularySize: 10_000, specialTokens: ChatMarkup.specialTokens)
    ///     .train(corpus: ["corpus/"])
    /// try trained.write(to: "tok")
    /// ```
    ///
    /// - Throws: `DataError` that names the file; `TokenizerTrainingError`.
    public func train(corpus paths: [String], options: CorpusOptions = CorpusOptions()) throws -> TrainedTokenizer {
        let corpus = try Corpus(paths, options: options)
        let texts = CorpusTexts(corpus, options: options, specialTokens: specialTokens)
        // The size of compressed files after decompression is unknown.
        let isPacked = corpus.files.contains { $0.isPacked || $0.format == .parquet }
        let byteCount: Int? = isPacked ? nil : corpus.byteCount
        let failure: TokenizerTrainingError
        do throws(TokenizerTrainingError) {
            return try train(texts, byteCount: byteCount)
        } catch {
            failure = error
        }
        guard failure == .noText else { throw failure }
        let name = paths.count == 1 ? paths[0] : "\(paths[0]) and \(paths.count - 1) more"
        throw DataError(.missing, path: name, "holds no text to train a tokenizer on")
    }
}
