import MartletFormats
import MartletTensor

/// Documents as token ids, in a memory-mapped file. The format is described in `ShardHeader.swift`; llm.c's shards can
/// be read too.
///
/// ```swift
/// let shard = try TokenShard(path: "shards/train-00000.shard")
/// print(shard.tokenCount, try shard.tokens(ofDocument: 0))
/// ```
public final class TokenShard: Sendable {
    public let path: String
    public let tokenCount: Int
    public let documentCount: Int
    /// Bytes per token: 2 or 4.
    public let tokenWidth: Int
    /// The vocabulary of the ids; nil for llm.c's files, which do not contain it.
    public let vocabulary: VocabularyIdentity?
    /// The token that ends every document, if there is one.
    public let separator: Int32?
    /// The number of bytes of the tokenized text, for bits per byte; nil if the file does not contain it.
    public let sourceByteCount: Int?
    /// Whether there is a loss mask, so that some tokens are not trained on.
    public let hasMask: Bool
    /// Whether trained tokens count differently in the loss.
    public let hasWeights: Bool

    let file: MappedFile
    /// The offset of the tokens in the file.
    let tokensStart: Int
    private let layout: Layout

    private enum Layout: Sendable {
        case martlet(ShardHeader, offsetsStart: Int)
        /// The start of each document, and the token count.
        case listed([Int])
    }

    /// Opens a shard and checks its header and the positions of all documents. Ids are checked when they are read.
    /// - Parameters:
    ///   - findsDocuments: for llm.c's files, which do not list their documents: searches for the tokens that begin
    ///     documents, which reads the whole file. Otherwise the file counts as one document.
    ///   - copying: whether to read the file into memory instead of mapping it.
    public convenience init(path: String, findsDocuments: Bool = false, copying: Bool = false) throws(DataError) {
        let file: MappedFile
        do throws(FileError) {
            file = try MappedFile(path: path, copying: copying)
        } catch {
            throw DataError(error)
        }
        try self.init(file, findsDocuments: findsDocuments)
    }

    init(_ file: MappedFile, findsDocuments: Bool = false) throws(DataError) {
        self.file = file
        path = file.path
        guard file.bytes.starts(with: ShardHeader.magic) else {
            guard let shard = try LLMCShard(file, findsDocuments: findsDocuments) else {
                throw DataError(.malformed, path: file.path, "is not a token shard of Martlet or llm.c")
            }
            tokenCount = shard.tokenCount
            documentCount = shard.documentStarts.count - 1
            tokenWidth = shard.tokenWidth
            vocabulary = nil
            separator = nil
            sourceByteCount = nil
            hasMask = false
            hasWeights = false
            tokensStart = LLMCShard.headerByteCount
            layout = .listed(shard.documentStarts)
            return
        }
        let header = try ShardHeader(file.bytes, path: file.path)
        let start = header.offsetsStart ?? 0
        var previous = 0
        for document in 0...header.documentCount {
            let offset = Int(
                truncatingIfNeeded: Int64(
                    littleEndian: file.bytes.loadUnaligned(fromByteOffset: start + 8 * document, as: Int64.self)))
            let isBound = document == 0 || document == header.documentCount
            let bound = document == 0 ? 0 : header.tokenCount
            guard isBound ? offset == bound && offset >= previous : offset >= previous else {
                throw DataError(
                    .malformed, path: file.path, place: "document \(document)", field: "offset",
                    "is \(offset)" + (isBound ? ", expected \(bound)" : ", before the previous one (\(previous))"))
            }
            previous = offset
        }
        tokenCount = header.tokenCount
        documentCount = header.documentCount
        tokenWidth = header.tokenWidth
        vocabulary = header.vocabulary
        separator = header.separator
        sourceByteCount = header.sourceByteCount == 0 ? nil : header.sourceByteCount
        hasMask = header.hasMask
        hasWeights = header.hasWeights
        tokensStart = ShardHeader.byteCount
        layout = .martlet(header, offsetsStart: start)
    }

    /// The index of the document's first token; for `documentCount`, the token count.
    @inline(__always)
    public func start(ofDocument document: Int) -> Int {
        precondition(document >= 0 && document <= documentCount, "document \(document) of \(documentCount)")
        switch layout {
        case .martlet(_, let start):
            let offset = Int(
                truncatingIfNeeded: Int64(
                    littleEndian: file.bytes.loadUnaligned(fromByteOffset: start + 8 * document, as: Int64.self)))
            // Checked when the file was opened, but it may have been overwritten since: the result is clamped to the
            // shard. The change is reported when tokens are copied.
            return min(max(offset, 0), tokenCount)
        case .listed(let starts): return starts[document]
        }
    }

    public func range(ofDocument document: Int) -> Range<Int> {
        let start = start(ofDocument: document)
        return start..<max(start, self.start(ofDocument: document + 1))
    }

    /// The document that contains a token, or nil if there is no such token.
    public func document(containing token: Int) -> Int? {
        guard token >= 0, token < tokenCount else { return nil }
        // The last document that starts at or before the token: empty documents before it start there too.
        var low = 0, high = documentCount
        while high - low > 1 {
            let middle = (low + high) / 2
            if start(ofDocument: middle) <= token { low = middle } else { high = middle }
        }
        return low
    }

