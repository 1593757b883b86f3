import MartletJSON
import MartletTensor

/// The rows of a table file of any format as JSON objects; for tools and tests.
package final class TableRecords {
    private let table: any TableReader

    package init(parquet file: MappedFile) throws(DataError) { table = try ParquetTable(file) }
    package init(arrow file: MappedFile) throws(DataError) { table = try ArrowTable(file) }

    package var columnNames: [String] { table.columnNames }
    /// Columns of types that cannot be read, each with its error.
    package var unreadable: [String: DataError] { table.unreadable }
    /// Whether reading can continue after an error.
    package var canContinue: Bool { table.canContinue }
    /// Reads only these columns. Call it before reading the first row.
    package func select(_ names: Set<String>) { table.select(names) }
    /// The columns of the next row by name, without null values; nil at the end.
    package func next() throws(DataError) -> JSONObject? { try table.next() }
}
