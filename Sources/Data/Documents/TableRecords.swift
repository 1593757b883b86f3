import MartletJSON
import MartletTensor

/// The rows of a table file as JSON objects, whatever its format: what tools and tests read tables with.
package final class TableRecords {
    private let table: any TableReader

    package init(parquet file: MappedFile) throws(DataError) { table = try ParquetTable(file) }
    package init(arrow file: MappedFile) throws(DataError) { table = try ArrowTable(file) }

    package var columnNames: [String] { table.columnNames }
    /// Columns of kinds that are not read, with what there is to say of each.
    package var unreadable: [String: DataError] { table.unreadable }
    /// Whether rows can follow after an error.
    package var canContinue: Bool { table.canContinue }
    /// Reads these columns only. To be called before the first row.
    package func select(_ names: Set<String>) { table.select(names) }
    /// The next row's columns by name, without those that are null; nil at the end.
    package func next() throws(DataError) -> JSONObject? { try table.next() }
}
