/// A text to train on. Nothing is learned across its end.
public enum TrainingText: Sendable {
    /// A file, read in blocks: it may be larger than memory.
    case file(String)
    case text(String)
    case bytes([UInt8])
    /// A text that could not be read: training ends with this error.
    case missing(TokenizerTrainingError)
}

/// The unit of text that is split into words.
public enum TrainingUnit: String, Sendable, CaseIterable {
    /// Each text as a whole, as in encoding: `train_from_iterator` of the `tokenizers` library.
    case text
    /// Each line with its line break, so that no word contains a line break and the text after it: `train` of that
    /// library.
    case line
}
