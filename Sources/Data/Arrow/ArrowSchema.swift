import MartletSystem

/// The type of a column, or of a part of one.
///
/// Source: apache/arrow, format/Schema.fbs; docs/source/format/Columnar.rst for the buffers of each.
indirect enum ArrowType {
    case null, bool
    /// Integers; also dates, times and durations.
    case integer(width: Int, isSigned: Bool)
    case float(width: Int)
    /// Strings or bytes with offsets of four or eight bytes.
    case bytes(offsetWidth: Int)
    /// Strings or bytes with views of 16 bytes.
    case views
    case fixedBytes(Int)
    case list(offsetWidth: Int)
    case fixedList(Int)
    case structure
    case map
    /// A type that is not supported, with its number of buffers and whether it has a variable number of them.
    case other(name: String, buffers: Int)

    /// The column's own buffers, without those of its children and of views.
    var bufferCount: Int {
        switch self {
        case .null: 0
        case .bool, .integer, .float, .fixedBytes, .list, .views, .map: 2
        case .bytes: 3
        case .fixedList, .structure: 1
        case .other(_, let buffers): buffers
        }
    }
}

final class ArrowField {
    let name: String
    let type: ArrowType
    let children: [ArrowField]
    /// For a dictionary-encoded column: the dictionary's id, and the type of the indices.
    let dictionary: (id: Int64, index: ArrowType)?

    private init(_ name: String, _ type: ArrowType, _ children: [ArrowField], _ dictionary: (Int64, ArrowType)?) {
        self.name = name
        self.type = type
        self.children = children
        self.dictionary = dictionary
    }

    /// The field of a dictionary's values.
    var withoutDictionary: ArrowField { ArrowField(name, type, children, nil) }

    /// Why a field, or one of its children, cannot be read; nil if it can.
    var refusal: String? {
        if case .other(let name, _) = type { return "is of Arrow's type \(name), which is not read" }
        for child in children { if let refusal = child.refusal { return refusal } }
        return nil
    }

    /// This field and all fields below it.
    var all: [ArrowField] { [self] + children.flatMap(\.all) }

    private static let mostFields = 1 << 16
    private static let deepest = 64

    static func fields(of schema: FlatTable) throws(ArrowFault) -> [ArrowField] {
        guard try schema.number(0, Int16.self) == 0 else { throw .unsupported("is big-endian") }
        var count = 0
        return try fields(try schema.tables(1), depth: 0, &count)
    }

    /// - Parameter count: limits the fields, because tables may be shared, so that a small schema could expand to any
    ///   number of fields.
    private static func fields(
        _ tables: [FlatTable], depth: Int, _ count: inout Int
    ) throws(ArrowFault) -> [ArrowField] {
        count += tables.count
        guard count <= mostFields, depth < deepest else { throw .malformed("has too many fields") }
        var fields: [ArrowField] = []
        for table in tables {
            let children = try self.fields(try table.tables(5), depth: depth + 1, &count)
            let code = try table.number(2, UInt8.self), detail = try table.table(3)
            let type = try type(code, detail, children: children.count)
            var dictionary: (Int64, ArrowType)?
            if let encoding = try table.table(4) {
                let index = try encoding.table(1)
                dictionary = (
                    try encoding.number(0, Int64.self),
                    index == nil ? .integer(width: 4, isSigned: true) : try self.type(2, index, children: 0)
                )
            }
            fields.append(ArrowField(try table.string(0) ?? "", type, children, dictionary))
        }
        return fields
    }

    private static func type(_ code: UInt8, _ detail: FlatTable?, children: Int) throws(ArrowFault) -> ArrowType {
        func integer(_ bits: Int32, _ isSigned: Bool) throws(ArrowFault) -> ArrowType {
            guard [8, 16, 32, 64].contains(bits) else { throw .malformed("has whole numbers of \(bits) bits") }
            return .integer(width: Int(bits) / 8, isSigned: isSigned)
        }
        func needs(_ expected: Int, _ type: ArrowType) throws(ArrowFault) -> ArrowType {
            guard children == expected else { throw .malformed("has a list of \(children) kinds of entries") }
            return type
        }
        switch code {
        case 1: return .null
        case 2: return try integer(try detail?.number(0, Int32.self) ?? 0, try detail?.number(1, UInt8.self) == 1)
        case 3:
            let precision = try detail?.number(0, Int16.self) ?? 0
            guard let index = Int(precision).narrowed(to: 0...2) else { throw .malformed("has floats of no width") }
            return .float(width: [2, 4, 8][index])
        case 4, 5: return .bytes(offsetWidth: 4)
        case 6: return .bool
        case 7: return .other(name: "decimal", buffers: 2)
        case 8: return try detail?.number(0, Int16.self, absent: 1) == 0 ? integer(32, true) : integer(64, true)
        case 9: return try integer(try detail?.number(1, Int32.self, absent: 32) ?? 32, true)
        case 10, 18: return try integer(64, true)
        case 11: return .other(name: "interval", buffers: 2)
        case 12: return try needs(1, .list(offsetWidth: 4))
        case 13: return .structure
        case 14:
            return .other(name: "union", buffers: try detail?.number(0, Int16.self) == 1 ? 2 : 1)
        case 15:
            let width = Int(try detail?.number(0, Int32.self) ?? 0)
            guard width >= 0 else { throw .malformed("has values of \(width) bytes") }
            return .fixedBytes(width)
        case 16:
            let count = Int(try detail?.number(0, Int32.self) ?? 0)
            guard count >= 0 else { throw .malformed("has lists of \(count) entries") }
            return try needs(1, .fixedList(count))
        case 17: return try needs(1, .map)
        case 19, 20: return .bytes(offsetWidth: 8)
        case 21: return try needs(1, .list(offsetWidth: 8))
        case 22: return .other(name: "run-end encoded", buffers: 0)
        case 23, 24: return .views
        case 25, 26: return .other(name: "list view", buffers: 3)
        default: throw .unsupported("has a column of Arrow's type number \(code), which is not known")
        }
    }
}
