extension WordCutter {
    /// The length of the word at the start of sixteen bytes, if it is a short ASCII word: letters, after an optional
    /// prefix. 0 if the fast path cannot decide; never a wrong length.
    /// - Parameter first, second: the bytes, little-endian.
    @inline(__always)
    package func shortWord(_ first: UInt64, _ second: UInt64) -> Int {
        let byte = UInt8(truncatingIfNeeded: first)
        let hasPrefix =
            letterPrefix == .space
            ? byte == 0x20 : byte < 0x80 && byte != 0x27 && !ascii(byte).has([.newline, .letterOrNumber])
        var others: UInt64
        if cutsAtCase {
            // A lowercase or capital letter, then lowercase letters. Other capitals and contractions take the slow
            // path.
            let start = hasPrefix ? 8 as UInt64 : 0
            let capital = (first >> start) & 0xFF
            let folded = capital &- 0x41 < 26 ? first | 0x20 &<< start : first
            others = Self.exceptSmallLetters(folded)
        } else {
            others = Self.exceptSmallLetters(first | 0x2020_2020_2020_2020)
        }
        if hasPrefix { others &= ~0x80 }
        var length: Int
        if others != 0 {
            length = others.trailingZeroBitCount >> 3
        } else {
            let rest =
                cutsAtCase
                ? Self.exceptSmallLetters(second)
                : Self.exceptSmallLetters(second | 0x2020_2020_2020_2020)
            guard rest != 0 else { return 0 }
            length = 8 + rest.trailingZeroBitCount >> 3
        }
        // The word may continue with a letter outside ASCII.
        let ending = length < 8 ? first &>> UInt64(8 * length) : second &>> UInt64(8 * (length - 8))
        let isEnd = ending & 0x80 == 0 && !(cutsAtCase && ending & 0xFF == 0x27)
        let shortest = (hasPrefix ? 2 : 1) + (cutsAtCase ? 1 : 0)
        return isEnd && length >= shortest ? length : 0
    }

    private static let highBits: UInt64 = 0x8080_8080_8080_8080

    /// The high bit of each byte that is not in a to z.
    @inline(__always)
    private static func exceptSmallLetters(_ word: UInt64) -> UInt64 {
        let low = word & ~highBits
        let fromA = low &+ 0x1F1F_1F1F_1F1F_1F1F
        let pastZ = low &+ 0x0505_0505_0505_0505
        return (~fromA | pastZ | word) & highBits
    }
}
