import MartletSystem

/// Why the metadata of an Arrow file cannot be read.
enum ArrowFault: Error {
    case malformed(String)
    case unsupported(String)

    static let outside = ArrowFault.malformed("a place in its description lies outside of it")
}

/// A FlatBuffers table: numbered fields, each of which may be absent. Every offset is checked when it is followed.
///
/// Source: google/flatbuffers, docs/source/internals.md.
struct FlatTable {
    private let bytes: [UInt8]
    private let position: Int
    private let vtable: Int
    private let vtableByteCount: Int

    /// The root table of a buffer.
    init(root bytes: [UInt8]) throws(ArrowFault) {
        try self.init(bytes, at: Int(try Self.number(bytes, 0, UInt32.self)))
    }

    private init(_ bytes: [UInt8], at position: Int) throws(ArrowFault) {
        self.bytes = bytes
        self.position = position
        vtable = position - Int(try Self.number(bytes, position, Int32.self))
        vtableByteCount = Int(try Self.number(bytes, vtable, UInt16.self))
    }

    private static func number<T: FixedWidthInteger>(
        _ bytes: [UInt8], _ place: Int, _: T.Type
    ) throws(ArrowFault) -> T {
        guard place >= 0, place <= bytes.count - MemoryLayout<T>.size else { throw .outside }
        return bytes.withUnsafeBytes { T(littleEndian: $0.loadUnaligned(fromByteOffset: place, as: T.self)) }
    }

    /// The offset of a field's value; nil if it is absent.
    private func place(_ field: Int) throws(ArrowFault) -> Int? {
        guard 4 + 2 * field + 2 <= vtableByteCount else { return nil }
        let offset = Int(try Self.number(bytes, vtable + 4 + 2 * field, UInt16.self))
        return offset == 0 ? nil : position + offset
    }

    /// The number in a field, by default 0 if it is absent.
    func number<T: FixedWidthInteger>(_ field: Int, _ type: T.Type, absent: T = 0) throws(ArrowFault) -> T {
        guard let place = try place(field) else { return absent }
        return try Self.number(bytes, place, type)
    }

    private func target(_ place: Int) throws(ArrowFault) -> Int {
        place + Int(try Self.number(bytes, place, UInt32.self))
    }

    func table(_ field: Int) throws(ArrowFault) -> FlatTable? {
        guard let place = try place(field) else { return nil }
        return try FlatTable(bytes, at: try target(place))
    }

    func string(_ field: Int) throws(ArrowFault) -> String? {
        guard let (start, count) = try vector(field, width: 1) else { return nil }
        return String(decoding: bytes[start..<start + count], as: UTF8.self)
    }

    /// The start of a vector's elements of `width` bytes, and their number.
    private func vector(_ field: Int, width: Int) throws(ArrowFault) -> (start: Int, count: Int)? {
        guard let place = try place(field) else { return nil }
        let start = try target(place)
        let count = Int(try Self.number(bytes, start, UInt32.self))
        guard count <= (bytes.count - start - 4) / width else { throw .outside }
        return (start + 4, count)
    }

    func tables(_ field: Int) throws(ArrowFault) -> [FlatTable] {
        guard let (start, count) = try vector(field, width: 4) else { return [] }
        var tables: [FlatTable] = []
        for index in 0..<count { tables.append(try FlatTable(bytes, at: try target(start + 4 * index))) }
        return tables
    }

    /// A vector of pairs of 64-bit numbers, such as the positions of buffers.
    func pairs(_ field: Int) throws(ArrowFault) -> [(Int64, Int64)] {
        guard let (start, count) = try vector(field, width: 16) else { return [] }
        var pairs: [(Int64, Int64)] = []
        for index in 0..<count {
            pairs.append(
                (
                    try Self.number(bytes, start + 16 * index, Int64.self),
                    try Self.number(bytes, start + 16 * index + 8, Int64.self)
                ))
        }
        return pairs
    }

    func numbers(_ field: Int) throws(ArrowFault) -> [Int64] {
        guard let (start, count) = try vector(field, width: 8) else { return [] }
        var numbers: [Int64] = []
        for index in 0..<count { numbers.append(try Self.number(bytes, start + 8 * index, Int64.self)) }
        return numbers
    }
}
