/// Parquet's hybrid of runs and packed bits, for levels and places in a dictionary.
///
/// Source: apache/parquet-format, Encodings.md, "Run Length Encoding / Bit-Packing Hybrid".
struct RunLengthDecoder {
    private let bytes: UnsafeRawBufferPointer
    private let width: Int
    private var position = 0
    /// Values left of the run, and the value that is repeated, or where its packed bits are.
    private var left = 0
    private var value = 0
    private var bit: Int?

    /// - Parameter width: bits a value, at most 32.
    init(_ bytes: UnsafeRawBufferPointer, width: Int) {
        self.bytes = bytes
        self.width = width
    }

    /// The next value; nil when there are no more.
    @inline(__always)
    mutating func next() -> Int? {
        while left == 0 { if !begin() { return nil } }
        left -= 1
        guard let bit else { return value }
        self.bit = bit + width
        return packed(bit)
    }

    private func packed(_ bit: Int) -> Int {
        let byte = bit >> 3
        if byte + 8 <= bytes.count {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: byte, as: UInt64.self))
            return Int(word >> UInt64(bit & 7) & (1 << UInt64(width) - 1))
        }
        var word: UInt64 = 0
        for index in byte..<min(byte + 8, bytes.count) { word |= UInt64(bytes[index]) << UInt64(8 * (index - byte)) }
        return Int(word >> UInt64(bit & 7) & (1 << UInt64(width) - 1))
    }

    private mutating func begin() -> Bool {
        var header = 0, shift = 0
        while true {
            guard position < bytes.count, shift < 35 else { return false }
            let byte = bytes[position]
            position += 1
            header |= Int(byte & 0x7f) << shift
            if byte < 0x80 { break }
            shift += 7
        }
        if header & 1 == 1 {
            // Groups of eight; the last one may lack bytes that no value needs.
            bit = position * 8
            left = header >> 1 * 8
            let size = left / 8 * width
            if width > 0, size > bytes.count - position { left = (bytes.count - position) * 8 / width }
            position = min(position + size, bytes.count)
            return left > 0 || header > 1
        }
        let size = (width + 7) / 8
        guard size <= bytes.count - position else { return false }
        bit = nil
        left = header >> 1
        value = (0..<size).reduce(0) { $0 | Int(bytes[position + $1]) << (8 * $1) }
        position += size
        return true
    }
}
