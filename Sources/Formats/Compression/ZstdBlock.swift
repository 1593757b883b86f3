/// State shared by the blocks of a frame, and the decoding of a compressed block. Source: RFC 8878, section 3.1.1.3.
struct ZstdBlockDecoder {
    /// The maximum size of a block, compressed or decompressed.
    static let largest = 1 << 17
    /// Bit readers may read up to 8 bytes beyond the end.
    static let slack = 16

    private var literalCode: ZstdLiteralCode?
    private var literalLengths: FiniteStateTable?
    private var offsets: FiniteStateTable?
    private var matchLengths: FiniteStateTable?
    private var repeats = (1, 4, 8)
    private let literals: UnsafeMutableBufferPointer<UInt8>

    /// - Parameter literals: space for the largest block.
    init(literals: UnsafeMutableBufferPointer<UInt8>) { self.literals = literals }

    /// Decompresses a block.
    /// - Parameters:
    ///   - block: memory that is readable for `slack` more bytes.
    ///   - output: the start of the block's output; earlier output precedes it.
    ///   - reach: the number of bytes of earlier output that matches may refer to.
    ///   - room: the maximum size of the decompressed block.
    /// - Returns: the size of the decompressed block.
    mutating func decode(
        _ block: UnsafeBufferPointer<UInt8>, output: UnsafeMutablePointer<UInt8>, reach: Int, room: Int
    ) throws(DecompressionError) -> Int {
        var place = 0
        let literalCount = try readLiterals(block, &place)
        let rest = UnsafeBufferPointer(rebasing: block[place...])
        guard let first = rest.first else { throw .truncated }
        var count = Int(first), used = 1
        if first >= 128 {
            guard rest.count >= (first == 255 ? 3 : 2) else { throw .truncated }
            if first == 255 {
                count = Int(rest[1]) + Int(rest[2]) << 8 + 0x7f00
                used = 3
            } else {
                count = (Int(first) - 128) << 8 + Int(rest[1])
                used = 2
            }
        }
        if count == 0 {
            guard used == rest.count else { throw .malformed("a block goes on after its end") }
            guard literalCount <= room else { throw .malformed("a block is larger than allowed") }
            if let base = literals.baseAddress { output.update(from: base, count: literalCount) }
            return literalCount
        }
        try readTables(rest, &used)
        return try execute(
            UnsafeBufferPointer(rebasing: rest[used...]), count: count, literalCount: literalCount, output: output,
            reach: reach, room: room)
    }

    private mutating func readLiterals(
        _ block: UnsafeBufferPointer<UInt8>, _ place: inout Int
    ) throws(DecompressionError) -> Int {
        guard let first = block.first else { throw .truncated }
        let kind = first & 3, format = Int(first >> 2 & 3)
        func header(_ bytes: Int) throws(DecompressionError) -> UInt64 {
            guard block.count >= bytes else { throw .truncated }
            return (0..<bytes).reduce(0) { $0 | UInt64(block[$1]) << UInt64(8 * $1) }
        }
        if kind < 2 {
            let bytes = format == 3 ? 3 : format == 1 ? 2 : 1
            let count = Int(try header(bytes) >> (bytes == 1 ? 3 : 4))
            guard count <= Self.largest else { throw .malformed("a block has too many literals") }
            place = bytes + (kind == 0 ? count : 1)
            guard block.count >= place, let target = literals.baseAddress else { throw .truncated }
            if kind == 0, let base = block.baseAddress {
                target.update(from: base + bytes, count: count)
            } else {
                target.update(repeating: block[bytes], count: count)
            }
            return count
        }
        let bytes = [3, 3, 4, 5][format], width = UInt64([10, 10, 14, 18][format])
        let value = try header(bytes), mask: UInt64 = 1 << width - 1
        let count = Int(value >> 4 & mask), size = Int(value >> (4 + width) & mask)
        guard count <= Self.largest else { throw .malformed("a block has too many literals") }
        guard block.count - bytes >= size else { throw .truncated }
        place = bytes + size
        var data = UnsafeBufferPointer(rebasing: block[bytes..<bytes + size])
        if kind == 2 {
            var used = 0
            literalCode = try ZstdLiteralCode(describedBy: data, byteCount: &used)
            data = UnsafeBufferPointer(rebasing: data[used...])
        }
        guard let code = literalCode else { throw .malformed("a block repeats a code that was not given") }
        if format == 0 {
            try code.decode(data, into: UnsafeMutableBufferPointer(rebasing: literals[..<count]))
            return count
        }
        guard data.count >= 6 else { throw .truncated }
        let part = (count + 3) / 4
        guard 3 * part <= count else { throw .malformed("a block has too few literals for four streams") }
        var start = 6
        for stream in 0..<4 {
            let end = stream < 3 ? start + Int(data[2 * stream]) + Int(data[2 * stream + 1]) << 8 : data.count
            guard end <= data.count else { throw .truncated }
            let target = literals[stream * part..<(stream < 3 ? (stream + 1) * part : count)]
            try code.decode(
                UnsafeBufferPointer(rebasing: data[start..<end]), into: UnsafeMutableBufferPointer(rebasing: target))
            start = end
        }
        return count
    }

