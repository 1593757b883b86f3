/// The first 128 bytes of a shard, all little-endian:
///
///     0   8   magic "MRTLSHRD"
///     8   4   version, 1
///     12  4   bytes per token: 2 or 4
///     16  8   number of tokens
///     24  8   number of documents
///     32  8   size of the vocabulary
///     40  8   hash of the vocabulary
///     48  8   id of the token that ends every document, or -1
///     56  8   bytes of the text that was tokenized, or 0 if unknown
///     64  8   flags: 1 = there is a loss mask, 2 = there are loss weights (only with a mask)
///     72  8   hash of the contents
///     80  48  zeros
///
/// It is followed by the tokens, zeros up to a multiple of 8, the index of each document's first token and the token
/// count (one 64-bit number each), and with flag 1 by one bit per token, lowest first, that is set if the token is
/// trained on. With flag 2 there follows what each token counts in the loss, as 32-bit floating point; the bit is set
/// where that is above 0.
struct ShardHeader: Equatable {
    static let byteCount = 128
    static let magic: [UInt8] = Array("MRTLSHRD".utf8)
    static let version: UInt32 = 1
    static let maskFlag: UInt64 = 1, weightsFlag: UInt64 = 2

    var tokenWidth = 2
    var tokenCount = 0
    var documentCount = 0
    var vocabulary = VocabularyIdentity(size: 0, hash: 0)
    var separator: Int32?
    var sourceByteCount = 0
    var hasMask = false
    var hasWeights = false
    var contentHash: UInt64 = 0

    var bytes: [UInt8] {
        var bytes = Self.magic
        func add(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        }
        add(Self.version)
        add(UInt32(tokenWidth))
        add(Int64(tokenCount))
        add(Int64(documentCount))
        add(Int64(vocabulary.size))
        add(vocabulary.hash)
        add(Int64(separator ?? -1))
        add(Int64(sourceByteCount))
        add((hasMask ? Self.maskFlag : 0) | (hasWeights ? Self.weightsFlag : 0))
        add(contentHash)
        bytes += [UInt8](repeating: 0, count: Self.byteCount - bytes.count)
        return bytes
    }

    /// The offset of the document table. Nil if the numbers are inconsistent.
    var offsetsStart: Int? {
        let (tokens, overflow) = tokenCount.multipliedReportingOverflow(by: tokenWidth)
        guard !overflow, tokens <= Int.max / 4 else { return nil }
        return (Self.byteCount + tokens + 7) / 8 * 8
    }

    /// The offset of the loss weights, or the size of the file without them. Nil if the numbers are inconsistent.
    var weightsStart: Int? {
        guard let start = offsetsStart, documentCount < Int.max / 32 else { return nil }
        return start + (documentCount + 1) * 8 + (hasMask ? (tokenCount + 7) / 8 : 0)
    }

    /// The size of the file. Nil if the numbers are inconsistent.
    var fileByteCount: Int? {
        guard let start = weightsStart, tokenCount <= Int.max / 16 else { return nil }
        return start + (hasWeights ? tokenCount * 4 : 0)
    }

    init() {}

    init(_ raw: UnsafeRawBufferPointer, path: String) throws(DataError) {
        func refuse(_ field: String, _ reason: String) -> DataError {
            DataError(.malformed, path: path, place: "header", field: field, reason)
        }
        guard raw.count >= Self.byteCount else {
            throw DataError(.malformed, path: path, "has \(raw.count) bytes, a shard has at least \(Self.byteCount)")
        }
        func number<T: FixedWidthInteger>(_ offset: Int, _ type: T.Type = T.self) -> T {
            T(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: T.self))
        }
        let version: UInt32 = number(8)
        guard version == Self.version else {
            throw DataError(
                .unsupported, path: path, place: "header", field: "version",
                "is \(version); this program reads version \(Self.version)")
        }
        let width: UInt32 = number(12)
        guard width == 2 || width == 4 else { throw refuse("token width", "is \(width), expected 2 or 4") }
        tokenWidth = Int(width)
        func count(_ offset: Int, _ field: String) throws(DataError) -> Int {
            let value: Int64 = number(offset)
            guard value >= 0 else { throw refuse(field, "is negative (\(value))") }
            return Int(value)
        }
        tokenCount = try count(16, "token count")
        documentCount = try count(24, "document count")
        vocabulary = VocabularyIdentity(size: try count(32, "vocabulary size"), hash: number(40))
        guard vocabulary.size <= Int(Int32.max) else { throw refuse("vocabulary size", "is \(vocabulary.size)") }
        let ending: Int64 = number(48)
        guard ending >= -1, ending < vocabulary.size else {
            throw refuse("separator", "is \(ending), outside the vocabulary of \(vocabulary.size) tokens")
        }
        separator = ending < 0 ? nil : Int32(ending)
        sourceByteCount = try count(56, "text byte count")
        let flags: UInt64 = number(64)
        guard flags & ~(Self.maskFlag | Self.weightsFlag) == 0, flags != Self.weightsFlag else {
            throw refuse("flags", "has unknown bits (\(flags))")
        }
        hasMask = flags & Self.maskFlag != 0
        hasWeights = flags & Self.weightsFlag != 0
        contentHash = number(72)
        guard raw[80..<Self.byteCount].allSatisfy({ $0 == 0 }) else { throw refuse("reserved", "is not zero") }
        guard let expected = fileByteCount else {
            throw refuse("token count", "\(tokenCount) tokens and \(documentCount) documents fit into no file")
        }
        guard expected == raw.count else {
            throw DataError(
                .malformed, path: path,
                "has \(raw.count) bytes, but its header asks for \(expected) "
                    + "(\(tokenCount) tokens, \(documentCount) documents)")
        }
    }
}
