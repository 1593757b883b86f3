import MartletFormats
import MartletJSON

/// The rows of a table whose first row names the columns.
final class CSVDocuments: DocumentReader {
    private let path: String
    private let mapping: RecordMapping
    private var reader: CSVReader
    private let columns: [String]
    private var row = 0

    init(_ stream: CorpusStream, delimiter: UInt8, mapping: RecordMapping) throws(DataError) {
        path = stream.path
        reader = CSVReader(stream, delimiter: delimiter)
        guard let header = try reader.next() else {
            throw DataError(.malformed, path: path, "is empty; expected a row of column names")
        }
        columns = header.map { String(decoding: $0, as: UTF8.self) }
        var mapping = mapping
        if mapping.field == nil, columns.count == 1 { mapping.field = columns[0] }
        self.mapping = mapping
        if let field = mapping.field, !columns.contains(field) {
            throw DataError(
                .missing, path: path, field: field,
                "is no column; there are "
                    + columns.prefix(12).map(FormatError.quote).joined(separator: ", ")
                    + (columns.count > 12 ? ", …" : ""))
        }
    }

    func next() throws(DataError) -> Document? {
        while let fields = try reader.next() {
            if fields.count == 1, fields[0].isEmpty, columns.count > 1 { continue }
            row += 1
            let place = "line \(reader.line), row \(row)"
            guard fields.count == columns.count else {
                throw DataError(
                    .malformed, path: path, place: place,
                    "has \(fields.count) fields, but there are \(columns.count) columns")
            }
            if let field = mapping.field, let index = columns.firstIndex(of: field) {
                guard !fields[index].isEmpty else { continue }
                return Document(.text(fields[index]), path: path, place: place)
            }
            let members = zip(columns, fields).map { ($0, JSON.string(String(decoding: $1, as: UTF8.self))) }
            return try JSONDocuments.document(.object(JSONObject(members)), mapping, path, place)
        }
        return nil
    }
}
