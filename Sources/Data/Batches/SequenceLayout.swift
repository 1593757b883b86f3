/// How tokens become rows of one length.
public enum SequenceLayout: Sendable, Hashable {
    /// Rows are cut from the stream of tokens wherever they fall, across documents, as GPT-2 was trained.
    case contiguous
    /// The same rows, but a token sees its own document only and positions begin anew with each; the first token of a
    /// document is nobody's target.
    case contiguousDocuments
    /// Documents are put into rows whole where they fit, each seeing itself only.
    case packed(Packing)

    public enum Packing: Sendable, Hashable {
        /// One after the other; what does not fit begins a row.
        case sequential
        /// The longest first, each into the row it fills best: least padding.
        case bestFit
        /// Each on a row of its own.
        case single
    }
}
