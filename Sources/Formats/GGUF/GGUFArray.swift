import MartletTensor

/// A metadata array, stored as its position in the file: elements are decoded on access.
///
/// The bytes were checked when the file was opened: every element lies inside, every string is within its limit.
public struct GGUFArray: @unchecked Sendable {
    public let elementType: GGUFValueType
    public let count: Int
    /// Elements in file format: consecutive numbers, or strings after their `u64` lengths.
    let bytes: UnsafeRawBufferPointer
    /// Keeps `bytes` alive. `bytes` is never written to.
    let owner: AnyObject

    init(elementType: GGUFValueType, count: Int, bytes: UnsafeRawBufferPointer, owner: AnyObject) {
        self.elementType = elementType
        self.count = count
        self.bytes = bytes
        self.owner = owner
    }

    /// The elements of any integer type; nil for other types, or if one does not fit.
    public func integers() -> [Int]? {
        switch elementType {
        case .uint8: numbers(UInt8.self) { Int($0) }
        case .int8: numbers(Int8.self) { Int($0) }
        case .uint16: numbers(UInt16.self) { Int($0) }
        case .int16: numbers(Int16.self) { Int($0) }
        case .uint32: numbers(UInt32.self) { Int($0) }
        case .int32: numbers(Int32.self) { Int($0) }
        case .int64: numbers(Int64.self) { Int($0) }
        case .uint64:
            numbers(UInt64.self) { $0 }.allSatisfy { $0 <= UInt64(Int.max) }
                ? numbers(UInt64.self) { Int(truncatingIfNeeded: $0) } : nil
        default: nil
        }
    }

    /// The elements of a floating-point type.
    public func realNumbers() -> [Float]? {
        switch elementType {
        case .float32: numbers(UInt32.self) { Float(bitPattern: $0) }
        case .float64: numbers(UInt64.self) { Float(Double(bitPattern: $0)) }
        default: nil
        }
    }

    public func bools() -> [Bool]? {
        elementType == .bool ? bytes.map { $0 != 0 } : nil
    }

    /// The strings, as a collection over the file's bytes.
    public func strings() -> GGUFStrings? {
        elementType == .string ? GGUFStrings(count: count, bytes: bytes, owner: owner) : nil
    }

    private func numbers<Raw: FixedWidthInteger, Result>(_: Raw.Type, _ convert: (Raw) -> Result) -> [Result] {
        [Result](unsafeUninitializedCapacity: count) { buffer, initialized in
            for index in 0..<count {
                let raw = bytes.loadUnaligned(fromByteOffset: index * MemoryLayout<Raw>.size, as: Raw.self)
                buffer.initializeElement(at: index, to: convert(Raw(littleEndian: raw)))
            }
            initialized = count
        }
    }
}

/// Iterates over the elements of arrays of any type.
extension GGUFArray: Sequence {
    public struct Iterator: IteratorProtocol {
        let array: GGUFArray
        private var reader: GGUFValueReader
        private var left: Int

        init(_ array: GGUFArray) {
            self.array = array
            reader = GGUFValueReader(path: "", bytes: array.bytes, owner: array.owner)
            left = array.count
        }

        public mutating func next() -> GGUFValue? {
            guard left > 0 else { return nil }
            left -= 1
            if array.elementType == .string {
                // Elements may be any bytes (a token may be part of a character), but values must be text.
                return (try? reader.stringBytes("", limit: .max)).map { .string(String(decoding: $0, as: UTF8.self)) }
            }
            return try? reader.value(array.elementType, "", depth: 1)
        }
    }

    public func makeIterator() -> Iterator { Iterator(self) }
    public var underestimatedCount: Int { count }
}

extension GGUFArray {
    /// An array to be written. `pack` appends the bytes of each element.
    private init<Element>(
        _ type: GGUFValueType, _ elements: [Element], _ pack: (Element, inout [UInt8]) -> Void
    ) {
        var packed: [UInt8] = []
        for element in elements { pack(element, &packed) }
        let copy = MappedFile(path: "an array of \(type)", contents: packed)
        self.init(elementType: type, count: elements.count, bytes: copy.bytes, owner: copy)
    }

    public init(_ elements: [Int32]) { self.init(.int32, elements) { $1.append(littleEndian: $0) } }
    public init(_ elements: [UInt32]) { self.init(.uint32, elements) { $1.append(littleEndian: $0) } }
    public init(_ elements: [Int64]) { self.init(.int64, elements) { $1.append(littleEndian: $0) } }
    public init(_ elements: [UInt64]) { self.init(.uint64, elements) { $1.append(littleEndian: $0) } }
    public init(_ elements: [Int16]) { self.init(.int16, elements) { $1.append(littleEndian: $0) } }
    public init(_ elements: [UInt16]) { self.init(.uint16, elements) { $1.append(littleEndian: $0) } }
    public init(_ elements: [Int8]) { self.init(.int8, elements) { $1.append(littleEndian: $0) } }
    public init(_ elements: [UInt8]) { self.init(.uint8, elements) { $1.append($0) } }
    public init(_ elements: [Float]) { self.init(.float32, elements) { $1.append(littleEndian: $0.bitPattern) } }
    public init(_ elements: [Double]) { self.init(.float64, elements) { $1.append(littleEndian: $0.bitPattern) } }
    public init(_ elements: [Bool]) { self.init(.bool, elements) { $1.append($0 ? 1 : 0) } }
    public init(_ elements: [String]) { self.init(elements.map { Array($0.utf8) }) }
    /// Strings as bytes, which need not be UTF-8.
    public init(_ elements: [[UInt8]]) {
        self.init(.string, elements) {
            $1.append(littleEndian: UInt64($0.count))
            $1.append(contentsOf: $0)
        }
    }
    /// An array of arrays.
    public init(_ elements: [GGUFArray]) {
        self.init(.array, elements) {
            $1.append(littleEndian: $0.elementType.rawValue)
            $1.append(littleEndian: UInt64($0.count))
            $1.append(contentsOf: $0.bytes)
        }
    }
}

extension [UInt8] {
    mutating func append(littleEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}
