import MartletJSON

/// The records of a JSON Lines file: one object a line, empty lines passed over.
final class JSONLinesDocuments: DocumentReader {
    private let path: String
    private let mapping: RecordMapping
    private var lines: LineReader

    init(_ stream: CorpusStream, mapping: RecordMapping) {
        path = stream.path
        self.mapping = mapping
        lines = LineReader(stream)
    }

    func next() throws(DataError) -> Document? {
        while let line = try lines.next() {
            if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { continue }
            let place = "line \(lines.number)"
            let record: JSON
            do throws(JSONError) {
                record = try JSON(parsing: line)
            } catch {
                throw DataError(.malformed, path: path, place: place, "byte \(error.offset): \(error.reason)")
            }
            return try JSONDocuments.document(record, mapping, path, place)
        }
        return nil
    }
}

/// The records of a JSON file that is one list of objects. It is read whole.
final class JSONDocuments: DocumentReader {
    private let path: String
    private let mapping: RecordMapping
    private var records: [JSON]
    private var number = 0

    init(_ bytes: [UInt8], path: String, mapping: RecordMapping) throws(DataError) {
        self.path = path
        self.mapping = mapping
        do throws(JSONError) {
            records = try JSON(parsing: bytes).array ?? []
        } catch {
            throw DataError(
                .malformed, path: path, place: "line \(error.line)", "byte \(error.offset): \(error.reason)")
        }
    }

    func next() throws(DataError) -> Document? {
        guard number < records.count else { return nil }
        let record = records[number]
        // What was given out need not stay.
        records[number] = .null
        number += 1
        return try Self.document(record, mapping, path, "record \(number)")
    }

    static func document(
        _ record: JSON, _ mapping: RecordMapping, _ path: String, _ place: String
    ) throws(DataError) -> Document {
        guard let object = record.object else {
            if case .string(let text) = record, mapping.field == nil {
                return Document(.text(Array(text.utf8)), path: path, place: place)
            }
            throw DataError(.malformed, path: path, place: place, "is \(record.kind), expected an object")
        }
        let content = try mapping.content(object) { field, reason in
            DataError(.malformed, path: path, place: place, field: field, reason)
        }
        return Document(content, path: path, place: place)
    }
}
