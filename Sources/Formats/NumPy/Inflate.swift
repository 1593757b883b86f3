/// Decompression of the "deflate" format. Source: RFC 1951.
///
/// The output size is known beforehand (zip archives say it) and never exceeded, so a small hostile input cannot
/// ask for more memory than its header declared.
struct Inflate {
    enum Failure: Error { case truncated, malformed, wrongSize }

    private let input: UnsafeRawBufferPointer
    private var place = 0
    private var bits: UInt64 = 0
    private var bitCount = 0
    private var output: [UInt8]
    private let size: Int

    static func decode(_ input: UnsafeRawBufferPointer, size: Int) throws(Failure) -> [UInt8] {
        var decoder = Inflate(input: input, size: size)
        try decoder.run()
        guard decoder.output.count == size else { throw .wrongSize }
        return decoder.output
    }

    private init(input: UnsafeRawBufferPointer, size: Int) {
        self.input = input
        self.size = size
        output = []
        // No more is promised than the input can hold: deflate reaches at most 1032 : 1.
        output.reserveCapacity(min(size, input.count * 1032))
    }

    private mutating func run() throws(Failure) {
        var last = false
        while !last {
            last = try take(1) == 1
            switch try take(2) {
            case 0: try stored()
            case 1: try compressed(Self.fixedLiterals, Self.fixedDistances)
            case 2:
                let (literals, distances) = try tables()
                try compressed(literals, distances)
            default: throw .malformed
            }
        }
    }

    private mutating func fill() {
        while bitCount <= 56, place < input.count {
            bits |= UInt64(input[place]) << UInt64(bitCount)
            place += 1
            bitCount += 8
        }
    }

    private mutating func take(_ count: Int) throws(Failure) -> Int {
        fill()
        guard bitCount >= count else { throw .truncated }
        let value = Int(bits & ((1 << UInt64(count)) - 1))
        bits >>= UInt64(count)
        bitCount -= count
        return value
    }

    private mutating func stored() throws(Failure) {
        _ = try take(bitCount % 8)
        let length = try take(16), complement = try take(16)
        guard length == complement ^ 0xffff else { throw .malformed }
        guard output.count + length <= size else { throw .wrongSize }
        for _ in 0..<length { output.append(UInt8(try take(8))) }
    }

    private mutating func compressed(_ literals: Huffman, _ distances: Huffman) throws(Failure) {
        while true {
            let symbol = try next(literals)
            if symbol < 256 {
                guard output.count < size else { throw .wrongSize }
                output.append(UInt8(symbol))
                continue
            }
            if symbol == 256 { return }
            guard symbol < 286 else { throw .malformed }
            let length = Self.lengthBase[symbol - 257] + (try take(Self.lengthExtra[symbol - 257]))
            let code = try next(distances)
            guard code < 30 else { throw .malformed }
            let distance = Self.distanceBase[code] + (try take(Self.distanceExtra[code]))
            guard distance <= output.count else { throw .malformed }
            guard output.count + length <= size else { throw .wrongSize }
            for _ in 0..<length { output.append(output[output.count - distance]) }
        }
    }

    private mutating func tables() throws(Failure) -> (Huffman, Huffman) {
        let literals = try take(5) + 257, distances = try take(5) + 1, codes = try take(4) + 4
        var lengths = [Int](repeating: 0, count: 19)
        let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
        for place in 0..<codes { lengths[order[place]] = try take(3) }
        let meta = try Huffman(lengths)
        var all: [Int] = []
        while all.count < literals + distances {
            let symbol = try next(meta)
            switch symbol {
            case 0...15: all.append(symbol)
            case 16:
                guard let previous = all.last else { throw .malformed }
                all += Array(repeating: previous, count: 3 + (try take(2)))
            case 17: all += Array(repeating: 0, count: 3 + (try take(3)))
            default: all += Array(repeating: 0, count: 11 + (try take(7)))
            }
        }
        guard all.count == literals + distances else { throw .malformed }
        return (try Huffman(Array(all[..<literals])), try Huffman(Array(all[literals...])))
    }

    private mutating func next(_ table: Huffman) throws(Failure) -> Int {
        fill()
        var code = 0, first = 0, index = 0
        for length in 1...15 {
            guard bitCount >= length else { throw .truncated }
            code |= Int(truncatingIfNeeded: bits >> UInt64(length - 1)) & 1
            let count = table.counts[length]
            if code - count < first {
                bits >>= UInt64(length)
                bitCount -= length
                return table.symbols[index + code - first]
            }
            index += count
            first = (first + count) << 1
            code <<= 1
        }
        throw .malformed
    }

    /// A canonical code: how many words there are of each length, and the symbols in order of their words.
    private struct Huffman {
        var counts = [Int](repeating: 0, count: 16)
        var symbols: [Int] = []

        init(_ lengths: [Int]) throws(Failure) {
            for length in lengths where length > 0 { counts[length] += 1 }
            var left = 1
            for length in 1...15 {
                left = left * 2 - counts[length]
                guard left >= 0 else { throw .malformed }
            }
            for length in 1...15 {
                for (symbol, own) in lengths.enumerated() where own == length { symbols.append(symbol) }
            }
        }

        init(counts: [Int], symbols: [Int]) {
            self.counts = counts
            self.symbols = symbols
        }
    }

    private static let fixedLiterals: Huffman = {
        var counts = [Int](repeating: 0, count: 16)
        (counts[7], counts[8], counts[9]) = (24, 152, 112)
        let symbols = Array(256..<280) + Array(0..<144) + Array(280..<288) + Array(144..<256)
        return Huffman(counts: counts, symbols: symbols)
    }()
    private static let fixedDistances: Huffman = {
        var counts = [Int](repeating: 0, count: 16)
        counts[5] = 30
        return Huffman(counts: counts, symbols: Array(0..<30))
    }()
    private static let lengthBase = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227,
        258,
    ]
    private static let lengthExtra = [
        0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
    ]
    private static let distanceBase = [
        1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
        6145, 8193, 12289, 16385, 24577,
    ]
    private static let distanceExtra = [
        0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
    ]
}
