import MartletJSON
import MartletTensor

/// The rows of a Parquet file: columns of text, and lists of records of text (conversations).
final class ParquetDocuments: DocumentReader {
    private let file: MappedFile
    private let metadata: ParquetMetadata
    private let mapping: RecordMapping
    /// The columns that are read, by their first name.
    private let fields: [(name: String, columns: [Int])]
    private var group = 0
    private var readers: [[ParquetColumnReader]] = []
    private var rowsLeft = 0
    private var row = 0

    init(path: String, mapping: RecordMapping) throws(DataError) {
        do throws(FileError) { file = try MappedFile(path: path) } catch { throw DataError(error) }
        let metadata = try ParquetMetadata(file)
        self.metadata = metadata
        var fields: [(name: String, columns: [Int])] = []
        for (index, column) in metadata.columns.enumerated() {
            if fields.last?.name == column.path[0] {
                fields[fields.count - 1].columns.append(index)
            } else {
                fields.append((column.path[0], [index]))
            }
        }
        let names = fields.map(\.name)
        var mapping = mapping
        if let field = mapping.field {
            guard names.contains(field) else {
                throw DataError(
                    .missing, path: path, field: field,
                    "is no column; there are \(names.prefix(12).joined(separator: ", "))")
            }
            fields.removeAll { $0.name != field }
        } else {
            // Other columns need not be of a kind that is read.
            let known = fields.filter { RecordMapping.knownFields.contains($0.name) }
            if known.isEmpty, fields.count == 1 {
                mapping.field = fields[0].name
            } else {
                fields = known
            }
        }
        guard !fields.isEmpty else {
            throw DataError(
                .missing, path: path,
                "no column is known to hold text; there are \(names.prefix(12).joined(separator: ", ")). Name one")
        }
        for field in fields where field.columns.contains(where: { metadata.columns[$0].largestRepetition > 1 }) {
            throw DataError(.unsupported, path: path, field: field.name, "has lists within lists")
        }
        self.mapping = mapping
        self.fields = fields
    }

    func next() throws(DataError) -> Document? {
        while true {
            while rowsLeft == 0 {
                guard group < metadata.rowGroups.count else { return nil }
                let rowGroup = metadata.rowGroups[group]
                readers = []
                for field in fields {
                    var own: [ParquetColumnReader] = []
                    for column in field.columns {
                        own.append(
                            try ParquetColumnReader(
                                file, metadata.columns[column], rowGroup.chunks[column], rowGroup: group))
                    }
                    readers.append(own)
                }
                rowsLeft = rowGroup.rowCount
                group += 1
            }
            rowsLeft -= 1
            row += 1
            var members: [(String, JSON)] = []
            for (index, field) in fields.enumerated() {
                let value = try value(field, readers[index])
                if !value.isNull { members.append((field.name, value)) }
            }
            let place = "row \(row)"
            // A row whose text is null is no document.
            if members.isEmpty { continue }
            return try JSONDocuments.document(.object(JSONObject(members)), mapping, file.path, place)
        }
    }

    private func value(_ field: (name: String, columns: [Int]), _ readers: [ParquetColumnReader]) throws(DataError)
        -> JSON
    {
        var rows: [[ParquetColumnReader.Entry]] = []
        for reader in readers {
            guard let row = try reader.nextRow(), row[0].beginsRow else {
                throw DataError(
                    .malformed, path: file.path, place: "row \(row)", field: field.name,
                    "is missing: the column ends before the row group does")
            }
            rows.append(row)
        }
        let first = metadata.columns[field.columns[0]]
        if first.largestRepetition == 0 {
            guard first.path.count == 1 else {
                return Self.record(zip(field.columns.map { metadata.columns[$0].path }, rows.map(\.[0])))
            }
            return rows[0][0].value.map { JSON.string(String(decoding: $0, as: UTF8.self)) } ?? .null
        }
        if rows[0][0].isMissing { return .null }
        let count = rows[0].count
        guard rows.allSatisfy({ $0.count == count }) else {
            throw DataError(
                .unsupported, path: file.path, place: "row \(row)", field: field.name, "has lists of several lengths")
        }
        var entries: [JSON] = []
        for index in 0..<count where rows[0][index].exists {
            if rows.count == 1, field.columns.count == 1, first.path.count <= 3 {
                let value = rows[0][index].value
                entries.append(value.map { JSON.string(String(decoding: $0, as: UTF8.self)) } ?? .null)
            } else {
                entries.append(
                    Self.record(zip(field.columns.map { metadata.columns[$0].path }, rows.map { $0[index] })))
            }
        }
        return .array(entries)
    }

    private static func record(_ parts: some Sequence<([String], ParquetColumnReader.Entry)>) -> JSON {
        .object(
            JSONObject(
                parts.compactMap { path, entry in
                    guard let name = path.last, let value = entry.value else { return nil }
                    return (name, JSON.string(String(decoding: value, as: UTF8.self)))
                }))
    }
}
