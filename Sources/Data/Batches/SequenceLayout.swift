/// How tokens are arranged into rows of one length.
public enum SequenceLayout: Sendable, Hashable {
    /// Rows are cut from the token stream at any position, across documents, as in GPT-2's training.
    case contiguous
    /// The same rows, but a token attends only to its own document, and positions restart in each document; the first
    /// token of a document is not a target.
    case contiguousDocuments
    /// Whole documents are packed into rows where they fit, each attending only to itself.
    case packed(Packing)

    public enum Packing: Sendable, Hashable {
        /// In order; a document that does not fit starts a new row.
        case sequential
        /// The longest first, each into the row it fills best: least padding.
        case bestFit
        /// Each document in a row of its own.
        case single
    }
}
