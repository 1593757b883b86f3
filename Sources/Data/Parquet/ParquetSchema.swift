import MartletSystem

/// A node of a Parquet schema: a column of values, or a group of further nodes.
///
/// A value is stored with two small numbers. The definition level tells how many of the optional nodes above it are
/// present; the repetition level tells at which list a new entry begins. Source: S. Melnik et al., "Dremel", 2010,
/// section 4; apache/parquet-format, LogicalTypes.md, for lists and maps.
struct ParquetNode {
    enum Repetition { case required, optional, repeated }

    enum Kind {
        /// The index among the file's columns.
        case column(Int)
        case group
        /// A group that represents a list: its only child is repeated.
        case list
        /// A group that represents a map: its only child is repeated and has a key and a value.
        case map
    }

    var name: String
    var repetition: Repetition
    var kind: Kind
    var children: [ParquetNode] = []
    /// The minimum definition level at which the node is present.
    var definition: Int
    /// The repetition level of the node's own entries, or of the enclosing list.
    var repetitionLevel: Int
    /// The columns of the node and its descendants.
    var columns: Range<Int> = 0..<0
}

/// A column (a leaf of the schema).
struct ParquetColumn: Equatable {
    /// The names from the root of the schema.
    var path: [String]
    /// The physical type's number in the format.
    var type: Int
    /// The size of a fixed-length value in bytes.
    var typeLength: Int
    /// Whether integers are unsigned.
    var isUnsigned: Bool
    /// The definition level of a value that is present, and the repetition level of the innermost list's entries.
    var largestDefinition: Int
    var largestRepetition: Int
}

/// An element of the schema as stored: nodes in depth-first order, each with its number of children.
struct ParquetSchemaElement {
    var name = ""
    var type = -1
    var typeLength = 0
    var repetition = 0
    var childCount = 0
    /// The older and the newer annotation: 3 and 3 for a list, 1 (or 2) and 2 for a map, 11 to 14 for unsigned
    /// integers.
    var convertedType = -1
    var logicalType = -1

    init(_ reader: inout ThriftReader) throws(ThriftReader.Failure) {
        var element = ParquetSchemaElement()
        try reader.structure { (reader, field, kind) throws(ThriftReader.Failure) in
            switch (field, kind) {
            case (1, .int32): element.type = try reader.integer()
            case (2, .int32): element.typeLength = try reader.integer()
            case (3, .int32): element.repetition = try reader.integer()
            case (4, .binary): element.name = try reader.string()
            case (5, .int32): element.childCount = try reader.integer()
            case (6, .int32): element.convertedType = try reader.integer()
            case (10, .structure):
                // A union: the field number is the type.
                try reader.structure { (_, field, _) throws(ThriftReader.Failure) in
                    element.logicalType = field
                    return false
                }
            default: return false
            }
            return true
        }
        self = element
    }

    private init() {}

    var isList: Bool { convertedType == 3 || logicalType == 3 }
    var isMap: Bool { convertedType == 1 || convertedType == 2 || logicalType == 2 }
}

/// The tree of nodes and its columns.
struct ParquetSchema {
    private(set) var fields: [ParquetNode] = []
    private(set) var columns: [ParquetColumn] = []

    /// The maximum nesting of groups; a list of structs takes three levels.
    private static let deepest = 64

    init(_ elements: [ParquetSchemaElement]) throws(ThriftReader.Failure) {
        guard let root = elements.first else { throw .malformed("there is no schema") }
        var next = 1
        for _ in 0..<max(root.childCount, 0) {
            fields.append(try node(elements, &next, [], definition: 0, repetition: 0))
        }
    }

    private mutating func node(
        _ elements: [ParquetSchemaElement], _ next: inout Int, _ above: [String], definition: Int, repetition: Int
    ) throws(ThriftReader.Failure) -> ParquetNode {
        guard next < elements.count else { throw .malformed("the schema's columns do not fit together") }
        guard above.count < Self.deepest else { throw .malformed("the schema is nested deeper than \(Self.deepest)") }
        let element = elements[next]
        next += 1
        let path = above + [element.name]
        let kinds: [ParquetNode.Repetition] = [.required, .optional, .repeated]
        guard let index = element.repetition.narrowed(to: 0...2) else {
            throw .malformed("a column's repetition is \(element.repetition)")
        }
        var node = ParquetNode(
            name: element.name, repetition: kinds[index], kind: .group, definition: definition + (index == 0 ? 0 : 1),
            repetitionLevel: repetition + (index == 2 ? 1 : 0))
        let first = columns.count
        if element.childCount > 0 {
            for _ in 0..<element.childCount {
                node.children.append(
                    try self.node(
                        elements, &next, path, definition: node.definition, repetition: node.repetitionLevel))
            }
            let isOfEntries = node.children.count == 1 && node.children[0].repetition == .repeated
            if isOfEntries, element.isList { node.kind = .list }
            if isOfEntries, element.isMap, node.children[0].children.count == 2 { node.kind = .map }
        } else {
            node.kind = .column(first)
            columns.append(
                ParquetColumn(
                    path: path, type: element.type, typeLength: element.typeLength,
                    isUnsigned: (11...14).contains(element.convertedType), largestDefinition: node.definition,
                    largestRepetition: node.repetitionLevel))
        }
        node.columns = first..<columns.count
        return node
    }
}
