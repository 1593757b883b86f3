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

    /// The share kept for validation.
    public var validation = 0.01
    public var split = Split.auto
    /// Another salt chooses other documents.
    public var salt: UInt64 = 0
    /// A shard is closed by the document that brings it to so many tokens.
    public var shardTokens = 100_000_000
    /// Whether shards that are in the folder already may be replaced.
    public var replacesShards = false

    public init() {}

    func check() throws(DataError) {
        _ = try DocumentSplit(validation: validation, salt: salt)
        guard shardTokens > 0 else {
            throw DataError(.invalid, field: "shard tokens", "is \(shardTokens), expected at least 1")
        }
    }
}

/// What packing has done so far.
public struct PackProgress: Sendable, Equatable {
    public var documents = 0
    /// Documents without any token, which are left out.
    public var emptyDocuments = 0
    public var trainingTokens = 0
    public var validationTokens = 0
    public var validationDocuments = 0
    /// Bytes of text.
    public var textBytes = 0
    /// Bytes of the files, of all of them.
    public var bytesRead = 0
    public var byteCount = 0
    public var tokens: Int { trainingTokens + validationTokens }

    public init() {}
}
