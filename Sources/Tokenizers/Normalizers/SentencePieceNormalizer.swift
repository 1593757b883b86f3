import MartletPatterns

/// sentencepiece's normalisation before segmentation: character map (longest match), removal of extra spaces, a space
/// prefix, " " replaced by "▁". Source: Kudo and Richardson 2018, `Normalizer::Normalize`.
package struct SentencePieceNormalizer: Normalizer {
    package var map: CharsMap?
    /// Adds a space before the text (after it if `treatsSpaceAsSuffix`).
    package var addsDummyPrefix = true
    /// Whether the space prefix is only added at the start of the whole input, not after special tokens.
    package var prefixesFirstOnly = false
    package var removesExtraWhitespaces = true
    package var escapesWhitespaces = true
    package var treatsSpaceAsSuffix = false
    /// Symbols that the character map does not change.
    package var protected: LongestMatch?

    package init() {}

    static let space: [UInt8] = [0xE2, 0x96, 0x81]

    package func normalize(_ text: [UInt8]) -> [UInt8] { normalize(text, isFirst: true) }

    package func normalize(_ text: [UInt8], isFirst: Bool) -> [UInt8] {
        text.withUnsafeBufferPointer { normalize($0, continues: prefixesFirstOnly && !isFirst) }
    }

    /// - Parameter continues: whether the text follows a token, so that a space at its start is significant.
    private func normalize(_ bytes: UnsafeBufferPointer<UInt8>, continues: Bool) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count + bytes.count / 4 + 3)
        var position = 0
        let places = protected?.places(in: bytes)
        if removesExtraWhitespaces, !continues {
            while position < bytes.count {
                let part = prefix(bytes, at: position, places)
                guard part.isSpace else { break }
                position += part.length
            }
        }
        guard position < bytes.count else { return [] }
        let space = escapesWhitespaces ? Self.space : [0x20]
        if addsDummyPrefix, !treatsSpaceAsSuffix, !continues { output += space }
        var afterSpace = removesExtraWhitespaces && !continues
        while position < bytes.count {
            if bytes[position] > 0x20, bytes[position] < 0x7F, map == nil, protected == nil {
                output.append(bytes[position])
                position += 1
                afterSpace = false
                continue
            }
            let part = prefix(bytes, at: position, places)
            var skipsSpaces = afterSpace
            part.forEachByte(bytes, at: position) { byte in
                if skipsSpaces, byte == 0x20 { return }
                skipsSpaces = false
                if byte == 0x20 { output += space } else { output.append(byte) }
                afterSpace = byte == 0x20
            }
            position += part.length
            if !removesExtraWhitespaces { afterSpace = false }
        }
        if removesExtraWhitespaces {
            while output.count >= space.count, output.suffix(space.count).elementsEqual(space) {
                output.removeLast(space.count)
            }
        }
        if addsDummyPrefix, treatsSpaceAsSuffix { output += space }
        return output
    }

    private struct Part {
        var length: Int
        /// nil: the bytes are unchanged.
        var replacement: ArraySlice<UInt8>?
        var isSpace: Bool

        @inline(__always)
        func forEachByte(_ bytes: UnsafeBufferPointer<UInt8>, at position: Int, _ body: (UInt8) -> Void) {
            if let replacement {
                for byte in replacement { body(byte) }
            } else {
                for index in position..<(position + length) { body(bytes[index]) }
            }
        }
    }

    private func prefix(_ bytes: UnsafeBufferPointer<UInt8>, at position: Int, _ places: [Int32]?) -> Part {
        if let length = protected?.length(at: position, in: bytes, places) {
            return Part(length: length, replacement: nil, isSpace: false)
        }
        if let match = map?.longestMatch(in: bytes, at: position) {
            return Part(
                length: match.length, replacement: match.replacement, isSpace: match.replacement.elementsEqual([0x20]))
        }
        var scalars = UTF8Scalars(bytes, at: position)
        let scalar = scalars.next()
        let length = scalars.position - position
        if scalar == 0xFFFD, bytes[position] != 0xEF {
            return Part(length: 1, replacement: [0xEF, 0xBF, 0xBD], isSpace: false)
        }
        return Part(length: length, replacement: nil, isSpace: scalar == 0x20)
    }
}
