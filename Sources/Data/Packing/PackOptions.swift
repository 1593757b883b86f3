/// Options of packing a corpus into shards.
public struct PackOptions: Sendable {
    /// What is held out for validation.
    public enum Split: String, Sendable, CaseIterable {
        /// Whole documents, chosen by their hash.
        case documents
        /// The last part of every text.
        case tail
        /// Documents if there are several, else the tail of the only one.
        case auto
    }

    /// The validation fraction; nil chooses it by the size of the corpus: `usualValidation`, more for small ones.
    public var validation: Double?
    /// The validation fraction of sufficiently large corpora.
    public var usualValidation = 0.01
    public var split = Split.auto
    /// Another salt selects other documents.
    public var salt: UInt64 = 0
    /// A shard is closed after the document that reaches this number of tokens.
    public var shardTokens = 100_000_000
    /// Whether existing shards in the folder may be replaced.
    public var replacesShards = false

    public init() {}

    /// Bytes that are enough for validation.
    private static let enough = 100_000.0

    /// The validation fraction for a corpus of this size.
    func share(ofBytes bytes: Int) -> Double {
        if let validation { return validation }
        return max(usualValidation, min(0.1, Self.enough / Double(max(bytes, 1))))
    }

    func check() throws(DataError) {
        _ = try DocumentSplit(validation: validation ?? usualValidation, salt: salt)
        guard shardTokens > 0 else {
            throw DataError(.invalid, field: "shard tokens", "is \(shardTokens), expected at least 1")
        }
    }
}

/// The progress of packing.
public struct PackProgress: Sendable, Equatable {
    /// Documents read, and how many of them are conversations.
    public var documents = 0
    public var conversations = 0
    /// Token sequences produced from them.
    public var sequences = 0
    public var trainingTokens = 0
    public var validationTokens = 0
    public var validationDocuments = 0
    /// Tokens with a loss, on both sides of the split.
    public var trainedTokens = 0
    /// Bytes of text.
    public var textBytes = 0
    /// Bytes read from the files, and their total size.
    public var bytesRead = 0
    public var byteCount = 0
    /// The validation fraction, and whether it was chosen by the size of the corpus.
    public var validationShare = 0.0
    public var isShareDerived = false
    /// What was left out or changed.
    public var tally = CorpusTally()
    public var tokens: Int { trainingTokens + validationTokens }

    public init() {}
}
