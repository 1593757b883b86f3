import MartletPatterns

/// Splits pieces that are much longer than any word, to bound the memory of a model: about fifty megabytes for a text
/// of any length.
///
/// A piece of up to a megabyte is never split. A longer one is split before a space, a line feed or "▁" at which no
/// token can cross, so the ids are those of the whole piece. Half a megabyte without such a position is split at a
/// character, where a token of the whole might have crossed.
struct PieceSlices: Sendable {
    static let longest = 1 << 20

    /// For each byte whether a token contains it directly before a mark.
    private var before = [UInt8](repeating: 0, count: 256)

    private enum Mark {
        static let space: UInt8 = 1
        static let lineFeed: UInt8 = 2
        static let wordStart: UInt8 = 4
    }

    init(_ vocabulary: Vocabulary) {
        for id in 0..<Int32(vocabulary.count) {
            vocabulary.withBytes(of: id) { token in
                for index in token.indices.dropFirst() {
                    before[Int(token[index - 1])] |= Self.mark(token, index)
                }
            }
        }
    }

    @inline(__always)
    private static func mark(_ text: UnsafeBufferPointer<UInt8>, _ index: Int) -> UInt8 {
        switch text[index] {
        case 0x20: return Mark.space
        case 0x0A: return Mark.lineFeed
        case 0xE2:
            let isMark = index + 2 < text.count && text[index + 1] == 0x96 && text[index + 2] == 0x81
            return isMark ? Mark.wordStart : 0
        default: return 0
        }
    }

    /// Calls `body` with each slice of a piece, until the call is cancelled.
    /// - Parameter cutsBeforeMarks: whether tokens consist of whole characters, so that "▁" is never split.
    func forEach(
        of piece: UnsafeBufferPointer<UInt8>, madeOfCharacters cutsBeforeMarks: Bool, _ body: (Range<Int>) -> Void
    ) {
        var start = 0
        while start < piece.count, start == 0 || !TextCancellation.isRequested {
            let end = end(of: piece, from: start, cutsBeforeMarks)
            body(start..<end)
            start = end
        }
    }

    private func end(of piece: UnsafeBufferPointer<UInt8>, from start: Int, _ cutsBeforeMarks: Bool) -> Int {
        guard piece.count - start > Self.longest else { return piece.count }
        let limit = start + Self.longest
        let allowed = Mark.space | Mark.lineFeed | (cutsBeforeMarks ? Mark.wordStart : 0)
        for end in stride(from: limit, to: start + Self.longest / 2, by: -1) {
            let mark = Self.mark(piece, end) & allowed
            if mark != 0, before[Int(piece[end - 1])] & mark == 0 { return end }
        }
        var end = limit
        while end > limit - 3, piece[end] & 0xC0 == 0x80 { end -= 1 }
        return end
    }
}
