import MartletFormats
import MartletTensor

/// Writes a shard document by document. The complete file appears at `finish`; without it nothing remains.
///
/// Memory: 8 bytes per document, with a loss mask one bit per token, and 4 bytes per token from the first document with
/// loss weights on.
public final class TokenShardWriter {
    public let path: String
    public private(set) var tokenCount = 0
    public var documentCount: Int { starts.count }

    private let file: PendingFile
    private var header = ShardHeader()
    private var starts: [Int] = []
    private var mask: [UInt8] = []
    private var weights: [Float] = []
    private var hash = ShardHash()
    private var scratch: [UInt8] = []

    /// - Parameters:
    ///   - separator: the token that ends every document. The caller's documents must end with it; the writer only
    ///     records it.
    ///   - hasMask: whether documents have a loss mask.
    public init(
        path: String, vocabulary: VocabularyIdentity, separator: Int32? = nil, hasMask: Bool = false
    ) throws(DataError) {
        guard vocabulary.size > 0, vocabulary.size <= Int(Int32.max) else {
            throw DataError(.invalid, path: path, "a vocabulary of \(vocabulary.size) tokens cannot be written")
        }
        if let separator, separator < 0 || separator >= vocabulary.size {
            throw DataError(
                .invalid, path: path, field: "separator",
                "is \(separator), outside the vocabulary of \(vocabulary.size) tokens")
        }
        self.path = path
        header.tokenWidth = vocabulary.size <= 1 << 16 ? 2 : 4
        header.vocabulary = vocabulary
        header.separator = separator
        header.hasMask = hasMask
        do throws(FileError) {
            file = try PendingFile(path)
            try file.writer.write([UInt8](repeating: 0, count: ShardHeader.byteCount))
        } catch {
            throw DataError(error)
        }
    }

    /// Adds a document.
    /// - Parameters:
    ///   - isTrained: the loss mask: for each token whether it is a training target; by default all are. Only for
    ///     writers with a mask.
    ///   - weights: what each token counts in the loss; above 0 for the trained ones. Only for writers with a mask.
    ///   - sourceByteCount: the number of bytes of the tokenized text.
    public func append(
        _ tokens: [Int32], isTrained: [Bool]? = nil, weights own: [Float]? = nil, sourceByteCount: Int = 0
    ) throws(DataError) {
        let isTrained = own?.map { $0 > 0 } ?? isTrained
        if let isTrained, isTrained.count != tokens.count || !header.hasMask {
            throw DataError(
                .invalid, path: path, place: "document \(documentCount)", field: "mask",
                header.hasMask
                    ? "has \(isTrained.count) entries for \(tokens.count) tokens"
                    : "was given to a writer without one")
        }
        if let own, let place = own.firstIndex(where: { !LossWeights.accepts(Double($0)) }) {
            throw DataError(
                .invalid, path: path, place: "document \(documentCount), token \(place)", field: "weight",
                "is \(own[place]), expected 0 or more")
        }
        let size = Int32(header.vocabulary.size)
        if let culprit = tokens.firstIndex(where: { $0 < 0 || $0 >= size }) {
            throw DataError(
                .invalid, path: path, place: "document \(documentCount), token \(culprit)",
                "has id \(tokens[culprit]), but the vocabulary has \(size) tokens")
        }
        starts.append(tokenCount)
        hash.add(documentStart: tokenCount)
        scratch.removeAll(keepingCapacity: true)
        for (index, token) in tokens.enumerated() {
            if header.tokenWidth == 2 {
                let id = UInt16(truncatingIfNeeded: token)
                scratch.append(UInt8(truncatingIfNeeded: id))
                scratch.append(UInt8(truncatingIfNeeded: id >> 8))
            } else {
                withUnsafeBytes(of: token.littleEndian) { scratch.append(contentsOf: $0) }
            }
            let trained = isTrained?[index] ?? true
            hash.add(token: token, isTrained: trained)
            guard header.hasMask else { continue }
            let place = tokenCount + index
            if place & 7 == 0 { mask.append(0) }
            if trained { mask[place >> 3] |= 1 << UInt8(place & 7) }
        }
        if own != nil, !header.hasWeights {
            header.hasWeights = true
            weights = (0..<tokenCount).map { mask[$0 >> 3] >> UInt8($0 & 7) & 1 == 0 ? 0 : 1 }
        }
        if header.hasWeights { weights += own ?? isTrained?.map { $0 ? 1 : 0 } ?? tokens.map { _ in 1 } }
        do throws(FileError) { try file.writer.write(scratch) } catch { throw DataError(error) }
        tokenCount += tokens.count
        header.sourceByteCount += sourceByteCount
    }

