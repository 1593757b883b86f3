import MartletJSON
import MartletSystem

/// Why the values of a page cannot be read.
enum ParquetFault: Error {
    case malformed(String)
    case unsupported(String)
}

/// The storage type of a column's values.
enum ParquetType: Equatable {
    case boolean, int32, int64, float, double, bytes, fixed(Int)

    /// Nil for types that are not supported.
    init?(_ column: ParquetColumn) {
        switch column.type {
        case 0: self = .boolean
        case 1: self = .int32
        case 2: self = .int64
        case 4: self = .float
        case 5: self = .double
        case 6: self = .bytes
        case 7:
            guard column.typeLength > 0, column.typeLength <= 1 << 20 else { return nil }
            self = .fixed(column.typeLength)
        default: return nil
        }
    }

    static func name(_ type: Int) -> String {
        let names = ["BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"]
        return names.indices.contains(type) ? names[type] : "type \(type)"
    }

    /// The size of a plain value in bytes; nil if it varies, or is below one byte.
    var width: Int? {
        switch self {
        case .boolean, .bytes: nil
        case .int32, .float: 4
        case .int64, .double: 8
        case .fixed(let count): count
        }
    }
}

/// A value as stored.
enum ParquetValue {
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case bytes([UInt8])
}

/// The dictionary of a column: the offsets of its values in the dictionary page.
struct ParquetDictionary {
    let type: ParquetType
    let page: [UInt8]
    /// Only for variable-length values; others are at multiples of their width.
    private var starts: [UInt32] = []
    private(set) var count = 0

    init(_ type: ParquetType, _ page: [UInt8], count: Int) throws(ParquetFault) {
        self.type = type
        self.page = page
        guard type != .boolean, count >= 0, count <= page.count / (type.width ?? 4) else {
            throw .malformed("has a dictionary of \(count) values in \(page.count) bytes")
        }
        self.count = count
        guard type == .bytes else { return }
        var values = ParquetValues.plain(page, type, at: 0)
        for _ in 0..<count {
            starts.append(UInt32(truncatingIfNeeded: values.position))
            try values.skipBytes()
        }
    }

    func value(_ index: Int) throws(ParquetFault) -> ParquetValue {
        guard index < count else { throw .malformed("has a place outside its dictionary of \(count) values") }
        let place = type == .bytes ? Int(starts[index]) : index * (type.width ?? 0)
        var values = ParquetValues.plain(page, type, at: place)
        return try values.next()
    }
}

/// Iterates over the values of a page, in any of the format's encodings. Source: apache/parquet-format, Encodings.md.
struct ParquetValues {
    private enum Encoding {
        case plain
        case dictionary(RunLengthDecoder, ParquetDictionary)
        case runs(RunLengthDecoder)
        case differences(DeltaDecoder)
        /// All lengths, then all bytes.
        case lengths(DeltaDecoder)
        /// The length of the prefix shared with the previous value, then the suffixes as above.
        case prefixes(DeltaDecoder, DeltaDecoder, previous: [UInt8])
        /// The first bytes of all values, then their second bytes, and so on (BYTE_STREAM_SPLIT).
        case split(count: Int)
    }

    private let page: [UInt8]
    private let type: ParquetType
    private var encoding: Encoding
    /// The offset of the next value; for plain booleans the bit index.
    fileprivate var position: Int
    /// The index of the next split value.
    private var splitIndex = 0

    static func plain(_ page: [UInt8], _ type: ParquetType, at position: Int) -> ParquetValues {
        ParquetValues(page: page, type: type, encoding: .plain, position: type == .boolean ? position * 8 : position)
    }

    private init(page: [UInt8], type: ParquetType, encoding: Encoding, position: Int) {
        self.page = page
        self.type = type
        self.encoding = encoding
        self.position = position
    }

    /// - Parameters:
    ///   - code: the encoding's number in the format.
    ///   - start: the offset of the values in the page.
    init(
        _ page: [UInt8], _ type: ParquetType, code: Int, from start: Int, dictionary: ParquetDictionary?
    ) throws(ParquetFault) {
        let rest = start..<page.count
        func differences(_ range: Range<Int>) throws(ParquetFault) -> DeltaDecoder {
            guard let decoder = DeltaDecoder(page, range) else { throw .malformed("has differences without a header") }
            return decoder
        }
        /// The end of the numbers, where the bytes begin.
        func end(of numbers: DeltaDecoder) throws(ParquetFault) -> Int {
            var numbers = numbers
            guard numbers.left <= page.count.multiplied(clampedBy: 1024) else {
                throw .malformed("claims \(numbers.left) values in a page of \(page.count) bytes")
            }
            while numbers.next() != nil {}
            guard numbers.left == 0 else { throw .malformed("has fewer values than it says") }
            return numbers.position
        }
        switch (code, type) {
        case (0, _): self = .plain(page, type, at: start)
        case (2, _), (8, _):
            guard let dictionary else { throw .malformed("has places in a dictionary, but none came before them") }
            // A page of nulls only may have no bit width.
            guard start == page.count || page[start] <= 32 else {
                throw .malformed("has places of \(page[start]) bits in its dictionary")
            }
            let width = start < page.count ? Int(page[start]) : 0
            let runs = RunLengthDecoder(page, min(start + 1, page.count)..<page.count, width: width)
            self.init(page: page, type: type, encoding: .dictionary(runs, dictionary), position: start)
        case (3, .boolean):
            // Prefixed by the length in four bytes.
            guard rest.count >= 4 else { throw .malformed("has fewer values than it says") }
            let runs = RunLengthDecoder(page, start + 4..<page.count, width: 1)
            self.init(page: page, type: type, encoding: .runs(runs), position: start)
        case (5, .int32), (5, .int64):
            self.init(page: page, type: type, encoding: .differences(try differences(rest)), position: start)
        case (6, .bytes):
            let lengths = try differences(rest)
            self.init(page: page, type: type, encoding: .lengths(lengths), position: try end(of: lengths))
        case (7, .bytes), (7, .fixed):
            let prefixes = try differences(rest)
            let suffixes = try differences(try end(of: prefixes)..<page.count)
            self.init(
                page: page, type: type, encoding: .prefixes(prefixes, suffixes, previous: []),
                position: try end(of: suffixes))
        case (9, let type):
            guard let width = type.width else { throw Self.unknown(code) }
            self.init(page: page, type: type, encoding: .split(count: rest.count / width), position: start)
        default: throw Self.unknown(code)
        }
    }

