import MartletTensor

/// A cursor over untrusted bytes: no read passes the end, and errors name the field that ended too early.
struct GGUFValueReader {
    let path: String
    let bytes: UnsafeRawBufferPointer
    /// Keeps `bytes` alive, for arrays that are read in place.
    let owner: AnyObject
    /// The length of the file; `bytes` is its beginning.
    let fileByteCount: Int
    var position = 0

    init(path: String, bytes: UnsafeRawBufferPointer, owner: AnyObject, fileByteCount: Int? = nil) {
        self.path = path
        self.bytes = bytes
        self.owner = owner
        self.fileByteCount = fileByteCount ?? bytes.count
    }

    var remaining: Int { fileByteCount - position }

    /// The copy contains everything that was valid when it was made; if more is needed now, the file has changed.
    private func require(_ count: Int, _ field: @autoclosure () -> String) throws(FormatError) {
        guard count <= bytes.count - position else {
            throw FormatError(.system, path: path, field: field(), "the file was written to while it was read")
        }
    }

    func malformed(_ field: String?, _ reason: String) -> FormatError {
        FormatError(.malformed, path: path, field: field, reason)
    }

    mutating func number<T: FixedWidthInteger>(_: T.Type, _ field: @autoclosure () -> String) throws(FormatError) -> T {
        guard remaining >= MemoryLayout<T>.size else {
            throw malformed(
                field(),
                "the file ends at byte \(fileByteCount), inside this field at byte \(position): "
                    + (fileByteCount == 0 ? "it is empty; fetch it again" : "it is cut short; fetch it again"))
        }
        try require(MemoryLayout<T>.size, field())
        defer { position += MemoryLayout<T>.size }
        return T(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: T.self))
    }

    /// A count of elements that take at least `least` bytes each: at most as many as fit into the remaining bytes.
    mutating func count(least: Int, _ field: @autoclosure () -> String) throws(FormatError) -> Int {
        let stated = try number(UInt64.self, field())
        guard stated <= UInt64(remaining / least) else {
            throw malformed(
                field(), "states \(stated), but the \(remaining) bytes that remain hold at most \(remaining / least)")
        }
        return Int(stated)
    }

    mutating func stringBytes(
        _ field: @autoclosure () -> String, limit: Int = GGUFLimits.stringByteCount
    ) throws(FormatError) -> UnsafeRawBufferPointer {
        let length = try number(UInt64.self, field())
        guard length <= limit else {
            throw malformed(field(), "a string of \(length) bytes, more than the limit of \(limit)")
        }
        guard length <= remaining else {
            throw malformed(field(), "a string of \(length) bytes, but only \(remaining) remain")
        }
        try require(Int(length), field())
        defer { position += Int(length) }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<position + Int(length)])
    }

    mutating func string(
        _ field: @autoclosure () -> String, limit: Int = GGUFLimits.stringByteCount
    ) throws(FormatError) -> String {
        let bytes = try stringBytes(field(), limit: limit)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw malformed(field(), "a string that is not UTF-8")
        }
        return text
    }

    mutating func valueType(_ field: @autoclosure () -> String) throws(FormatError) -> GGUFValueType {
        let number = try number(UInt32.self, field())
        guard let type = GGUFValueType(rawValue: number) else {
            throw malformed(field(), "value type \(number) is unknown; the format has 0 to 12")
        }
        return type
    }

    /// - Parameter depth: the number of enclosing arrays.
    mutating func value(
        _ type: GGUFValueType, _ field: @autoclosure () -> String, depth: Int = 0
    ) throws(FormatError) -> GGUFValue {
        switch type {
        case .uint8: return .uint8(try number(UInt8.self, field()))
        case .int8: return .int8(try number(Int8.self, field()))
        case .uint16: return .uint16(try number(UInt16.self, field()))
        case .int16: return .int16(try number(Int16.self, field()))
        case .uint32: return .uint32(try number(UInt32.self, field()))
        case .int32: return .int32(try number(Int32.self, field()))
        case .uint64: return .uint64(try number(UInt64.self, field()))
        case .int64: return .int64(try number(Int64.self, field()))
        case .float32: return .float32(Float(bitPattern: try number(UInt32.self, field())))
        case .float64: return .float64(Double(bitPattern: try number(UInt64.self, field())))
        case .string: return .string(try string(field()))
        case .array: return .array(try array(field(), depth: depth + 1))
        case .bool:
            let byte = try number(UInt8.self, field())
            guard byte <= 1 else { throw malformed(field(), "a bool of \(byte), expected 0 or 1") }
            return .bool(byte == 1)
        }
    }

    private mutating func array(_ field: @autoclosure () -> String, depth: Int) throws(FormatError) -> GGUFArray {
        guard depth <= GGUFLimits.arrayDepth else {
            throw malformed(field(), "arrays nested deeper than \(GGUFLimits.arrayDepth)")
        }
        let type = try valueType(field())
        let count = try count(least: type.leastByteCount, field())
        let start = position
        if let size = type.byteCount {
            // No overflow: the count is bounded by the remaining bytes.
            try require(count * size, field())
            position += count * size
            if type == .bool, let index = bytes[start..<position].firstIndex(where: { $0 > 1 }) {
                throw malformed(field(), "element \(index - start) is a bool of \(bytes[index]), expected 0 or 1")
            }
        } else if type == .string {
            for _ in 0..<count { _ = try stringBytes(field()) }
        } else {
            for _ in 0..<count { _ = try array(field(), depth: depth + 1) }
        }
        return GGUFArray(
            elementType: type, count: count, bytes: UnsafeRawBufferPointer(rebasing: bytes[start..<position]),
            owner: owner)
    }
}