    private mutating func readTables(
        _ bytes: UnsafeBufferPointer<UInt8>, _ used: inout Int
    ) throws(DecompressionError) {
        guard bytes.count > used else { throw .truncated }
        let modes = bytes[used]
        guard modes & 3 == 0 else { throw .malformed("reserved bits of a block are set") }
        used += 1
        literalLengths = try table(
            modes >> 6, bytes, &used, predefined: .literalLengths, previous: literalLengths, symbols: 36, accuracy: 9)
        offsets = try table(
            modes >> 4 & 3, bytes, &used, predefined: .offsets, previous: offsets, symbols: 32, accuracy: 8)
        matchLengths = try table(
            modes >> 2 & 3, bytes, &used, predefined: .matchLengths, previous: matchLengths, symbols: 53, accuracy: 9)
    }

    private func table(
        _ mode: UInt8, _ bytes: UnsafeBufferPointer<UInt8>, _ used: inout Int, predefined: FiniteStateTable,
        previous: FiniteStateTable?, symbols: Int, accuracy: Int
    ) throws(DecompressionError) -> FiniteStateTable {
        switch mode {
        case 0: return predefined
        case 1:
            guard used < bytes.count else { throw .truncated }
            let symbol = bytes[used]
            guard symbol < symbols else { throw .malformed("a table has too many symbols") }
            used += 1
            return FiniteStateTable(only: symbol)
        case 2:
            var count = 0
            let table = try FiniteStateTable(
                describedBy: UnsafeBufferPointer(rebasing: bytes[used...]), symbols: symbols,
                largestAccuracy: accuracy, byteCount: &count)
            used += count
            return table
        default:
            guard let previous else { throw .malformed("a block repeats a table that was not given") }
            return previous
        }
    }

    private mutating func execute(
        _ bytes: UnsafeBufferPointer<UInt8>, count: Int, literalCount: Int, output: UnsafeMutablePointer<UInt8>,
        reach: Int, room: Int
    ) throws(DecompressionError) -> Int {
        guard let lengths = literalLengths, let offsets, let matches = matchLengths,
            let literals = literals.baseAddress
        else { throw .malformed("a block has no tables") }
        var bits = try ZstdReverseBits(bytes)
        var lengthState = bits.take(lengths.accuracy)
        var offsetState = bits.take(offsets.accuracy)
        var matchState = bits.take(matches.accuracy)
        var (first, second, third) = repeats
        var literal = 0, place = 0
        for sequence in 0..<count {
            let length = lengths.entries[lengthState], offset = offsets.entries[offsetState]
            let match = matches.entries[matchState]
            let offsetValue = 1 << Int(offset.symbol) + bits.take(Int(offset.symbol))
            let matchLength =
                Int(Self.matchBases[Int(match.symbol)]) + bits.take(Int(Self.matchExtra[Int(match.symbol)]))
            let literalLength =
                Int(Self.lengthBases[Int(length.symbol)]) + bits.take(Int(Self.lengthExtra[Int(length.symbol)]))
            if sequence + 1 < count {
                lengthState = Int(length.base) + bits.take(Int(length.bitCount))
                matchState = Int(match.base) + bits.take(Int(match.bitCount))
                offsetState = Int(offset.base) + bits.take(Int(offset.bitCount))
            }
            guard bits.left >= 0 else { throw .truncated }
            var distance = offsetValue - 3
            if offsetValue > 3 {
                (first, second, third) = (distance, first, second)
            } else {
                switch offsetValue + (literalLength == 0 ? 1 : 0) {
                case 1: distance = first
                case 2:
                    distance = second
                    (first, second) = (second, first)
                case 3:
                    distance = third
                    (first, second, third) = (third, first, second)
                default:
                    distance = first - 1
                    (first, second, third) = (distance, first, second)
                }
            }
            guard literalLength <= literalCount - literal else { throw .malformed("a block runs out of literals") }
            guard literalLength + matchLength <= room - place else {
                throw .malformed("a block is larger than allowed")
            }
            (output + place).update(from: literals + literal, count: literalLength)
            literal += literalLength
            place += literalLength
            guard distance > 0, distance <= reach + place else { throw .malformed("a match begins before the data") }
            let source = output + (place - distance), target = output + place
            if distance >= matchLength {
                target.update(from: source, count: matchLength)
            } else {
                for index in 0..<matchLength { target[index] = source[index] }
            }
            place += matchLength
        }
        guard bits.left == 0 else { throw .malformed("the sequences do not end where their bits do") }
        let rest = literalCount - literal
        guard rest <= room - place else { throw .malformed("a block is larger than allowed") }
        (output + place).update(from: literals + literal, count: rest)
        repeats = (first, second, third)
        return place + rest
    }

    private static let lengthBases: [UInt32] =
        Array(0..<16) + [
            16, 18, 20, 22, 24, 28, 32, 40, 48, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536,
        ]
    private static let lengthExtra: [UInt8] =
        [UInt8](repeating: 0, count: 16) + [1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
    private static let matchBases: [UInt32] =
        Array(3..<35) + [
            35, 37, 39, 41, 43, 47, 51, 59, 67, 83, 99, 131, 259, 515, 1027, 2051, 4099, 8195, 16387, 32771, 65539,
        ]
    private static let matchExtra: [UInt8] =
        [UInt8](repeating: 0, count: 32) + [
            1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
        ]
}
