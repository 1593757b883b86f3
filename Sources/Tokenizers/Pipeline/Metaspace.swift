/// When a marker is put in front of the text.
package enum PrependScheme: String, Sendable, CaseIterable {
    /// In front of every stretch of text between added tokens.
    case always
    /// In front of the very first only.
    case first
    case never
}

/// A pre-tokeniser step that changes the text: its pieces no longer lie in the input.
package protocol PieceRewriter: Sendable {
    /// - Parameter isFirst: the piece begins where the whole input begins.
    func rewrite(_ piece: UnsafeBufferPointer<UInt8>, isFirst: Bool, into output: inout [UInt8])
}

/// " " becomes "▁", with one in front as the scheme says.
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

/// Cuts before every marker.
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

/// A space in front of a piece that has none: GPT-2's `add_prefix_space`.
package struct PrefixSpaceRewriter: PieceRewriter {
    package init() {}

    package func rewrite(_ piece: UnsafeBufferPointer<UInt8>, isFirst: Bool, into output: inout [UInt8]) {
        output.reserveCapacity(piece.count + 1)
        if let first = piece.first, first != 0x20 { output.append(0x20) }
        output += piece
    }
}
