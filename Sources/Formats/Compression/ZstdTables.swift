/// A decoding table of finite-state entropy (FSE): a state determines the symbol, and with the next bits the next
/// state. Source: RFC 8878, section 4.1.1.
struct FiniteStateTable {
    struct Entry {
        var base: UInt16
        var bitCount: UInt8
        var symbol: UInt8
    }
    let accuracy: Int
    let entries: [Entry]

    /// A table with a single symbol, which consumes no bits.
    init(only symbol: UInt8) {
        accuracy = 0
        entries = [Entry(base: 0, bitCount: 0, symbol: symbol)]
    }

    /// - Parameter counts: the number of states of each symbol, out of `1 << accuracy`; -1 is one state that consumes
    ///   all bits.
    init(accuracy: Int, counts: [Int]) throws(DecompressionError) {
        let size = 1 << accuracy
        guard counts.reduce(0, { $0 + abs($1) }) == size else { throw .malformed("a table is not full") }
        var symbols = [UInt8](repeating: 0, count: size)
        var next = counts.map { max($0, 1) }
        var high = size
        for (symbol, count) in counts.enumerated() where count < 0 {
            high -= 1
            symbols[high] = UInt8(truncatingIfNeeded: symbol)
        }
        let step = size >> 1 + size >> 3 + 3
        var place = 0
        for (symbol, count) in counts.enumerated() where count > 0 {
            for _ in 0..<count {
                symbols[place] = UInt8(truncatingIfNeeded: symbol)
                repeat { place = (place + step) & (size - 1) } while place >= high && high > 0
            }
        }
        guard place == 0 else { throw .malformed("a table is not full") }
        entries = symbols.map { symbol in
            let state = next[Int(symbol)]
            next[Int(symbol)] += 1
            let bits = accuracy - (Int.bitWidth - 1 - state.leadingZeroBitCount)
            return Entry(
                base: UInt16(truncatingIfNeeded: state << bits - size), bitCount: UInt8(truncatingIfNeeded: bits),
                symbol: symbol)
        }
        self.accuracy = accuracy
    }

    /// Reads a table description; returns its size in bytes.
    init(
        describedBy bytes: UnsafeBufferPointer<UInt8>, symbols: Int, largestAccuracy: Int, byteCount: inout Int
    ) throws(DecompressionError) {
        var bits = ZstdForwardBits(bytes)
        let accuracy = try bits.take(4) + 5
        guard accuracy <= largestAccuracy else { throw .malformed("a table is larger than allowed") }
        var rest = 1 << accuracy
        var counts: [Int] = []
        while rest > 0 {
            guard counts.count < symbols else { throw .malformed("a table has too many symbols") }
            let width = Int.bitWidth - (rest + 1).leadingZeroBitCount
            // Near the end of the stream fewer bits than the width may remain; a small value needs one bit less.
            var value = try bits.take(width - 1)
            let threshold = 1 << width - 1 - (rest + 1)
            if value >= threshold {
                value |= try bits.take(1) << (width - 1)
                if value >= 1 << (width - 1) { value -= threshold }
            }
            let count = value - 1
            rest -= abs(count)
            counts.append(count)
            guard count == 0 else { continue }
            while true {
                let zeros = try bits.take(2)
                counts += repeatElement(0, count: zeros)
                if zeros < 3 { break }
            }
        }
        guard rest == 0, counts.count <= symbols else { throw .malformed("a table has too many symbols") }
        byteCount = bits.byteCount
        try self.init(accuracy: accuracy, counts: counts)
    }

    private static func predefined(_ accuracy: Int, _ counts: [Int]) -> FiniteStateTable {
        guard let table = try? FiniteStateTable(accuracy: accuracy, counts: counts) else {
            preconditionFailure("the tables of RFC 8878 are sound")
        }
        return table
    }

    static let literalLengths = predefined(
        6,
        [
            4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1,
            -1,
        ])
    static let offsets = predefined(
        5, [1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1])
    static let matchLengths = predefined(
        6,
        [
            1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
            1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
        ])
}

/// The Huffman code of literals. Source: RFC 8878, section 4.2.
struct ZstdLiteralCode {
    /// Length of the longest code word in bits.
    let width: Int
    /// For the next `width` bits: symbol << 8 | length of the code word.
    let entries: [UInt16]

