import MartletJSON

/// Reads the rows of a file of typed columns (Parquet, Arrow) as records, in order.
protocol TableReader: AnyObject {
    var path: String { get }
    /// The names of the columns, in the order of the file.
    var columnNames: [String] { get }
    /// The selected columns of types that cannot be read, each with its error. They are missing from the records; a
    /// reader that needs such a column throws its error.
    var unreadable: [String: DataError] { get }
    /// The number of the last row, from 1.
    var row: Int { get }
    /// Whether reading can continue after an error: yes after a row whose text is not UTF-8, no if the structure of the
    /// file is invalid.
    var canContinue: Bool { get }

    /// Reads only these columns; the others are not examined. Call it before reading the first row.
    func select(_ names: Set<String>)
    /// The columns of the next row by name, without null values; nil at the end.
    func next() throws(DataError) -> JSONObject?
}

/// The documents of a table, made of its columns of text or messages by a mapping.
final class TableDocuments: DocumentReader {
    private let table: any TableReader
    private let mapping: RecordMapping
    private let used: [String]

    init(_ table: any TableReader, mapping: RecordMapping) throws(DataError) {
        let names = table.columnNames
        let mapping = mapping.among(names)
        used = try mapping.used(among: names, path: table.path)
        table.select(Set(used))
        // Only the columns that the documents use are checked.
        // Of rows that are kept as they are, whoever asks for a column tells that it is missing.
        for name in used where !mapping.keepsRows { if let error = table.unreadable[name] { throw error } }
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