    /// Completes the file and renames it to its target.
    public func finish() throws(DataError) {
        header.tokenCount = tokenCount
        header.documentCount = starts.count
        for weight in weights { hash.add(weight: weight) }
        header.contentHash = hash.value
        do throws(FileError) {
            try file.writer.pad(to: 8)
            for start in starts + [tokenCount] {
                try file.writer.write(withUnsafeBytes(of: Int64(start).littleEndian) { Array($0) })
            }
            try file.writer.write(mask)
            try file.writer.write(weights.flatMap { Self.bytes(of: $0) })
            try file.writer.replace(at: 0, with: header.bytes)
            try file.commit()
        } catch {
            throw DataError(error)
        }
    }
}

extension TokenShardWriter {
    fileprivate static func bytes(of weight: Float) -> [UInt8] {
        withUnsafeBytes(of: weight.bitPattern.littleEndian) { Array($0) }
    }
}

extension TokenShard {
    /// A shard in memory.
    /// - Parameters:
    ///   - name: the name in errors.
    ///   - isTrained: the loss mask of each document.
    ///   - weights: what the tokens of each document count in the loss, in place of a mask.
    public convenience init(
        name: String, documents: [[Int32]], isTrained: [[Bool]]? = nil, weights: [[Float]]? = nil,
        vocabulary: VocabularyIdentity, separator: Int32? = nil
    ) throws(DataError) {
        let isTrained = weights?.map { $0.map { $0 > 0 } } ?? isTrained
        var header = ShardHeader(), hash = ShardHash()
        if let isTrained, isTrained.map(\.count) != documents.map(\.count) {
            throw DataError(.invalid, path: name, field: "mask", "is not as long as the documents")
        }
        header.tokenWidth = 4
        header.vocabulary = vocabulary
        header.separator = separator
        header.hasMask = isTrained != nil
        header.hasWeights = weights != nil
        header.documentCount = documents.count
        header.tokenCount = documents.reduce(0) { $0 + $1.count }
        var bytes: [UInt8] = [], offsets: [Int64] = [0], place = 0
        var mask = [UInt8](repeating: 0, count: isTrained == nil ? 0 : (header.tokenCount + 7) / 8)
        bytes.reserveCapacity(header.tokenCount * 4)
        for (index, document) in documents.enumerated() {
            hash.add(documentStart: place)
            for (token, id) in document.enumerated() {
                withUnsafeBytes(of: id.littleEndian) { bytes.append(contentsOf: $0) }
                let trained = isTrained?[index][token] ?? true
                hash.add(token: id, isTrained: trained)
                if trained, isTrained != nil { mask[place >> 3] |= 1 << UInt8(place & 7) }
                place += 1
            }
            offsets.append(Int64(place))
        }
        let flat = weights?.flatMap { $0 } ?? []
        for weight in flat { hash.add(weight: weight) }
        header.contentHash = hash.value
        bytes = header.bytes + bytes
        bytes += [UInt8](repeating: 0, count: (8 - bytes.count % 8) % 8)
        for offset in offsets { withUnsafeBytes(of: offset.littleEndian) { bytes.append(contentsOf: $0) } }
        try self.init(
            MappedFile(path: name, contents: bytes + mask + flat.flatMap { TokenShardWriter.bytes(of: $0) }))
    }
}
