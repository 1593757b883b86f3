import MartletFormats
import MartletJSON
import MartletSystem
import MartletTensor

/// The rows of a data file as objects, whatever its format, for readers that ask for columns by name instead of
/// documents: evaluation tasks.
package enum RecordFile {
    /// All rows of a `.jsonl`, `.json`, `.csv`, `.tsv`, `.txt`, `.parquet` or `.arrow` file, also as `.gz` or `.zst`.
    ///
    /// Lines of a text file are rows with the column `text`. In tables of text, a column that holds only whole numbers,
    /// or only numbers, holds numbers.
    /// - Parameter columns: the names of the columns of a CSV or TSV file without a header row.
    /// - Throws: `DataError` with file and line; a bad row is never passed over.
    package static func rows(_ path: String, columns: [String]? = nil) throws(DataError) -> [JSONObject] {
        guard let file = CorpusFile(path: path) else {
            throw DataError(
                .unsupported, path: path,
                "is of no known format; expected a name that ends in \(CorpusFile.knownEndings)"
            )
        }
        switch file.format {
        case .csv, .tsv:
            return try table(path, delimiter: UInt8(ascii: file.format == .csv ? "," : "\t"), columns)
        case .parquet, .arrow:
            let mapped: MappedFile
            do throws(FileError) { mapped = try MappedFile(path: path) } catch { throw DataError(error) }
            let records = try file.format == .parquet ? TableRecords(parquet: mapped) : TableRecords(arrow: mapped)
            var rows: [JSONObject] = []
            while let row = try records.next() { rows.append(row) }
            return rows
        case .text:
            var lines = LineReader(try CorpusStream(path: path)), rows: [JSONObject] = []
            while let line = try lines.next() { rows.append(["text": .string(String(decoding: line, as: UTF8.self))]) }
            return rows
        case .jsonLines:
            var lines = LineReader(try CorpusStream(path: path)), rows: [JSONObject] = []
            while let line = try lines.next() {
                if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 }) { continue }
                rows.append(try object(line, path, "line \(lines.number)"))
            }
            return rows
        case .json: return try list(path)
        }
    }

    private static func object(_ bytes: [UInt8], _ path: String, _ place: String) throws(DataError) -> JSONObject {
        let value: JSON
        do throws(JSONError) {
            value = try JSON(parsing: bytes)
        } catch {
            throw DataError(.malformed, path: path, place: place, "byte \(error.offset): \(error.reason)")
        }
        guard let object = value.object else {
            throw DataError(.malformed, path: path, place: place, "is \(value.kind), expected an object")
        }
        return object
    }

    /// A list of objects, an object whose `data` is one, or objects on lines of their own.
    private static func list(_ path: String) throws(DataError) -> [JSONObject] {
        let bytes = try CorpusStream(path: path).readAll(upTo: 1 << 30)
        let value: JSON
        do throws(JSONError) {
            value = try JSON(parsing: bytes)
        } catch {
            let lines = bytes.split(separator: UInt8(ascii: "\n")).map(Array.init)
            guard lines.count > 1, (try? JSON(parsing: lines[0])) != nil else {
                throw DataError(.malformed, path: path, "byte \(error.offset): \(error.reason)")
            }
            var rows: [JSONObject] = []
            for (index, line) in lines.enumerated() where !line.allSatisfy({ $0 <= 0x20 }) {
                rows.append(try object(line, path, "line \(index + 1)"))
            }
            return rows
        }
        guard let entries = value.array ?? value["data"]?.array else {
            if let object = value.object { return [object] }
            throw DataError(.malformed, path: path, "is \(value.kind), expected a list of objects")
        }
        var rows: [JSONObject] = []
        for (index, entry) in entries.enumerated() {
            guard let object = entry.object else {
                throw DataError(
                    .malformed, path: path, place: "record \(index + 1)", "is \(entry.kind), expected an object")
            }
            rows.append(object)
        }
        return rows
    }

    private static func table(
        _ path: String, delimiter: UInt8, _ given: [String]?
    ) throws(DataError) -> [JSONObject] {
        var reader = CSVReader(try CorpusStream(path: path), delimiter: delimiter)
        var names = given
        if names == nil { names = try reader.next()?.map { String(decoding: $0, as: UTF8.self) } }
        guard let names else { throw DataError(.malformed, path: path, "is empty; expected a row of column names") }
        var cells: [[String]] = []
        while let fields = try reader.next() {
            if fields.count == 1, fields[0].isEmpty, names.count > 1 { continue }
            guard fields.count == names.count else {
                throw DataError(
                    .malformed, path: path, place: "line \(reader.line)",
                    "has \(fields.count) field\(fields.count == 1 ? "" : "s"), but there are \(names.count) columns")
            }
            cells.append(fields.map { String(decoding: $0, as: UTF8.self) })
        }
        let columns = names.indices.map { column in columnValues(cells.map { $0[column] }, isTyped: given == nil) }
        return cells.indices.map { row in
            JSONObject(names.indices.map { (names[$0], columns[$0][row]) })
        }
    }

    /// A column of text as numbers where every cell is one; an empty cell is null among numbers.
    private static func columnValues(_ cells: [String], isTyped: Bool) -> [JSON] {
        let filled = cells.filter { !$0.isEmpty }
        guard isTyped, !filled.isEmpty else { return cells.map { .string($0) } }
        if filled.allSatisfy({ Int64($0) != nil }) { return cells.map { Int64($0).map(JSON.integer) ?? .null } }
        if filled.allSatisfy({ Double($0)?.isFinite == true }) {
            return cells.map { Double($0).map(JSON.number) ?? .null }
        }
        return cells.map { .string($0) }
    }
}
