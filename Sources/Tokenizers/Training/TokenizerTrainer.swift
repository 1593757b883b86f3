/// A tokenizer trainer: `BytePairTrainer`, `WordPieceTrainer`, `UnigramTrainer`.
public protocol TokenizerTrainer: Sendable {
    var vocabularySize: Int { get set }
    var specialTokens: [String] { get set }
    /// 0 uses all processors. Results do not depend on it.
    var threads: Int { get set }
    var observer: TrainingObserver? { get set }

    init()

    /// Trains on texts, which are read from the sequence as needed.
    /// - Parameter byteCount: total bytes of all texts, for progress; nil if unknown.
    func train(
        _ texts: some Sequence<TrainingText>, byteCount: Int?
    ) throws(TokenizerTrainingError) -> TrainedTokenizer
}

extension TokenizerTrainer {
    /// - Parameter specialTokens: the trainer's defaults if omitted.
    public init(vocabularySize: Int, specialTokens: [String]? = nil) {
        self.init()
        self.vocabularySize = vocabularySize
        if let specialTokens { self.specialTokens = specialTokens }
    }

    /// Trains on files, which are read in blocks.
    public func train(files: [String]) throws(TokenizerTrainingError) -> TrainedTokenizer {
        try train(files.map(TrainingText.file), byteCount: try TrainingText.size(ofFiles: files))
    }

    /// Trains on texts, which are read from the sequence as needed.
    public func train(_ texts: some Sequence<TrainingText>) throws(TokenizerTrainingError) -> TrainedTokenizer {
        try train(texts, byteCount: nil)
    }

    /// Trains on strings, each of which is a separate text.
    public func train(_ texts: some Sequence<String>) throws(TokenizerTrainingError) -> TrainedTokenizer {
        try train(texts.lazy.map(TrainingText.text), byteCount: nil)
    }
}
