import MartletData

/// Reads the rows of a table, past those that are refused.
func read(_ table: TableRecords?) -> CInt {
    guard let table else { return 0 }
    var rows = 0
    while true {
        do {
            guard let row = try table.next() else { break }
            rows += 1
            precondition(row.count <= table.columnNames.count)
            // The work is in proportion to rows and bytes; a few thousand of the same kind find what a million would.
            if rows > 20_000 { break }
        } catch {
            guard table.canContinue else { break }
        }
    }
    return 0
}