    /// Reads a code description and sets its size in bytes.
    /// - Parameter bytes: memory that is readable for 8 more bytes.
    init(describedBy bytes: UnsafeBufferPointer<UInt8>, byteCount: inout Int) throws(DecompressionError) {
        guard let first = bytes.first else { throw .truncated }
        var weights: [UInt8] = []
        if first >= 128 {
            let count = Int(first) - 127
            byteCount = 1 + (count + 1) / 2
            guard bytes.count >= byteCount else { throw .truncated }
            for index in 0..<count {
                let byte = bytes[1 + index / 2]
                weights.append(index % 2 == 0 ? byte >> 4 : byte & 15)
            }
        } else {
            byteCount = 1 + Int(first)
            guard bytes.count >= byteCount else { throw .truncated }
            weights = try Self.weights(UnsafeBufferPointer(rebasing: bytes[1..<byteCount]))
        }
        try self.init(weights: weights)
    }

    private static func weights(_ bytes: UnsafeBufferPointer<UInt8>) throws(DecompressionError) -> [UInt8] {
        var used = 0
        let table = try FiniteStateTable(describedBy: bytes, symbols: 256, largestAccuracy: 6, byteCount: &used)
        guard used < bytes.count else { throw .truncated }
        var bits = try ZstdReverseBits(UnsafeBufferPointer(rebasing: bytes[used...]))
        // Two states alternate until the bits are used up; then the other state still has a symbol.
        var states = (bits.take(table.accuracy), bits.take(table.accuracy))
        guard bits.left >= 0 else { throw .truncated }
        var weights: [UInt8] = []
        while true {
            let entry = table.entries[states.0]
            weights.append(entry.symbol)
            let next = Int(entry.base) + bits.take(Int(entry.bitCount))
            if bits.left < 0 {
                weights.append(table.entries[states.1].symbol)
                break
            }
            states = (states.1, next)
            guard weights.count < 255 else { throw .malformed("the code of literals has too many symbols") }
        }
        guard weights.count <= 255 else { throw .malformed("the code of literals has too many symbols") }
        return weights
    }

    private init(weights: [UInt8]) throws(DecompressionError) {
        var sum = 0
        for weight in weights where weight > 0 {
            guard weight <= 11 else { throw .malformed("the code of literals has a word of no length") }
            sum += 1 << (Int(weight) - 1)
        }
        guard sum > 0 else { throw .malformed("the code of literals is empty") }
        // The weight of the last symbol completes the sum to a power of two.
        let width = Int.bitWidth - sum.leadingZeroBitCount
        let rest = 1 << width - sum
        guard width <= 11, rest & (rest - 1) == 0 else { throw .malformed("the code of literals is not complete") }
        let all = weights + [UInt8(rest.trailingZeroBitCount + 1)]
        var entries: [UInt16] = []
        entries.reserveCapacity(1 << width)
        for weight in 1...width {
            for (symbol, own) in all.enumerated() where Int(own) == weight {
                let entry = UInt16(truncatingIfNeeded: symbol << 8 | (width + 1 - weight))
                entries.append(contentsOf: repeatElement(entry, count: 1 << (weight - 1)))
            }
        }
        guard entries.count == 1 << width else { throw .malformed("the code of literals is not complete") }
        self.width = width
        self.entries = entries
    }

    /// Decodes exactly `target.count` symbols, which must consume all bits.
    /// - Parameter bytes: memory that is readable for 8 more bytes.
    func decode(
        _ bytes: UnsafeBufferPointer<UInt8>, into target: UnsafeMutableBufferPointer<UInt8>
    ) throws(DecompressionError) {
        var bits = try ZstdReverseBits(bytes)
        let width = width
        entries.withUnsafeBufferPointer { entries in
            for index in 0..<target.count {
                let entry = entries[bits.peek(width)]
                target[index] = UInt8(truncatingIfNeeded: entry >> 8)
                bits.drop(Int(entry & 0xff))
            }
        }
        guard bits.left == 0 else { throw .malformed("the literals do not end where their bits do") }
    }
}
