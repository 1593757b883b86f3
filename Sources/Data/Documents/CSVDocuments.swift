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
        self.mapping = mapping.among(columns)
        _ = try self.mapping.used(among: columns, path: path)
    }

    func next() throws(DataError) -> CorpusRecord? {
        while true {
            let fields: [[UInt8]]
            do throws(DataError) {
                guard let record = try reader.next() else { return nil }
                fields = record
            } catch {
                guard error.kind == .malformed else { throw error }
                try reader.passOverLine()
                row += 1
                return .bad(error)
            }
            if fields.count == 1, fields[0].isEmpty, columns.count > 1 { continue }
            row += 1
            let place = "line \(reader.line), row \(row)"
            guard fields.count == columns.count else {
                return .bad(
                    DataError(
                        .malformed, path: path, place: place,
                        "has \(fields.count) field\(fields.count == 1 ? "" : "s"), but there are \(columns.count) columns"
                    ))
            }
            let members = zip(columns, fields).map { ($0, JSON.string(String(decoding: $1, as: UTF8.self))) }
            return mapping.record(.object(JSONObject(members)), path: path, place: place)
        }
    }
}
