import MartletFormats
import MartletJSON

/// Reads the rows of a file of typed columns (Parquet, Arrow) as records, in order.
protocol TableReader: AnyObject {
    var path: String { get }
    /// The columns by name, in the file's order.
    var columnNames: [String] { get }
    /// Columns that were selected and are of a kind that is not read, each with what there is to say of it. They are
    /// missing from the records: whoever needs one throws its error.
    var unreadable: [String: DataError] { get }
    /// The number of the row that was last read, from 1.
    var row: Int { get }
    /// Whether there are rows to be read after an error: a row whose text is no UTF-8 has a next one, a file whose
    /// structure is broken has none.
    var canContinue: Bool { get }

    /// Reads these columns only; others are not looked at, whatever they hold. To be called before the first row.
    func select(_ names: Set<String>)
    /// The next row's columns by name, without those that are null; nil at the end.
    func next() throws(DataError) -> JSONObject?
}

/// The documents of a table: its columns of text, or lists of messages, by a mapping.
final class TableDocuments: DocumentReader {
    private let table: any TableReader
    private let mapping: RecordMapping

    init(_ table: any TableReader, mapping: RecordMapping) throws(DataError) {
        let names = table.columnNames
        var mapping = mapping, used: Set<String>
        if let field = mapping.field {
            guard names.contains(field) else {
                throw DataError(
                    .missing, path: table.path, field: field, "is no column; there are \(Self.list(names))")
            }
            used = RecordMapping.knownFields.intersection(["system", "tools"]).union([field])
        } else {
            used = RecordMapping.knownFields.intersection(names)
            if used.isEmpty, names.count == 1 {
                mapping.field = names[0]
                used = [names[0]]
            }
        }
        guard !used.isEmpty else {
            throw DataError(
                .missing, path: table.path,
                "no column is known to hold text; there are \(Self.list(names)). Name one")
        }
        table.select(used)
        if let field = mapping.field, let error = table.unreadable[field] { throw error }
        self.table = table
        self.mapping = mapping
    }

    private static func list(_ names: [String]) -> String {
        names.prefix(12).map(FormatError.quote).joined(separator: ", ") + (names.count > 12 ? ", …" : "")
    }

    func next() throws(DataError) -> Document? {
        while let record = try table.next() {
            let place = "row \(table.row)"
            let isText = mapping.field.map { record[$0]?.string != nil } ?? false
            if !isText, !table.unreadable.isEmpty {
                // Judged only where the record would be made of it.
                let present = Set(record.keys).union(table.unreadable.keys)
                for name in mapping.fieldsInUse(of: present).sorted() {
                    if let error = table.unreadable[name] { throw error }
                }
            }
            // A row whose text is null is no document.
            if mapping.field.map({ record[$0] == nil }) ?? record.isEmpty { continue }
            return try JSONDocuments.document(.object(record), mapping, table.path, place)
        }
        return nil
    }
}

extension RecordMapping {
    /// The fields that a record with these becomes a document of.
    func fieldsInUse(of names: Set<String>) -> Set<String> {
        let beside: Set<String> = ["system", "tools"]
        if let field { return names.intersection(beside.union([field])) }
        for field in ["messages", "conversations"] where names.contains(field) {
            return names.intersection(beside.union([field]))
        }
        if names.contains("text") { return ["text"] }
        for (asked, answered) in [
            ("instruction", "output"), ("question", "answer"), ("prompt", "completion"), ("prompt", "response"),
        ] where names.contains(asked) && names.contains(answered) {
            return names.intersection([asked, answered, "system", asked == "instruction" ? "input" : asked])
        }
        return names.intersection(["content"])
    }
}
