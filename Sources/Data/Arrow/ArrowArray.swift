import MartletFormats
import MartletJSON
import MartletSystem

/// The values of a column in one record batch; the buffer sizes have been checked against the number of values.
final class ArrowArray {
    let field: ArrowField
    let count: Int
    /// One bit per value, set if the value is not null; nil if there are no nulls.
    private let validity: [UInt8]?
    /// Offsets, numbers, or views.
    private let first: [UInt8]
    /// The bytes of strings.
    private let second: [UInt8]
    /// The data buffers of string views.
    private let more: [[UInt8]]
    private let children: [ArrowArray]
    /// The parts of the dictionary, in order; values are indices into it.
    private let dictionary: [ArrowArray]?

    /// The components of a record batch.
    struct Parts {
        var nodes: [(count: Int64, nulls: Int64)]
        var bufferCount: Int
        /// The number of data buffers of each view column, in order.
        var viewBufferCounts: [Int64]
        /// The bytes of a buffer, decompressed.
        var buffer: (Int) throws(ArrowFault) -> [UInt8]
        var dictionaries: [Int64: [ArrowArray]]
        fileprivate var node = 0
        fileprivate var next = 0
        fileprivate var view = 0

        init(
            nodes: [(count: Int64, nulls: Int64)], bufferCount: Int, viewBufferCounts: [Int64],
            dictionaries: [Int64: [ArrowArray]], buffer: @escaping (Int) throws(ArrowFault) -> [UInt8]
        ) {
            self.nodes = nodes
            self.bufferCount = bufferCount
            self.viewBufferCounts = viewBufferCounts
            self.dictionaries = dictionaries
            self.buffer = buffer
        }

        fileprivate mutating func takeNode() throws(ArrowFault) -> (count: Int64, nulls: Int64) {
            guard node < nodes.count else { throw .malformed("has fewer columns than its schema") }
            defer { node += 1 }
            return nodes[node]
        }

        fileprivate mutating func takeBuffer() throws(ArrowFault) -> [UInt8] {
            guard next < bufferCount else { throw .malformed("has fewer buffers than its schema needs") }
            defer { next += 1 }
            return try buffer(next)
        }

        fileprivate mutating func takeViewCount() throws(ArrowFault) -> Int {
            guard view < viewBufferCounts.count,
                let count = viewBufferCounts[view].narrowed(to: 0...Int64(max(bufferCount - next, 0)))
            else { throw .malformed("has fewer buffers than its views need") }
            view += 1
            return Int(count)
        }

        /// Skips a column that is not read.
        mutating func skip(_ field: ArrowField) throws(ArrowFault) {
            _ = try takeNode()
            if field.dictionary != nil {
                next += 2
                return
            }
            next += field.type.bufferCount
            if case .views = field.type { next += try takeViewCount() }
            for child in field.children { try skip(child) }
        }
    }

