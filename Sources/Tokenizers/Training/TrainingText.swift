/// Text to learn from. Nothing is learned across the end of one.
public enum TrainingText: Sendable {
    /// A file, read in blocks: it may be larger than memory.
    case file(String)
    case text(String)
    case bytes([UInt8])
    /// A text that could not be had: training ends with this error.
    case missing(TokenizerTrainingError)
}

/// What is cut into words at a time.
public enum TrainingUnit: String, Sendable, CaseIterable {
    /// Each text as a whole, as it will be encoded: `train_from_iterator` of the `tokenizers` library.
    case text
    /// Each line with its end, so that no word holds a line break and what follows it: `train` of that library.
    case line
}
