/// A canonical prefix (Huffman) code built from code lengths, as deflate stores codes (RFC 1951, section 3.2.2), with a
/// table from the next bits to symbols.
struct PrefixCode {
    /// Code words of at most this length are found by the table; longer ones by a search over lengths.
    static let directBits = 10

    /// For the next `directBits` bits: symbol << 4 | length, or 0 if no word of these lengths matches.
    private(set) var direct = [UInt16](repeating: 0, count: 1 << directBits)
    /// The number of code words of each length.
    private(set) var counts = [Int](repeating: 0, count: 16)
    /// In order of their code words.
    private(set) var symbols: [UInt16] = []

    /// Nil if the lengths are over-subscribed. Incomplete codes are allowed.
    init?(_ lengths: [UInt8]) {
        for length in lengths where length > 0 { counts[Int(length)] += 1 }
        var left = 1
        for length in 1...15 {
            left = left * 2 - counts[length]
            if left < 0 { return nil }
        }
        var word = 0
        for length in 1...15 {
            word <<= 1
            guard counts[length] > 0 else { continue }
            for (symbol, own) in lengths.enumerated() where Int(own) == length {
                symbols.append(UInt16(truncatingIfNeeded: symbol))
                enter(word, length, symbol)
                word += 1
            }
        }
    }

    /// Bits are read starting with a word's first bit, so the table is indexed by bit-reversed words.
    private mutating func enter(_ word: Int, _ length: Int, _ symbol: Int) {
        guard length <= Self.directBits else { return }
        var reversed = 0
        for bit in 0..<length where word >> bit & 1 == 1 { reversed |= 1 << (length - 1 - bit) }
        for index in stride(from: reversed, to: 1 << Self.directBits, by: 1 << length) {
            direct[index] = UInt16(truncatingIfNeeded: symbol << 4 | length)
        }
    }

    /// The symbol of a long code word, and its length.
    func long(_ bits: UInt64) -> (symbol: Int, length: Int)? {
        var code = 0, first = 0, index = 0
        for length in 1...15 {
            code |= Int(truncatingIfNeeded: bits >> UInt64(length - 1)) & 1
            let count = counts[length]
            if code - count < first { return (Int(symbols[index + code - first]), length) }
            index += count
            first = (first + count) << 1
            code <<= 1
        }
        return nil
    }
}
