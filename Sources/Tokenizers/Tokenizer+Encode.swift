import MartletPatterns

extension Tokenizer {
    /// The ids of a text. Encoding a long text can be cancelled: see `encoding(while:_:)`.
    ///
    /// ```swift
    /// let ids = try tokenizer.encode("Hello, world")
    /// ```
    ///
    /// - Parameters:
    ///   - addSpecialTokens: adds the tokenizer's special tokens around the text (`<s>`, `[CLS]` … `[SEP]`).
    ///   - parseSpecial: special tokens written out in the text become their ids. Use false for untrusted text.
    /// - Throws: `TokenizerError.noToken` when the vocabulary cannot express the text and has no unknown token. A
    ///   text is never truncated.
    public func encode(
        _ text: String, addSpecialTokens: Bool = true, parseSpecial: Bool = true
    ) throws(TokenizerError) -> [Int32] {
        var text = text
        let result = text.withUTF8 { bytes in
            Result { () throws(TokenizerError) in
                try encode(utf8: bytes, addSpecialTokens: addSpecialTokens, specials: parseSpecial ? .all : .none)
            }
        }
        return try result.get()
    }

    /// The ids of bytes that should be UTF-8. A byte-level vocabulary encodes any bytes unchanged; for the others,
    /// invalid UTF-8 is first replaced by U+FFFD.
    public func encode(
        bytes: some Collection<UInt8>, addSpecialTokens: Bool = true, parseSpecial: Bool = true
    ) throws(TokenizerError) -> [Int32] {
        let specials: AddedTokenMatcher.Specials = parseSpecial ? .all : .none
        if !takesAnyBytes {
            let text = String(decoding: bytes, as: UTF8.self)
            return try encode(text, addSpecialTokens: addSpecialTokens, parseSpecial: parseSpecial)
        }
        let result =
            bytes.withContiguousStorageIfAvailable { bytes in
                Result { () throws(TokenizerError) in
                    try encode(utf8: bytes, addSpecialTokens: addSpecialTokens, specials: specials)
                }
            }
            ?? Array(bytes).withUnsafeBufferPointer { bytes in
                Result { () throws(TokenizerError) in
                    try encode(utf8: bytes, addSpecialTokens: addSpecialTokens, specials: specials)
                }
            }
        return try result.get()
    }

    /// A part of a chat prompt, and whether its author may use special tokens.
    public struct Segment: Sendable, Equatable {
        public var text: String
        public var isTrusted: Bool

        public init(_ text: String, isTrusted: Bool) {
            self.text = text
            self.isTrusted = isTrusted
        }
    }

    /// The ids of the segments' joined text. Special tokens and other markers (`AddedToken.isMarker`) match only where
    /// every byte of them is trusted: a message that contains `<|im_end|>` stays plain text, and one that contains half
    /// of it cannot complete the other half. Without such text the ids are those of the joined string.
    public func encode(segments: [Segment], addSpecialTokens: Bool = false) throws(TokenizerError) -> [Int32] {
        var text: [UInt8] = []
        var trusted: [Range<Int>] = []
        for segment in segments where !segment.text.isEmpty {
            let start = text.count
            text += segment.text.utf8
            guard segment.isTrusted else { continue }
            if let last = trusted.last, last.upperBound == start {
                trusted[trusted.count - 1] = last.lowerBound..<text.count
            } else {
                trusted.append(start..<text.count)
            }
        }
        let result = text.withUnsafeBufferPointer { bytes in
            Result { () throws(TokenizerError) in
                try encode(utf8: bytes, addSpecialTokens: addSpecialTokens, specials: .inside(trusted))
            }
        }
        return try result.get()
    }

    /// The ids of two texts with the model's template for pairs, and the segment (0 or 1) of each id.
    public func encode(
        _ first: String, with second: String, parseSpecial: Bool = true
    ) throws(TokenizerError) -> (ids: [Int32], types: [Int32]) {
        let a = try encode(first, addSpecialTokens: false, parseSpecial: parseSpecial)
        let b = try encode(second, addSpecialTokens: false, parseSpecial: parseSpecial)
        var ids: [Int32] = []
        var types: [Int32] = []
        for part in template.pair {
            let (new, type): ([Int32], Int32) =
                switch part {
                case .token(let id, let type): ([id], type)
                case .first(let type): (a, type)
                case .second(let type): (b, type)
                }
            ids += new
            types += repeatElement(type, count: new.count)
        }
        return (ids, types)
    }

    /// The number of special tokens that `addSpecialTokens` adds to one text.
    public var specialTokensAdded: Int { template.addedToSingle }

