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
    private let used: [String]

    init(_ table: any TableReader, mapping: RecordMapping) throws(DataError) {
        let names = table.columnNames
        let mapping = mapping.among(names)
        used = try mapping.used(among: names, path: table.path)
        table.select(Set(used))
        // Only what the documents are made of is judged.
        for name in used { if let error = table.unreadable[name] { throw error } }
        self.table = table
        self.mapping = mapping
    }

    func next() throws(DataError) -> CorpusRecord? {
        let record: JSONObject
        do throws(DataError) {
            guard let row = try table.next() else { return nil }
            record = row
        } catch {
            guard table.canContinue else { throw error }
            return .bad(error)
        }
        let missing = used.filter { record[$0] == nil }.map { ($0, JSON.null) }
        let whole = missing.isEmpty ? record : JSONObject(record.map { ($0.key, $0.value) } + missing)
        return mapping.record(.object(whole), path: table.path, place: "row \(table.row)")
    }
}
