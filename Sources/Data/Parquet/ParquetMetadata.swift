import MartletFormats
import MartletTensor

/// What a Parquet file says about itself at its end: columns, and where their values lie.
///
/// Source: apache/parquet-format, src/main/thrift/parquet.thrift.
struct ParquetMetadata {
    /// A column of values (a leaf of the schema).
    struct Column: Equatable {
        /// The names from the top of the schema down.
        var path: [String]
        var type: Int
        var typeLength: Int
        /// The definition level of a value that is there, and the repetition level of a repeated one.
        var largestDefinition: Int
        var largestRepetition: Int
        /// The definition level from which on an entry of the innermost list exists.
        var entryDefinition: Int
    }

    struct Chunk {
        var column: Int
        var codec: Int
        var valueCount: Int
        /// The chunk's pages in the file, the dictionary's first.
        var bytes: Range<Int>
    }

    struct RowGroup {
        var rowCount: Int
        var chunks: [Chunk]
    }

    private(set) var columns: [Column] = []
    private(set) var rowCount = 0
    private(set) var rowGroups: [RowGroup] = []

    private struct Element {
        var name = ""
        var type = -1
        var typeLength = 0
        var repetition = 0
        var childCount = 0
    }

    init(_ file: MappedFile) throws(DataError) {
        let bytes = file.bytes, path = file.path
        let magic = Array("PAR1".utf8)
        guard bytes.count >= 12, bytes.prefix(4).elementsEqual(magic) else {
            throw DataError(.malformed, path: path, "is no Parquet file")
        }
        guard bytes.suffix(4).elementsEqual(magic) else {
            throw DataError(
                bytes.suffix(4).elementsEqual("PARE".utf8) ? .unsupported : .malformed, path: path,
                "does not end as a Parquet file does: it is cut short or encrypted")
        }
        let size = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: bytes.count - 8, as: UInt32.self)))
        guard size <= bytes.count - 12 else {
            throw DataError(.malformed, path: path, place: "footer", "claims \(size) bytes of \(bytes.count)")
        }
        let start = bytes.count - 8 - size
        var reader = ThriftReader(UnsafeRawBufferPointer(rebasing: bytes[start..<bytes.count - 8]))
        var elements: [Element] = [], groups: [RowGroup] = [], rows = 0
        do throws(ThriftReader.Failure) {
            try reader.structure { (reader, field, kind) throws(ThriftReader.Failure) in
                switch (field, kind) {
                case (2, .list):
                    try reader.list(of: .structure) { (reader) throws(ThriftReader.Failure) in
                        elements.append(try Self.element(&reader))
                    }
                case (3, .int64): rows = try reader.integer()
                case (4, .list):
                    try reader.list(of: .structure) { (reader) throws(ThriftReader.Failure) in
                        groups.append(try Self.rowGroup(&reader))
                    }
                default: return false
                }
                return true
            }
        } catch {
            throw DataError(.malformed, path: path, place: "footer", "is broken (\(error))")
        }
        var next = 1
        guard let root = elements.first else {
            throw DataError(.malformed, path: path, place: "footer", "has no schema")
        }
        for _ in 0..<max(root.childCount, 0) {
            try addColumns(elements, &next, [], definition: 0, repetition: 0, entry: 0, path)
        }
        rowCount = rows
        rowGroups = groups
        for (index, group) in groups.enumerated() {
            guard group.rowCount >= 0, group.chunks.count == columns.count else {
                throw DataError(
                    .malformed, path: path, place: "row group \(index)",
                    "has \(group.chunks.count) columns, but the schema \(columns.count)")
            }
            for (column, chunk) in group.chunks.enumerated() {
                rowGroups[index].chunks[column].column = column
                guard chunk.valueCount >= 0, chunk.bytes.lowerBound >= 4, chunk.bytes.upperBound <= start else {
                    throw DataError(
                        .malformed, path: path, place: "row group \(index)",
                        field: columns[column].path.joined(separator: "."), "does not lie within the file")
                }
            }
        }
        guard rowCount == groups.reduce(0, { $0 &+ $1.rowCount }) else {
            throw DataError(.malformed, path: path, place: "footer", "counts \(rowCount) rows, its row groups others")
        }
    }

    private mutating func addColumns(
        _ elements: [Element], _ next: inout Int, _ above: [String], definition: Int, repetition: Int, entry: Int,
        _ path: String
    ) throws(DataError) {
        guard next < elements.count, above.count < 32 else {
            throw DataError(.malformed, path: path, place: "footer", "has a schema that does not fit together")
        }
        let element = elements[next]
        next += 1
        let name = above + [element.name]
        let definition = definition + (element.repetition == 0 ? 0 : 1)
        let repetition = repetition + (element.repetition == 2 ? 1 : 0)
        let entry = element.repetition == 2 ? definition : entry
        guard element.childCount > 0 else {
            columns.append(
                Column(
                    path: name, type: element.type, typeLength: element.typeLength, largestDefinition: definition,
                    largestRepetition: repetition, entryDefinition: entry))
            return
        }
        for _ in 0..<element.childCount {
            try addColumns(
                elements, &next, name, definition: definition, repetition: repetition, entry: entry, path)
        }
    }

    private static func element(_ reader: inout ThriftReader) throws(ThriftReader.Failure) -> Element {
        var element = Element()
        try reader.structure { (reader, field, kind) throws(ThriftReader.Failure) in
            switch (field, kind) {
            case (1, .int32): element.type = try reader.integer()
            case (2, .int32): element.typeLength = try reader.integer()
            case (3, .int32): element.repetition = try reader.integer()
            case (4, .binary): element.name = try reader.string()
            case (5, .int32): element.childCount = try reader.integer()
            default: return false
            }
            return true
        }
        return element
    }

    private static func rowGroup(_ reader: inout ThriftReader) throws(ThriftReader.Failure) -> RowGroup {
        var group = RowGroup(rowCount: 0, chunks: [])
        try reader.structure { (reader, field, kind) throws(ThriftReader.Failure) in
            switch (field, kind) {
            case (1, .list):
                try reader.list(of: .structure) { (reader) throws(ThriftReader.Failure) in
                    group.chunks.append(try chunk(&reader))
                }
            case (3, .int64): group.rowCount = try reader.integer()
            default: return false
            }
            return true
        }
        return group
    }

    private static func chunk(_ reader: inout ThriftReader) throws(ThriftReader.Failure) -> Chunk {
        var chunk = Chunk(column: 0, codec: -1, valueCount: -1, bytes: 0..<0)
        var pages = -1, dictionary = -1, size = -1
        try reader.structure { (reader, field, kind) throws(ThriftReader.Failure) in
            switch (field, kind) {
            case (1, .binary): throw .malformed("a column lies in another file")
            case (3, .structure):
                try reader.structure { (reader, field, kind) throws(ThriftReader.Failure) in
                    switch (field, kind) {
                    case (4, .int32): chunk.codec = try reader.integer()
                    case (5, .int64): chunk.valueCount = try reader.integer()
                    case (7, .int64): size = try reader.integer()
                    case (9, .int64): pages = try reader.integer()
                    case (11, .int64): dictionary = try reader.integer()
                    default: return false
                    }
                    return true
                }
            default: return false
            }
            return true
        }
        // Old writers say 0 where there is no dictionary.
        let start = dictionary > 0 ? min(dictionary, pages) : pages
        guard start >= 0, size >= 0, size <= Int.max - start else { throw .malformed("a column lies nowhere") }
        chunk.bytes = start..<start + size
        return chunk
    }
}
