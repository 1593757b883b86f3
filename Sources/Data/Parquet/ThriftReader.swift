import MartletSystem

/// Reads Thrift's compact protocol, the encoding of Parquet's metadata. Source: Apache Thrift, "Thrift compact protocol
/// encoding".
struct ThriftReader {
    enum Failure: Error, CustomStringConvertible {
        case truncated, malformed(String)

        var description: String {
            switch self {
            case .truncated: "it ends too early"
            case .malformed(let reason): reason
            }
        }
    }

    private let bytes: UnsafeRawBufferPointer
    private(set) var position: Int
    /// Nesting depth of structs, limited so that a malicious file cannot overflow the stack.
    private var depth = 0

    init(_ bytes: UnsafeRawBufferPointer, at position: Int = 0) {
        self.bytes = bytes
        self.position = position
    }

    /// The types of fields and of list elements.
    enum Kind: UInt8 {
        case stop, yes, no, byte, int16, int32, int64, double, binary, list, set, map, structure
    }

    private mutating func byte() throws(Failure) -> UInt8 {
        guard position < bytes.count else { throw .truncated }
        defer { position += 1 }
        return bytes[position]
    }

    mutating func unsigned() throws(Failure) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            let byte = try byte()
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
        }
        throw .malformed("a number has too many bytes")
    }

    /// An integer of any width, in zigzag encoding.
    mutating func integer() throws(Failure) -> Int {
        let value = try unsigned()
        return Int(truncatingIfNeeded: value >> 1) ^ -Int(truncatingIfNeeded: value & 1)
    }

    mutating func binary() throws(Failure) -> Range<Int> {
        let count = try unsigned()
        guard count <= UInt64(bytes.count - position) else { throw .truncated }
        defer { position += Int(count) }
        return position..<position + Int(count)
    }

    mutating func string() throws(Failure) -> String {
        String(decoding: bytes[try binary()], as: UTF8.self)
    }

    /// Iterates over a struct's fields. The body reads a field and returns true, or leaves it unread and returns false.
    /// A field of type `yes` or `no` has no bytes: the type is its value.
    mutating func structure(
        _ body: (inout ThriftReader, Int, Kind) throws(Failure) -> Bool
    ) throws(Failure) {
        depth += 1
        defer { depth -= 1 }
        guard depth < 32 else { throw .malformed("it is nested too deep") }
        var field = 0
        while true {
            let header = try byte()
            guard let kind = Kind(rawValue: header & 15) else { throw .malformed("a field has an unknown type") }
            if kind == .stop { return }
            // Field numbers have 16 bits, so their sums do not overflow.
            guard
                let next = (header >> 4 == 0 ? try integer() : field + Int(header >> 4))
                    .narrowed(to: -0x8000...0x7fff)
            else { throw .malformed("a field has a number of more than 16 bits") }
            field = next
            if try !body(&self, field, kind) { try skip(kind) }
        }
    }

    /// The element type and count of a list; each element has at least one byte, so the count is bounded by the file.
    mutating func listHeader() throws(Failure) -> (kind: Kind, count: Int) {
        let header = try byte()
        // Elements of type `stop` would have no bytes, so the count would be unbounded.
        guard let kind = Kind(rawValue: header & 15), kind != .stop else {
            throw .malformed("a list has an unknown type")
        }
        let count = header >> 4 == 15 ? try unsigned() : UInt64(header >> 4)
        guard count <= UInt64(bytes.count - position) else { throw .truncated }
        return (kind, Int(count))
    }

    mutating func list(
        of kind: Kind, _ body: (inout ThriftReader) throws(Failure) -> Void
    ) throws(Failure) {
        let (own, count) = try listHeader()
        guard own == kind || count == 0 else { throw .malformed("a list has another type than expected") }
        for _ in 0..<count { try body(&self) }
    }

    mutating func skip(_ kind: Kind) throws(Failure) {
        switch kind {
        case .stop, .yes, .no: break
        case .byte: _ = try byte()
        case .int16, .int32, .int64: _ = try unsigned()
        case .double:
            guard bytes.count - position >= 8 else { throw .truncated }
            position += 8
        case .binary: _ = try binary()
        case .list, .set:
            let (own, count) = try listHeader()
            for _ in 0..<count { try skipEntry(own) }
        case .map:
            let count = try unsigned()
            guard count <= UInt64(bytes.count - position) else { throw .truncated }
            guard count > 0 else { return }
            let kinds = try byte()
            guard let key = Kind(rawValue: kinds >> 4), let value = Kind(rawValue: kinds & 15), key != .stop,
                value != .stop
            else { throw .malformed("a map has an unknown type") }
            for _ in 0..<count {
                try skipEntry(key)
                try skipEntry(value)
            }
        case .structure: try structure { (_, _, _) throws(Failure) in false }
        }
    }

    /// In collections a boolean takes one byte.
    private mutating func skipEntry(_ kind: Kind) throws(Failure) {
        if kind == .yes || kind == .no { _ = try byte() } else { try nested(kind) }
    }

    private mutating func nested(_ kind: Kind) throws(Failure) {
        depth += 1
        defer { depth -= 1 }
        guard depth < 32 else { throw .malformed("it is nested too deep") }
        try skip(kind)
    }
}