    private func encode(
        utf8 bytes: UnsafeBufferPointer<UInt8>, addSpecialTokens: Bool, specials: AddedTokenMatcher.Specials
    ) throws(TokenizerError) -> [Int32] {
        try scratches.borrow { (scratch) throws(TokenizerError) in
            var ids: [Int32] = []
            if TextCancellation.isRequested { return ids }
            ids.reserveCapacity(bytes.count / 3 + 8)
            guard addSpecialTokens else {
                try append(bytes, specials, to: &ids, scratch)
                return ids
            }
            for part in template.single {
                switch part {
                case .token(let id, _): ids.append(id)
                case .first, .second: try append(bytes, specials, to: &ids, scratch)
                }
            }
            return ids
        }
    }

    private func append(
        _ bytes: UnsafeBufferPointer<UInt8>, _ specials: AddedTokenMatcher.Specials, to ids: inout [Int32],
        _ scratch: EncodingScratch
    ) throws(TokenizerError) {
        if rawMatcher.isEmpty { return try appendSection(bytes, 0..<bytes.count, specials, to: &ids, scratch) }
        try rethrowing {
            try rawMatcher.split(bytes, specials: specials) { range, id in
                if let id { ids.append(id) } else { try appendSection(bytes, range, specials, to: &ids, scratch) }
            }
        }
    }

    /// Appends text without raw added tokens.
    private func appendSection(
        _ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ specials: AddedTokenMatcher.Specials,
        to ids: inout [Int32], _ scratch: EncodingScratch
    ) throws(TokenizerError) {
        guard let normalizer else {
            return try appendPieces(
                UnsafeBufferPointer(rebasing: bytes[range]), isFirst: range.lowerBound == 0, to: &ids, scratch)
        }
        // Normalisation does not preserve which bytes are trusted, so a section in which special tokens are still to be
        // matched is normalised segment by segment.
        var parts = [(range, specials.allow(range))]
        var refused = AddedTokenMatcher.Specials.none
        if case .inside(let trusted) = specials {
            refused = .inside([])
            if hasNormalizedSpecials { parts = Self.parts(of: range, trusted: trusted) }
        }
        for (part, allows) in parts {
            let normalized = normalizer.normalize(Array(bytes[part]), isFirst: part.lowerBound == 0)
            let result = normalized.withUnsafeBufferPointer { text in
                Result { () throws(TokenizerError) in
                    try rethrowing {
                        try normalizedMatcher.split(text, specials: allows ? .all : refused) { range, id in
                            if let id { return ids.append(id) }
                            try appendPieces(
                                UnsafeBufferPointer(rebasing: text[range]),
                                isFirst: part.lowerBound == 0 && range.lowerBound == 0, to: &ids, scratch)
                        }
                    }
                }
            }
            try result.get()
        }
    }

    private static func parts(of range: Range<Int>, trusted: [Range<Int>]) -> [(Range<Int>, Bool)] {
        var parts: [(Range<Int>, Bool)] = []
        var position = range.lowerBound
        for stretch in trusted.lazy.map({ $0.clamped(to: range) }) where !stretch.isEmpty {
            if position < stretch.lowerBound { parts.append((position..<stretch.lowerBound, false)) }
            parts.append((stretch, true))
            position = stretch.upperBound
        }
        if position < range.upperBound { parts.append((position..<range.upperBound, false)) }
        return parts
    }

    private static let bytesBetweenChecks = 1 << 16

    private func appendPieces(
        _ text: UnsafeBufferPointer<UInt8>, isFirst: Bool, to ids: inout [Int32], _ scratch: EncodingScratch
    ) throws(TokenizerError) {
        guard !text.isEmpty else { return }
        let before = ids.count
        if let (cutter, pairs) = plainPath {
            // No rewriting is needed: from bytes to ids without a copy or a call through a protocol.
            pairs.encode(text, cutBy: cutter, into: &ids, scratch)
        } else {
            var untilCheck = Self.bytesBetweenChecks
            var isStopped = false
            stages.forEachPiece(of: text, isFirst: isFirst) { piece in
                untilCheck -= piece.count + 1
                if untilCheck < 0 {
                    untilCheck = Self.bytesBetweenChecks
                    isStopped = isStopped || TextCancellation.isRequested
                }
                if !isStopped { model.encode(piece, into: &ids, scratch) }
            }
        }
        // The model uses -1 for text without a token.
        guard ids[before...].contains(where: { $0 < 0 }), !TextCancellation.isRequested else { return }
        var culprit: [UInt8] = []
        stages.forEachPiece(of: text, isFirst: isFirst) { piece in
            guard culprit.isEmpty else { return }
            var pieceIDs: [Int32] = []
            model.encode(piece, into: &pieceIDs)
            if pieceIDs.contains(where: { $0 < 0 }) { culprit = Array(piece) }
        }
        throw .noToken(text: String(decoding: culprit, as: UTF8.self))
    }

    /// Runs a body whose only errors are `TokenizerError`, through functions that only declare `rethrows`.
    @inline(__always)
    private func rethrowing(_ body: () throws -> Void) throws(TokenizerError) {
        do {
            try body()
        } catch let error as TokenizerError {
            throw error
        } catch {
            throw .noToken(text: "\(error)")
        }
    }
}
