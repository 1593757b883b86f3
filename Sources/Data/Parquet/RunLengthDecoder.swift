/// Parquet's hybrid of run-length encoding and bit packing, for levels, dictionary indices and booleans. Nothing is
/// expanded in advance: memory does not depend on the length of a run. Source: apache/parquet-format, Encodings.md,
/// "Run Length Encoding / Bit-Packing Hybrid".
struct RunLengthDecoder {
    private let bytes: [UInt8]
    private let end: Int
    private let width: Int
    private var position: Int
    /// Values left in the run, and the repeated value or the position of the packed bits.
    private var left = 0
    private var value = 0
    private var bit: Int?

    /// - Parameters:
    ///   - range: the range of the runs in `bytes`.
    ///   - width: bits per value, at most 32.
    init(_ bytes: [UInt8], _ range: Range<Int>, width: Int) {
        self.bytes = bytes
        self.width = width
        position = range.lowerBound
        end = range.upperBound
    }

    /// The next value; nil at the end.
    @inline(__always)
    mutating func next() -> Int? {
        while left == 0 { if !begin() { return nil } }
        left -= 1
        guard let bit else { return value }
        self.bit = bit + width
        return BitField.read(bytes, end: end, bit: bit, width: width)
    }

    private mutating func begin() -> Bool {
        var header = 0, shift = 0
        while true {
            guard position < end, shift < 35 else { return false }
            let byte = bytes[position]
            position += 1
            header |= Int(byte & 0x7f) << shift
            if byte < 0x80 { break }
            shift += 7
        }
        // At most 35 bits, so no product below overflows.
        if header & 1 == 1 {
            // Groups of eight values; the last group may lack bytes that no value needs.
            bit = position * 8
            left = (header >> 1) * 8
            let size = left / 8 * width
            if width > 0, size > end - position { left = (end - position) * 8 / width }
            position = min(position + size, end)
            return left > 0 || header > 1
        }
        let size = (width + 7) / 8
        guard size <= end - position else { return false }
        bit = nil
        left = header >> 1
        value = (0..<size).reduce(0) { $0 | Int(bytes[position + $1]) << (8 * $1) }
        position += size
        return true
    }
}

/// Numbers of a few bits, consecutive from the lowest bit of the first byte.
enum BitField {
    /// The number of `width` bits, at most 56, starting at bit `bit`; bits after `end` are zero.
    @inline(__always)
    static func read(_ bytes: [UInt8], end: Int, bit: Int, width: Int) -> Int {
        let byte = bit >> 3
        var word: UInt64 = 0
        if byte + 8 <= end {
            word = bytes.withUnsafeBytes {
                UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: byte, as: UInt64.self))
            }
        } else if byte < end {
            for index in byte..<end { word |= UInt64(bytes[index]) << UInt64(8 * (index - byte)) }
        }
        return Int(truncatingIfNeeded: word >> UInt64(bit & 7) & ((1 << UInt64(width)) - 1))
    }

    /// The same for up to 64 bits.
    static func readWide(_ bytes: [UInt8], end: Int, bit: Int, width: Int) -> UInt64 {
        guard width > 32 else { return UInt64(read(bytes, end: end, bit: bit, width: width)) }
        let low = UInt64(read(bytes, end: end, bit: bit, width: 32))
        return low | UInt64(read(bytes, end: end, bit: bit + 32, width: width - 32)) << 32
    }
}

/// Integers as differences, in blocks with a minimum difference and bit-packed offsets. Source: apache/parquet-format,
/// Encodings.md, "Delta Encoding (DELTA_BINARY_PACKED = 5)".
struct DeltaDecoder {
    private let bytes: [UInt8]
    private let end: Int
    /// After all values have been read, the position after the numbers.
    private(set) var position: Int
    private(set) var left: Int
    private var value: UInt64
    private let valuesPerPart: Int
    private let partCount: Int
    private var isFirst = true
    private var leastDifference: UInt64 = 0
    private var widths: Range<Int> = 0..<0
    private var part: Int
    private var leftInPart = 0
    private var bit = 0
    private var width = 0

    /// Nil if the header is invalid.
    init?(_ bytes: [UInt8], _ range: Range<Int>) {
        self.bytes = bytes
        end = range.upperBound
        var position = range.lowerBound
        func number() -> UInt64? {
            var value: UInt64 = 0
            for shift in stride(from: UInt64(0), to: 70, by: 7) {
                guard position < range.upperBound else { return nil }
                let byte = bytes[position]
                position += 1
                value |= UInt64(byte & 0x7f) << shift
                if byte < 0x80 { return value }
            }
            return nil
        }
        guard let block = number(), let parts = number(), let count = number(), let first = number(),
            block > 0, block <= 1 << 20, block % 128 == 0, parts > 0, parts <= 1 << 12, block % parts == 0,
            block / parts % 32 == 0, count <= 1 << 40
        else { return nil }
        valuesPerPart = Int(block / parts)
        partCount = Int(parts)
        left = Int(count)
        value = first >> 1 ^ (0 &- first & 1)
        part = partCount
        self.position = position
    }

    /// The next number; nil at the end, and if the bytes end too early.
    mutating func next() -> Int64? {
        guard left > 0 else { return nil }
        if isFirst {
            isFirst = false
        } else {
            if leftInPart == 0, !beginPart() { return nil }
            leftInPart -= 1
            value &+= leastDifference &+ BitField.readWide(bytes, end: end, bit: bit, width: width)
            bit += width
        }
        left -= 1
        return Int64(bitPattern: value)
    }

    private mutating func beginPart() -> Bool {
        if part == partCount {
            var number: UInt64 = 0, shift: UInt64 = 0
            while true {
                guard position < end, shift < 70 else { return false }
                let byte = bytes[position]
                position += 1
                number |= UInt64(byte & 0x7f) << shift
                if byte < 0x80 { break }
                shift += 7
            }
            leastDifference = number >> 1 ^ (0 &- number & 1)
            guard partCount <= end - position else { return false }
            widths = position..<position + partCount
            position += partCount
            part = 0
        }
        width = Int(bytes[widths.lowerBound + part])
        guard width <= 64 else { return false }
        part += 1
        leftInPart = min(valuesPerPart, left)
        bit = position * 8
        // The last miniblock may be truncated after its last value.
        let needed = (leftInPart * width + 7) / 8, whole = valuesPerPart / 8 * width
        guard needed <= end - position else { return false }
        position += min(whole, end - position)
        return true
    }
}
