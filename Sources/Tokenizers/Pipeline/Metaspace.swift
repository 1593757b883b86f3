/// When a marker is added before the text.
package enum PrependScheme: String, Sendable, CaseIterable {
    /// Before every span of text between added tokens.
    case always
    /// Only before the first one.
    case first
    case never
}

/// A pre-tokenizer step that changes the text: its pieces are not ranges of the input.
package protocol PieceRewriter: Sendable {
    /// - Parameter isFirst: whether the piece is at the start of the whole input.
    func rewrite(_ piece: UnsafeBufferPointer<UInt8>, isFirst: Bool, into output: inout [UInt8])
}

/// Replaces " " by "▁", and adds one at the start as the scheme says.
package struct MetaspaceRewriter: PieceRewriter {
    package let replacement: [UInt8]
    package let scheme: PrependScheme

    package init(replacement: [UInt8], scheme: PrependScheme) {
        self.replacement = replacement
        self.scheme = scheme
    }

    package func rewrite(_ piece: UnsafeBufferPointer<UInt8>, isFirst: Bool, into output: inout [UInt8]) {
        output.reserveCapacity(piece.count + piece.count / 2 + replacement.count)
        let marked = piece.first == 0x20 || piece.starts(with: replacement)
        if !marked, scheme == .always || scheme == .first && isFirst { output += replacement }
        for byte in piece {
            if byte == 0x20 { output += replacement } else { output.append(byte) }
        }
    }
}

/// Splits before every marker.
package struct MetaspaceSplitter: PreTokenizer {
    package let replacement: [UInt8]

    package init(replacement: [UInt8]) { self.replacement = replacement }

    package func split(_ text: UnsafeBufferPointer<UInt8>, _ emit: (Range<Int>) throws -> Void) rethrows {
        var start = 0
        try ByteSearch.forEachMatch(of: replacement, in: text) { match in
            if start < match.lowerBound { try emit(start..<match.lowerBound) }
            start = match.lowerBound
        }
        if start < text.count { try emit(start..<text.count) }
    }
}

/// Adds a space before a piece that does not start with one: GPT-2's `add_prefix_space`.
package struct PrefixSpaceRewriter: PieceRewriter {
    package init() {}

    package func rewrite(_ piece: UnsafeBufferPointer<UInt8>, isFirst: Bool, into output: inout [UInt8]) {
        output.reserveCapacity(piece.count + 1)
        if let first = piece.first, first != 0x20 { output.append(0x20) }
        output += piece
    }
}
