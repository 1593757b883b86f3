import MartletFormats
import MartletSystem
import MartletTensor

/// The footer of a Parquet file: its columns, and the positions of their values.
///
/// A column's metadata is checked when the column is read: a column that nobody reads may be invalid. Source:
/// apache/parquet-format, src/main/thrift/parquet.thrift.
struct ParquetMetadata {
    struct Chunk {
        var codec = -1
        var valueCount = -1
        var isElsewhere = false
        fileprivate var pages = -1
        fileprivate var dictionary = -1
        fileprivate var size = -1

        /// The range of the chunk's pages in the file, dictionary first; nil if it is not before `end`.
        func bytes(before end: Int) -> Range<Int>? {
            // Old writers use 0 if there is no dictionary.
            let start = dictionary > 0 ? min(dictionary, pages) : pages
            guard start >= 4, size >= 0, start <= end, size <= end - start else { return nil }
            return start..<start + size
        }
    }

    struct RowGroup {
        var rowCount = 0
        var chunks: [Chunk] = []
    }

    private(set) var schema: ParquetSchema
    private(set) var rowGroups: [RowGroup] = []
    /// The start of the footer: all pages are before it.
    let start: Int
    /// The maximum number of rows, and of values per column, accepted for a file of this size. Runs of equal values
    /// take no bytes, so a number in a header could otherwise demand any amount of work.
    let largestCount: Int

    init(_ file: MappedFile) throws(DataError) {
        let bytes = file.bytes, path = file.path
        let magic = Array("PAR1".utf8)
        guard bytes.count >= 12, bytes.prefix(4).elementsEqual(magic) else {
            throw DataError(.malformed, path: path, "is not a Parquet file")
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
        start = bytes.count - 8 - size
        largestCount = (1 << 20).adding(clamped: bytes.count.multiplied(clampedBy: 64))
        // A copy: the file may be overwritten while it is read.
        let footer = Array(bytes[start..<start + size])
        do throws(ThriftReader.Failure) {
            (schema, rowGroups) = try Self.parse(footer)
        } catch {
            throw DataError(.malformed, path: path, place: "footer", "is broken (\(error))")
        }
        var rows = 0
        for (index, group) in rowGroups.enumerated() {
            guard group.rowCount >= 0, group.chunks.count == schema.columns.count else {
                throw DataError(
                    .malformed, path: path, place: "row group \(index)",
                    "has \(group.chunks.count) columns, but the schema \(schema.columns.count)")
            }
            rows = rows.adding(clamped: group.rowCount)
            guard rows <= largestCount else {
                throw DataError(
                    .malformed, path: path, place: "row group \(index)",
                    "claims \(group.rowCount) rows; a file of \(bytes.count) bytes is taken to have at most "
                        + "\(largestCount)")
            }
        }
    }

    private static func parse(_ footer: [UInt8]) throws(ThriftReader.Failure) -> (ParquetSchema, [RowGroup]) {
        let result = footer.withUnsafeBytes { raw in
            Result { () throws(ThriftReader.Failure) -> (ParquetSchema, [RowGroup]) in
                var reader = ThriftReader(raw)
                var elements: [ParquetSchemaElement] = [], groups: [RowGroup] = []
                try reader.structure { (reader, field, kind) throws(ThriftReader.Failure) in
                    switch (field, kind) {
                    case (2, .list):
                        try reader.list(of: .structure) { (reader) throws(ThriftReader.Failure) in
                            elements.append(try ParquetSchemaElement(&reader))
                        }
                    case (4, .list):
                        try reader.list(of: .structure) { (reader) throws(ThriftReader.Failure) in
                            groups.append(try rowGroup(&reader))
                        }
                    default: return false
                    }
                    return true
                }
                return (try ParquetSchema(elements), groups)
            }
        }
        return try result.get()
    }

    private static func rowGroup(_ reader: inout ThriftReader) throws(ThriftReader.Failure) -> RowGroup {
        var group = RowGroup()
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
        var chunk = Chunk()
        try reader.structure { (reader, field, kind) throws(ThriftReader.Failure) in
            switch (field, kind) {
            case (1, .binary):
                chunk.isElsewhere = true
                return false
            case (3, .structure):
                try reader.structure { (reader, field, kind) throws(ThriftReader.Failure) in
                    switch (field, kind) {
                    case (4, .int32): chunk.codec = try reader.integer()
                    case (5, .int64): chunk.valueCount = try reader.integer()
                    case (7, .int64): chunk.size = try reader.integer()
                    case (9, .int64): chunk.pages = try reader.integer()
                    case (11, .int64): chunk.dictionary = try reader.integer()
                    default: return false
                    }
                    return true
                }
            default: return false
            }
            return true
        }
        return chunk
    }
}
