/// Which documents are held out for validation.
///
/// Only the hash of a document's bytes decides: so the split is the same in every run, for every tokenizer, order and
/// set of other documents, and two copies of a document are never on both sides.
public struct DocumentSplit: Sendable, Hashable {
    /// The fraction of documents to hold out, 0 to 1.
    public var validation: Double
    public var salt: UInt64

    public init(validation: Double, salt: UInt64 = 0) throws(DataError) {
        guard validation >= 0, validation < 1 else {
            throw DataError(.invalid, field: "validation", "is \(validation), expected at least 0 and below 1")
        }
        self.validation = validation
        self.salt = salt
    }

    /// What is held out of so many, as a share: given as one, or from 1 on as a number of them.
    public static func share(_ given: Double, of count: Int) -> Double {
        given < 1 ? given : min(given / Double(max(count, 1)), 0.99)
    }

    public func isValidation(_ document: some Sequence<UInt8>) -> Bool {
        validation > 0 && rank(document) < validation
    }

    /// A document's hash as a number between 0 and 1; those below `validation` are held out.
    func rank(_ document: some Sequence<UInt8>) -> Double {
        var hash = StreamHash(salt: 0x73_706C_6974)
        hash.add(salt)
        hash.add(bytes: document)
        return Double(hash.value >> 11) * 0x1p-53
    }

    /// A split of a few documents with some on either side. If a small fraction would hold out none, the document with
    /// the lowest rank is held out; if all are copies of one document, none is held out.
    func fitting(_ documents: some Sequence<Document>) -> DocumentSplit {
        let ranks = documents.map { rank($0.identity) }
        guard validation > 0, let lowest = ranks.min(), let highest = ranks.max() else { return self }
        var split = self
        if highest < validation { split.validation = lowest < highest ? lowest.nextUp : 0 }
        if lowest >= validation, lowest < highest { split.validation = lowest.nextUp }
        return split
    }
}