    /// Copies tokens. Throws for an id outside the vocabulary, with its position.
    public func copyTokens(_ range: Range<Int>, into target: UnsafeMutableBufferPointer<Int32>) throws(DataError) {
        precondition(range.lowerBound >= 0 && range.upperBound <= tokenCount && target.count >= range.count)
        let limit = vocabulary.map { UInt32($0.size) } ?? UInt32(Int32.max)
        var largest: UInt32 = 0
        if tokenWidth == 2 {
            for index in 0..<range.count {
                let place = tokensStart + 2 * (range.lowerBound + index)
                let id = UInt32(UInt16(littleEndian: file.bytes.loadUnaligned(fromByteOffset: place, as: UInt16.self)))
                largest = max(largest, id)
                target[index] = Int32(truncatingIfNeeded: id)
            }
        } else {
            for index in 0..<range.count {
                let place = tokensStart + 4 * (range.lowerBound + index)
                let id = UInt32(littleEndian: file.bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self))
                largest = max(largest, id)
                target[index] = Int32(truncatingIfNeeded: id)
            }
        }
        // Bytes that were truncated meanwhile have been read as zeros.
        try checkUnchanged()
        guard range.isEmpty || largest < limit else {
            let index = (0..<range.count).first { UInt32(bitPattern: target[$0]) >= limit } ?? 0
            throw DataError(
                .malformed, path: path, place: "token \(range.lowerBound + index)",
                "has id \(largest), but the vocabulary has \(limit) tokens")
        }
    }

    public func tokens(_ range: Range<Int>) throws(DataError) -> [Int32] {
        var failure: DataError?
        let tokens = [Int32](unsafeUninitializedCapacity: range.count) { buffer, count in
            do throws(DataError) {
                try copyTokens(range, into: UnsafeMutableBufferPointer(rebasing: buffer[..<range.count]))
                count = range.count
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return tokens
    }

    public func tokens(ofDocument document: Int) throws(DataError) -> [Int32] {
        try tokens(range(ofDocument: document))
    }

    /// Whether the token is a training target; always true without a loss mask.
    @inline(__always)
    public func isTrained(_ token: Int) -> Bool {
        guard case .martlet(let header, let start) = layout, header.hasMask else { return true }
        let byte = file.bytes[start + 8 * (documentCount + 1) + token >> 3]
        return byte >> UInt8(token & 7) & 1 != 0
    }

    /// What a token counts in the loss.
    /// - Throws: `DataError` for a number that is no weight.
    public func weight(of token: Int) throws(DataError) -> Float {
        guard case .martlet(let header, _) = layout, header.hasWeights, let start = header.weightsStart else {
            return isTrained(token) ? 1 : 0
        }
        precondition(token >= 0 && token < tokenCount, "token \(token) of \(tokenCount)")
        let bits = UInt32(
            littleEndian: file.bytes.loadUnaligned(fromByteOffset: start + 4 * token, as: UInt32.self))
        let weight = Float(bitPattern: bits)
        guard LossWeights.accepts(Double(weight)) else {
            throw DataError(
                .malformed, path: path, place: "token \(token)", field: "weight", "is \(weight), expected 0 or more")
        }
        return weight
    }

    /// The number of training targets in a range.
    public func trainedCount(_ range: Range<Int>) -> Int {
        guard case .martlet(let header, let start) = layout, header.hasMask else { return range.count }
        precondition(range.lowerBound >= 0 && range.upperBound <= tokenCount)
        let mask = start + 8 * (documentCount + 1)
        var count = 0, token = range.lowerBound
        while token < range.upperBound {
            let byte = file.bytes[mask + token >> 3], first = token & 7
            let last = min(8, first + range.upperBound - token)
            let bits = (UInt8.max << UInt8(first)) & (UInt8.max >> UInt8(8 - last))
            count += (byte & bits).nonzeroBitCount
            token += last - first
        }
        return count
    }

    /// Whether some tokens are no training targets. What is packed with a chat template has a mask, plain texts too, in whose
    /// every token is one.
    package var leavesTokensOut: Bool { hasMask && trainedCount(0..<tokenCount) < tokenCount }

    /// Reads the whole file and compares its hash with the stored one. llm.c's files have none.
    public func verify() throws(DataError) {
        guard case .martlet(let header, _) = layout else { return }
        var hash = ShardHash()
        var buffer = [Int32](repeating: 0, count: 1 << 16)
        var position = 0
        while position < tokenCount {
            let count = min(buffer.count, tokenCount - position)
            let result = buffer.withUnsafeMutableBufferPointer { buffer in
                Result { () throws(DataError) in try copyTokens(position..<position + count, into: buffer) }
            }
            try result.get()
            for index in 0..<count {
                hash.add(token: buffer[index], isTrained: isTrained(position + index))
                if hasWeights { hash.add(weight: try weight(of: position + index)) }
            }
            position += count
        }
        for document in 0..<documentCount { hash.add(documentStart: start(ofDocument: document)) }
        guard hash.value == header.contentHash else {
            throw DataError(
                .malformed, path: path,
                "is damaged: its contents have the hash \(String(hash.value, radix: 16)), "
                    + "but were written with \(String(header.contentHash, radix: 16))")
        }
    }

    private func checkUnchanged() throws(DataError) {
        do throws(FileError) { try file.checkUnchanged() } catch { throw DataError(error) }
    }
}

/// The hash of a shard's contents.
struct ShardHash {
    private var tokens = StreamHash()
    private var documents = StreamHash()
    private var weights: StreamHash?

    @inline(__always)
    mutating func add(token: Int32, isTrained: Bool) {
        tokens.add(UInt64(UInt32(bitPattern: token)) << 1 | (isTrained ? 1 : 0))
    }
    mutating func add(documentStart: Int) { documents.add(UInt64(documentStart)) }
    mutating func add(weight: Float) {
        var own = weights ?? StreamHash(salt: 1)
        own.add(UInt64(weight.bitPattern))
        weights = own
    }

    var value: UInt64 { tokens.value ^ documents.value ^ (weights?.value ?? 0) }
}