    /// - Parameter largest: the maximum number of values accepted for a file of this size, because some values take
    ///   no bytes.
    init(_ field: ArrowField, _ parts: inout Parts, largest: Int) throws(ArrowFault) {
        let node = try parts.takeNode()
        guard let count = node.count.narrowed(to: 0...Int64(largest)) else {
            throw .malformed("claims \(node.count) values in \"\(field.name)\"")
        }
        let type = field.dictionary?.index ?? field.type
        var validity: [UInt8]?
        if type.bufferCount > 0 {
            let bits = try parts.takeBuffer()
            if node.nulls != 0, !bits.isEmpty || count > 0 { validity = bits }
        }
        let places = Int(count)
        func check(_ bytes: [UInt8], _ count: Int?, _ width: Int = 1) throws(ArrowFault) -> [UInt8] {
            guard let count, let needed = Int.product(count, width), needed <= bytes.count else {
                throw .malformed("has fewer values in \"\(field.name)\" than it says")
            }
            return bytes
        }
        if let bits = validity { _ = try check(bits, (places + 7) / 8) }
        var first: [UInt8] = [], second: [UInt8] = [], more: [[UInt8]] = []
        switch type {
        case .null, .structure, .fixedList: break
        case .bool: first = try check(try parts.takeBuffer(), (places + 7) / 8)
        case .integer(let width, _), .float(let width), .fixedBytes(let width):
            first = try check(try parts.takeBuffer(), places, width)
        case .bytes(let width):
            first = try parts.takeBuffer()
            // A column without values may have no offsets.
            if places > 0 { first = try check(first, places + 1, width) }
            second = try parts.takeBuffer()
        case .list(let width):
            first = try parts.takeBuffer()
            if places > 0 { first = try check(first, places + 1, width) }
        case .map:
            first = try parts.takeBuffer()
            if places > 0 { first = try check(first, places + 1, 4) }
        case .views:
            first = try check(try parts.takeBuffer(), places, 16)
            for _ in 0..<(try parts.takeViewCount()) { more.append(try parts.takeBuffer()) }
        case .other(let name, _): throw .unsupported("has a column of Arrow's type \(name), which is not read")
        }
        var children: [ArrowArray] = []
        if field.dictionary == nil {
            for child in field.children { children.append(try ArrowArray(child, &parts, largest: largest)) }
        }
        switch type {
        case .structure:
            guard children.allSatisfy({ $0.count >= places }) else {
                throw .malformed("has fewer values below \"\(field.name)\" than it says")
            }
        case .fixedList(let entries):
            guard let needed = Int.product(places, entries), needed <= children[0].count else {
                throw .malformed("has fewer values below \"\(field.name)\" than it says")
            }
        default: break
        }
        if let own = field.dictionary {
            guard let parts = parts.dictionaries[own.id] else {
                throw .malformed("has places in dictionary \(own.id), which did not come before them")
            }
            dictionary = parts
        } else {
            dictionary = nil
        }
        self.field = field
        self.count = places
        self.validity = validity
        self.first = first
        self.second = second
        self.more = more
        self.children = children
    }

    /// The budget of a row, and what has been used.
    struct Budget {
        var entries = 1 << 20
        var bytes = CorpusOptions.largestRecord
        var depth = 0
        /// Whether bytes are no text, as those of pictures: that there are some is all that is read of them.
        var isMedium = false
    }

    /// The value of a row as JSON; null members of structs are omitted.
    func value(at row: Int, _ budget: inout Budget) throws(ArrowFault) -> JSON {
        guard row >= 0, row < count else { throw .malformed("has a place outside of \"\(field.name)\"") }
        budget.depth += 1
        defer { budget.depth -= 1 }
        // Dictionaries may be nested.
        guard budget.depth <= 128 else { throw .malformed("is nested too deep") }
        if let validity, validity[row >> 3] >> UInt8(row & 7) & 1 == 0 { return .null }
        if let own = field.dictionary {
            guard case .integer(let width, let isSigned) = own.index else { return .null }
            var place = Int(clamping: number(row, width, isSigned))
            for part in dictionary ?? [] {
                if place < part.count { return try part.value(at: place, &budget) }
                place -= part.count
            }
            throw .malformed("has a place outside of its dictionary")
        }
        switch field.type {
        case .null, .other: return .null
        case .bool: return .bool(first[row >> 3] >> UInt8(row & 7) & 1 == 1)
        case .integer(let width, let isSigned):
            let value = number(row, width, isSigned)
            if !isSigned, value < 0 { return .number(Double(UInt64(bitPattern: value))) }
            return .integer(value)
        case .float(let width): return .number(float(row, width))
        case .bytes(let width):
            let range = try range(row, width, of: second.count)
            return try text(second[range], &budget)
        case .fixedBytes(let width): return try text(first[row * width..<(row + 1) * width], &budget)
        case .views: return try text(try view(row), &budget)
        case .list(let width): return .array(try entries(try range(row, width, of: children[0].count), &budget))
        case .fixedList(let entries):
            return .array(try self.entries(row * entries..<(row + 1) * entries, &budget))
        case .map:
            let pairs = try entries(try range(row, 4, of: children[0].count), &budget)
            let names = children[0].field.children.map(\.name)
            guard names.count == 2, pairs.allSatisfy({ $0[names[0]]?.string != nil }) else { return .array(pairs) }
            return .object(JSONObject(pairs.map { ($0[names[0]]?.string ?? "", $0[names[1]] ?? .null) }))
        case .structure:
            var members: [(key: String, value: JSON)] = []
            for child in children {
                let value = try child.value(at: row, &budget)
                if !value.isNull { members.append((child.field.name, value)) }
            }
            return .object(JSONObject(members))
        }
    }