    private static func unknown(_ code: Int) -> ParquetFault {
        let names = [
            3: "RLE", 4: "BIT_PACKED", 5: "DELTA_BINARY_PACKED", 6: "DELTA_LENGTH_BYTE_ARRAY", 7: "DELTA_BYTE_ARRAY",
            9: "BYTE_STREAM_SPLIT",
        ]
        return .unsupported("is encoded as \(names[code] ?? "\(code)"), which is not read for values of its type")
    }

    private static let tooFew = ParquetFault.malformed("has fewer values than it says")

    mutating func next() throws(ParquetFault) -> ParquetValue {
        switch encoding {
        case .plain: return try nextPlain()
        case .dictionary(var runs, let dictionary):
            guard let index = runs.next() else { throw Self.tooFew }
            encoding = .dictionary(runs, dictionary)
            return try dictionary.value(index)
        case .runs(var runs):
            guard let value = runs.next() else { throw Self.tooFew }
            encoding = .runs(runs)
            return .bool(value == 1)
        case .differences(var numbers):
            guard let value = numbers.next() else { throw Self.tooFew }
            encoding = .differences(numbers)
            return .integer(type == .int32 ? Int64(Int32(truncatingIfNeeded: value)) : value)
        case .lengths(var lengths):
            guard let length = lengths.next() else { throw Self.tooFew }
            encoding = .lengths(lengths)
            return .bytes(Array(try take(length)))
        case .prefixes(var prefixes, var suffixes, var previous):
            guard let prefix = prefixes.next(), let suffix = suffixes.next(), prefix >= 0, prefix <= previous.count
            else { throw Self.tooFew }
            // One owner only while the bytes change, so that they are not copied.
            encoding = .plain
            previous.removeSubrange(Int(prefix)...)
            previous += try take(suffix)
            encoding = .prefixes(prefixes, suffixes, previous: previous)
            return .bytes(previous)
        case .split(let count):
            guard splitIndex < count, let width = type.width else { throw Self.tooFew }
            let bytes = (0..<width).map { page[position + $0 * count + splitIndex] }
            splitIndex += 1
            var value = ParquetValues.plain(bytes, type, at: 0)
            return try value.nextPlain()
        }
    }

    private mutating func take(_ length: Int64) throws(ParquetFault) -> ArraySlice<UInt8> {
        guard length >= 0, length <= page.count - position else {
            throw .malformed("has a value beyond its page's end")
        }
        defer { position += Int(length) }
        return page[position..<position + Int(length)]
    }

    private mutating func byteCount() throws(ParquetFault) -> Int64 {
        Int64(UInt32(truncatingIfNeeded: try unsigned(4)))
    }

    fileprivate mutating func skipBytes() throws(ParquetFault) { _ = try take(try byteCount()) }

    private mutating func unsigned(_ width: Int) throws(ParquetFault) -> UInt64 {
        guard page.count - position >= width else { throw Self.tooFew }
        defer { position += width }
        return (0..<width).reduce(UInt64(0)) { $0 | UInt64(page[position + $1]) << UInt64(8 * $1) }
    }

    private mutating func nextPlain() throws(ParquetFault) -> ParquetValue {
        switch type {
        case .boolean:
            guard position >> 3 < page.count else { throw Self.tooFew }
            defer { position += 1 }
            return .bool(page[position >> 3] >> UInt8(position & 7) & 1 == 1)
        case .int32: return .integer(Int64(Int32(truncatingIfNeeded: try unsigned(4))))
        case .int64: return .integer(Int64(bitPattern: try unsigned(8)))
        case .float: return .number(Double(Float(bitPattern: UInt32(truncatingIfNeeded: try unsigned(4)))))
        case .double: return .number(Double(bitPattern: try unsigned(8)))
        case .bytes: return .bytes(Array(try take(try byteCount())))
        case .fixed(let width): return .bytes(Array(try take(Int64(width))))
        }
    }
}
