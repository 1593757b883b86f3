/// Decompresses the "deflate" format incrementally, with about 200 kB of memory for any data. Source: RFC 1951.
package final class InflateSource: ByteSource {
    private var decoder: InflateDecoder

    package init(_ source: any ByteSource) { decoder = InflateDecoder(BufferedInput(source)) }

    init(_ input: BufferedInput) { decoder = InflateDecoder(input) }

    deinit { decoder.window.deallocate() }

    package func read(into buffer: UnsafeMutableRawBufferPointer) throws(DecompressionError) -> Int {
        try decoder.read(into: buffer)
    }

    /// The input after the compressed data; call it at their end.
    func rest() -> BufferedInput {
        decoder.returnWholeBytes()
        return decoder.input
    }
}

private struct InflateDecoder {
    static let history = 1 << 15
    static let stretch = 1 << 16
    static let longestMatch = 258

    var input: BufferedInput
    /// The last 32 kB of output, then the new output.
    let window: UnsafeMutablePointer<UInt8>
    private var end = 0
    private var taken = 0
    private var bits: UInt64 = 0
    private var bitCount = 0
    private var block = Block.none
    private var isLast = false
    /// How far back matches may reach: the size of the output, at most that of the history.
    private var produced = 0

    private enum Block {
        case none
        case stored(rest: Int)
        case compressed(PrefixCode, PrefixCode)
    }

    init(_ input: BufferedInput) {
        self.input = input
        window = .allocate(capacity: Self.history + Self.stretch + Self.longestMatch)
    }

    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(DecompressionError) -> Int {
        guard !buffer.isEmpty else { return 0 }
        while taken == end {
            if case .none = block, isLast { return 0 }
            try produce()
        }
        let count = min(end - taken, buffer.count)
        buffer.copyMemory(from: UnsafeRawBufferPointer(start: window + taken, count: count))
        taken += count
        return count
    }

    private mutating func produce() throws(DecompressionError) {
        if end >= Self.history + Self.stretch {
            window.update(from: window + (end - Self.history), count: Self.history)
            end = Self.history
            taken = end
        }
        switch block {
        case .none: try header()
        case .stored(let rest): try stored(rest)
        case .compressed(let literals, let distances): try compressed(literals, distances)
        }
    }

    /// Ensures that at least 56 bits are available, or all remaining ones, with zeros above them.
    @inline(__always)
    private mutating func fill() throws(DecompressionError) {
        if input.end - input.position >= 8 {
            bits |=
                UInt64(
                    littleEndian: input.buffer.loadUnaligned(fromByteOffset: input.position, as: UInt64.self))
                << UInt64(bitCount)
            input.position += (63 - bitCount) >> 3
            bitCount |= 56
        } else {
            try fillSlowly()
        }
    }

    @inline(never)
    private mutating func fillSlowly() throws(DecompressionError) {
        // Bits above the count may remain from a fast fill; the same bytes are read again.
        bits &= (1 << UInt64(bitCount)) - 1
        while bitCount <= 56, let byte = try input.byte() {
            bits |= UInt64(byte) << UInt64(bitCount)
            bitCount += 8
        }
    }

    @inline(__always)
    private mutating func drop(_ count: Int) {
        bits >>= UInt64(count)
        bitCount -= count
    }

    private mutating func take(_ count: Int) throws(DecompressionError) -> Int {
        if bitCount < count { try fill() }
        guard bitCount >= count else { throw .truncated }
        let value = Int(bits & ((1 << UInt64(count)) - 1))
        drop(count)
        return value
    }

    private mutating func header() throws(DecompressionError) {
        isLast = try take(1) == 1
        switch try take(2) {
        case 0:
            drop(bitCount % 8)
            let length = try take(16), complement = try take(16)
            guard length == complement ^ 0xffff else { throw .malformed("a stored block has no sound length") }
            block = length > 0 ? .stored(rest: length) : .none
        case 1: block = .compressed(Self.fixedLiterals, Self.fixedDistances)
        case 2: block = try codes()
        default: throw .malformed("a block has the reserved type")
        }
    }

    /// Returns unused whole bytes to the input, which keeps the last eight bytes for this.
    mutating func returnWholeBytes() {
        input.position -= bitCount / 8
        bits = 0
        bitCount = 0
    }

