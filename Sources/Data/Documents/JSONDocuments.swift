import MartletJSON

/// The records of a JSON Lines file: one object per line; empty lines are skipped.
final class JSONLinesDocuments: DocumentReader {
    private let path: String
    private let mapping: RecordMapping
    private var lines: LineReader

    init(_ lines: LineReader, path: String, mapping: RecordMapping) {
        self.path = path
        self.mapping = mapping
        self.lines = lines
    }

    func next() throws(DataError) -> CorpusRecord? {
        while true {
            let line: [UInt8]
            do throws(DataError) {
                guard let read = try lines.next() else { return nil }
                line = read
            } catch {
                guard error.isOneRecord else { throw error }
                return .bad(error)
            }
            if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { continue }
            let place = "line \(lines.number)"
            do throws(JSONError) {
                return mapping.record(try JSON(parsing: line), path: path, place: place)
            } catch {
                return .bad(
                    DataError(.malformed, path: path, place: place, "byte \(error.offset): \(error.reason)"))
            }
        }
    }
}

/// The records of a JSON file: the elements of its list, or a sequence of objects. Only one is in memory at a time.
final class JSONDocuments: DocumentReader {
    private let path: String
    private let mapping: RecordMapping
    private var values: JSONValueScanner
    private var number = 0

    init(_ values: JSONValueScanner, path: String, mapping: RecordMapping) {
        self.path = path
        self.mapping = mapping
        self.values = values
    }

    func next() throws(DataError) -> CorpusRecord? {
        number += 1
        let bytes: [UInt8]
        do throws(DataError) {
            guard let read = try values.next() else { return nil }
            bytes = read
        } catch {
            guard error.isOneRecord else { throw error }
            return .bad(error)
        }
        let place = "record \(number)"
        do throws(JSONError) {
            return mapping.record(try JSON(parsing: bytes), path: path, place: place)
        } catch {
            return .bad(
                DataError(
                    .malformed, path: path, place: place + ", line \(values.line + error.line - 1)",
                    "byte \(error.offset) of the record: \(error.reason)"))
        }
    }
}
