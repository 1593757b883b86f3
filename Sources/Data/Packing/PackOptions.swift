/// How a corpus becomes shards.
public struct PackOptions: Sendable {
    /// Which part is kept for validation.
    public enum Split: String, Sendable, CaseIterable {
        /// Whole documents, chosen by their hash.
        case documents
        /// The last part of every text.
        case tail
        /// Documents when there are several, else the tail of the only one.
        case auto
    }

    /// The share kept for validation; nil chooses one by how much there is: `usualValidation`, more of small corpora.
    public var validation: Double?
    /// The share of corpora that are large enough.
    public var usualValidation = 0.01
    public var split = Split.auto
    /// Another salt chooses other documents.
    public var salt: UInt64 = 0
    /// A shard is closed by the document that brings it to so many tokens.
    public var shardTokens = 100_000_000
    /// Whether shards that are in the folder already may be replaced.
    public var replacesShards = false

    public init() {}

    /// Bytes that are enough to validate on.
    private static let enough = 100_000.0

    /// The share kept of a corpus of so many bytes.
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

/// What packing has done so far.
public struct PackProgress: Sendable, Equatable {
    /// Documents that were read, and conversations among them.
    public var documents = 0
    public var conversations = 0
    /// Sequences of tokens that they became.
    public var sequences = 0
    public var trainingTokens = 0
    public var validationTokens = 0
    public var validationDocuments = 0
    /// Tokens of either side that are trained on.
    public var trainedTokens = 0
    /// Bytes of text.
    public var textBytes = 0
    /// Bytes of the files, of all of them.
    public var bytesRead = 0
    public var byteCount = 0
    /// The share that is kept for validation, and whether it follows from how much there is.
    public var validationShare = 0.0
    public var isShareDerived = false
    /// What was left out or changed.
    public var tally = CorpusTally()
    public var tokens: Int { trainingTokens + validationTokens }

    public init() {}
}