    private mutating func stored(_ rest: Int) throws(DecompressionError) {
        var rest = rest
        let limit = Self.history + Self.stretch
        while rest > 0, bitCount >= 8, end < limit {
            window[end] = UInt8(truncatingIfNeeded: bits)
            drop(8)
            end += 1
            rest -= 1
            produced += 1
        }
        if bitCount < 8 {
            bits = 0
            let count = min(rest, limit - end)
            try input.copy(into: UnsafeMutableRawBufferPointer(start: window + end, count: count))
            end += count
            produced += count
            rest -= count
        }
        block = rest > 0 ? .stored(rest: rest) : .none
    }

    private mutating func compressed(
        _ literals: PrefixCode, _ distances: PrefixCode
    ) throws(DecompressionError) {
        let limit = Self.history + Self.stretch
        let window = window
        var place = end
        let start = end
        defer {
            produced = min(produced + place - start, Self.history)
            end = place
        }
        let before = produced
        while place < limit {
            try fill()
            let symbol = try next(literals)
            if symbol < 256 {
                window[place] = UInt8(truncatingIfNeeded: symbol)
                place += 1
                continue
            }
            if symbol == 256 {
                block = .none
                return
            }
            guard symbol < 286 else { throw .malformed("a length has no meaning") }
            // The code word and extra bits of a length (20) and of a distance (28) fit into one fill.
            let length = Int(Self.lengthBase[symbol - 257]) + (try take(Int(Self.lengthExtra[symbol - 257])))
            let code = try next(distances)
            guard code < 30 else { throw .malformed("a distance has no meaning") }
            let distance = Int(Self.distanceBase[code]) + (try take(Int(Self.distanceExtra[code])))
            guard distance <= before + place - start else { throw .malformed("a match begins before the data") }
            let source = window + (place - distance), target = window + place
            if distance >= length {
                target.update(from: source, count: length)
            } else {
                for index in 0..<length { target[index] = source[index] }
            }
            place += length
        }
    }

    @inline(__always)
    private mutating func next(_ code: PrefixCode) throws(DecompressionError) -> Int {
        let entry = code.direct.withUnsafeBufferPointer { $0[Int(bits & UInt64(1 << PrefixCode.directBits - 1))] }
        if entry != 0, Int(entry & 15) <= bitCount {
            drop(Int(entry & 15))
            return Int(entry >> 4)
        }
        guard let (symbol, length) = code.long(bits) else { throw .malformed("a word is in no code") }
        guard length <= bitCount else { throw .truncated }
        drop(length)
        return symbol
    }

    private mutating func codes() throws(DecompressionError) -> Block {
        let literals = try take(5) + 257, distances = try take(5) + 1, count = try take(4) + 4
        var lengths = [UInt8](repeating: 0, count: 19)
        let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
        for place in 0..<count { lengths[order[place]] = UInt8(try take(3)) }
        guard let meta = PrefixCode(lengths) else { throw .malformed("a code has too many words") }
        var all: [UInt8] = []
        while all.count < literals + distances {
            try fill()
            let symbol = try next(meta)
            switch symbol {
            case 0...15: all.append(UInt8(symbol))
            case 16:
                guard let previous = all.last else { throw .malformed("a length repeats nothing") }
                all += repeatElement(previous, count: 3 + (try take(2)))
            case 17: all += repeatElement(0, count: 3 + (try take(3)))
            default: all += repeatElement(0, count: 11 + (try take(7)))
            }
        }
        guard all.count == literals + distances, let first = PrefixCode(Array(all[..<literals])),
            let second = PrefixCode(Array(all[literals...]))
        else { throw .malformed("a code has too many words") }
        return .compressed(first, second)
    }

    private static let fixedLiterals = fixed(
        [UInt8](repeating: 8, count: 144) + [UInt8](repeating: 9, count: 112) + [UInt8](repeating: 7, count: 24)
            + [UInt8](repeating: 8, count: 8))
    private static let fixedDistances = fixed([UInt8](repeating: 5, count: 30))

    private static func fixed(_ lengths: [UInt8]) -> PrefixCode {
        guard let code = PrefixCode(lengths) else { preconditionFailure("the fixed codes of RFC 1951 are sound") }
        return code
    }

    private static let lengthBase: [UInt16] = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227,
        258,
    ]
    private static let lengthExtra: [UInt8] = [
        0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
    ]
    private static let distanceBase: [UInt16] = [
        1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
        6145, 8193, 12289, 16385, 24577,
    ]
    private static let distanceExtra: [UInt8] = [
        0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
    ]
}
