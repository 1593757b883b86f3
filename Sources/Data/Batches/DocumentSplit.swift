/// Which documents are kept for validation.
///
/// A document's bytes alone decide, by their hash: the same in every run, for every tokenizer, order and set of other
/// documents; and two copies of a document are never on both sides.
public struct DocumentSplit: Sendable, Hashable {
    /// The share of documents to keep, 0 to 1.
    public var validation: Double
    public var salt: UInt64

    public init(validation: Double, salt: UInt64 = 0) throws(DataError) {
        guard validation >= 0, validation < 1 else {
            throw DataError(.invalid, field: "validation", "is \(validation), expected at least 0 and below 1")
        }
        self.validation = validation
        self.salt = salt
    }

    public func isValidation(_ document: some Sequence<UInt8>) -> Bool {
        validation > 0 && rank(document) < validation
    }

    /// A document's place between 0 and 1; those below `validation` are kept.
    func rank(_ document: some Sequence<UInt8>) -> Double {
        var hash = StreamHash(salt: 0x73_706C_6974)
        hash.add(salt)
        hash.add(bytes: document)
        return Double(hash.value >> 11) * 0x1p-53
    }

    /// A split of a few documents that leaves some on either side, whatever their order: a small share would keep none,
    /// and then the one with the lowest rank is kept; and of copies of one document all would be kept, and then none is.
    func fitting(_ documents: some Sequence<Document>) -> DocumentSplit {
        let ranks = documents.map { rank($0.identity) }
        guard validation > 0, let lowest = ranks.min(), let highest = ranks.max() else { return self }
        var split = self
        if highest < validation { split.validation = lowest < highest ? lowest.nextUp : 0 }
        if lowest >= validation, lowest < highest { split.validation = lowest.nextUp }
        return split
    }
}
