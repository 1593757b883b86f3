/// Writes the fields of a protocol buffer. Source: the Protocol Buffers encoding reference.
package struct ProtobufWriter {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    package mutating func put(_ field: Int, _ value: Double) {
        varint(UInt64(field << 3 | 1))
        fixed(value.bitPattern, bytes: 8)
    }

    package mutating func put(_ field: Int, _ value: Float) {
        varint(UInt64(field << 3 | 5))
        fixed(UInt64(value.bitPattern), bytes: 4)
    }

    package mutating func put(_ field: Int, _ value: Int) {
        varint(UInt64(field << 3))
        varint(UInt64(bitPattern: Int64(value)))
    }

    package mutating func put(_ field: Int, text: String) { put(field, Array(text.utf8)) }
    package mutating func put(_ field: Int, message: ProtobufWriter) { put(field, message.bytes) }

    package mutating func put(_ field: Int, _ content: [UInt8]) {
        varint(UInt64(field << 3 | 2))
        varint(UInt64(content.count))
        bytes += content
    }

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    private mutating func fixed(_ value: UInt64, bytes count: Int) {
        for index in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index))) }
    }
}
