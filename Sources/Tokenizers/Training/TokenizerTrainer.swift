/// What trains a tokenizer: `BytePairTrainer`, `WordPieceTrainer`, `UnigramTrainer`.
public protocol TokenizerTrainer: Sendable {
    var vocabularySize: Int { get set }
    var specialTokens: [String] { get set }
    /// 0 takes all processors. Results do not depend on it.
    var threads: Int { get set }
    var observer: TrainingObserver? { get set }

    init()

    /// Trains on texts, which are taken from the sequence as they are needed.
    /// - Parameter byteCount: of all texts together, for progress; nil when nobody knows.
    func train(
        _ texts: some Sequence<TrainingText>, byteCount: Int?
    ) throws(TokenizerTrainingError) -> TrainedTokenizer
}

extension TokenizerTrainer {
    /// - Parameter specialTokens: the trainer's usual ones when left out.
    public init(vocabularySize: Int, specialTokens: [String]? = nil) {
        self.init()
        self.vocabularySize = vocabularySize
        if let specialTokens { self.specialTokens = specialTokens }
    }

    /// Trains on files, which are read in blocks.
    public func train(files: [String]) throws(TokenizerTrainingError) -> TrainedTokenizer {
        try train(files.map(TrainingText.file), byteCount: try TrainingText.size(ofFiles: files))
    }

    /// Trains on texts, which are taken from the sequence as they are needed.
    public func train(_ texts: some Sequence<TrainingText>) throws(TokenizerTrainingError) -> TrainedTokenizer {
        try train(texts, byteCount: nil)
    }

    /// Trains on strings, each a text by itself.
    public func train(_ texts: some Sequence<String>) throws(TokenizerTrainingError) -> TrainedTokenizer {
        try train(texts.lazy.map(TrainingText.text), byteCount: nil)
    }
}