    private func entries(_ range: Range<Int>, _ budget: inout Budget) throws(ArrowFault) -> [JSON] {
        budget.entries -= range.count
        guard budget.entries >= 0 else { throw .unsupported("has lists of more than \(1 << 20) entries in a row") }
        var entries: [JSON] = []
        for place in range { entries.append(try children[0].value(at: place, &budget)) }
        return entries
    }

    private func text(_ bytes: ArraySlice<UInt8>, _ budget: inout Budget) throws(ArrowFault) -> JSON {
        budget.bytes -= bytes.count
        guard budget.bytes >= 0 else {
            throw .unsupported("has a row longer than \(CorpusOptions.largestRecord) bytes")
        }
        if budget.isMedium { return .string("bytes") }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .malformed("has a text in \"\(field.name)\" that is not UTF-8")
        }
        return .string(text)
    }

    /// An integer of up to eight bytes.
    private func number(_ row: Int, _ width: Int, _ isSigned: Bool) -> Int64 {
        var value: UInt64 = 0
        let start = row * width
        for index in 0..<width { value |= UInt64(first[start + index]) << UInt64(8 * index) }
        let unused = UInt64(64 - 8 * width)
        return isSigned ? Int64(bitPattern: value << unused) >> Int64(unused) : Int64(bitPattern: value)
    }

    private func float(_ row: Int, _ width: Int) -> Double {
        let bits = UInt64(bitPattern: number(row, width, false))
        switch width {
        case 8: return Double(bitPattern: bits)
        case 4: return Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
        default:
            let exponent = Int(bits >> 10 & 31), fraction = Double(bits & 1023)
            let size =
                exponent == 31
                ? (fraction == 0 ? Double.infinity : .nan)
                : exponent == 0
                    ? fraction * 0x1p-24
                    : (1 + fraction / 1024) * Double(sign: .plus, exponent: exponent - 15, significand: 1)
            return bits >> 15 & 1 == 1 ? -size : size
        }
    }

    /// The range between two consecutive offsets.
    private func range(_ row: Int, _ width: Int, of limit: Int) throws(ArrowFault) -> Range<Int> {
        let start = number(row, width, true), end = number(row + 1, width, true)
        guard start >= 0, start <= end, end <= limit else {
            throw .malformed("has an offset outside of \"\(field.name)\"")
        }
        return Int(start)..<Int(end)
    }

    /// Strings of up to twelve bytes are stored in the view itself; for longer ones it has a buffer index and an
    /// offset.
    private func view(_ row: Int) throws(ArrowFault) -> ArraySlice<UInt8> {
        func four(_ offset: Int) -> Int {
            (0..<4).reduce(0) { $0 | Int(first[row * 16 + offset + $1]) << (8 * $1) }
        }
        let count = four(0)
        if count <= 12 { return first[row * 16 + 4..<row * 16 + 4 + count] }
        let buffer = four(8), start = four(12)
        guard buffer < more.count, start <= more[buffer].count, count <= more[buffer].count - start else {
            throw .malformed("has a view outside of \"\(field.name)\"")
        }
        return more[buffer][start..<start + count]
    }
}
