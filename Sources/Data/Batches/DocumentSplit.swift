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
        guard validation > 0 else { return false }
        var hash = StreamHash(salt: 0x73_706C_6974)
        hash.add(salt)
        hash.add(bytes: document)
        return Double(hash.value >> 11) * 0x1p-53 < validation
    }
}
