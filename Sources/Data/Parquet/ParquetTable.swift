import MartletFormats
import MartletJSON
import MartletSystem
import MartletTensor

/// Reads the rows of a Parquet file: text, numbers, structs and lists of these.
final class ParquetTable: TableReader {
    private let file: MappedFile
    private let metadata: ParquetMetadata
    private(set) var unreadable: [String: DataError] = [:]
    private(set) var row = 0
    private(set) var canContinue = true

    private var fields: [ParquetNode]
    /// The index of the next row group, and the current group's readers by column (nil for columns that are not
    /// selected).
    private var group = 0
    private var readers: [ParquetColumnReader?] = []
    private var rowsLeft = 0

    /// For the current row: its number of entries and bytes, and an error in one of its values.
    private var entryCount = 0
    private var byteCount = 0
    private var fault: DataError?

    /// Whether the column is one of pictures, films or sounds, whose bytes are no text: that there are some is all that is
    /// read of it.
    private var isMedium = false

    /// A list of equal entries takes no bytes, so its length is limited.
    private static let mostEntries = 1 << 20

    var path: String { file.path }
    var columnNames: [String] { metadata.schema.fields.map(\.name) }

    convenience init(path: String) throws(DataError) {
        let file: MappedFile
        do throws(FileError) { file = try MappedFile(path: path) } catch { throw DataError(error) }
        try self.init(file)
    }

    init(_ file: MappedFile) throws(DataError) {
        self.file = file
        metadata = try ParquetMetadata(file)
        fields = metadata.schema.fields
        judge()
    }

    func select(_ names: Set<String>) {
        fields = metadata.schema.fields.filter { names.contains($0.name) }
        judge()
    }

    private func judge() {
        unreadable = [:]
        fields.removeAll { field in
            let columns = field.columns.map { metadata.schema.columns[$0] }
            guard let column = columns.first(where: { ParquetType($0) == nil }) else { return false }
            unreadable[field.name] = DataError(
                .unsupported, path: path, field: column.path.joined(separator: "."),
                ParquetColumnReader.refusal(of: column))
            return true
        }
    }

    func next() throws(DataError) -> JSONObject? {
        guard canContinue else { return nil }
        // Until the row is complete, an error leaves columns at different rows.
        canContinue = false
        while rowsLeft == 0 {
            guard group < metadata.rowGroups.count else { return nil }
            let rowGroup = metadata.rowGroups[group]
            readers = Array(repeating: nil, count: metadata.schema.columns.count)
            if rowGroup.rowCount > 0 {
                for column in fields.flatMap(\.columns) {
                    readers[column] = try ParquetColumnReader(file, metadata, column: column, rowGroup: group)
                }
            }
            rowsLeft = rowGroup.rowCount
            group += 1
        }
        rowsLeft -= 1
        row += 1
        entryCount = 0
        byteCount = 0
        fault = nil
        var members: [(key: String, value: JSON)] = []
        for field in fields {
            for column in field.columns {
                let reader = try reader(column)
                guard try reader.hasNext(), reader.repetition == 0 else {
                    throw fail(field, "is missing: the column ends before the row group does")
                }
            }
            isMedium = RecordMapping.media.contains(field.name)
            let value = try read(field)
            if !value.isNull { members.append((field.name, value)) }
        }
        canContinue = true
        if let fault { throw fault }
        return JSONObject(members)
    }

    private func reader(_ column: Int) throws(DataError) -> ParquetColumnReader {
        guard let reader = readers[column] else {
            throw DataError(.malformed, path: path, place: "row \(row)", "has a column that is not read")
        }
        return reader
    }

    /// A node's value as a member of its parent: null if it is missing, a list if it is repeated.
    private func read(_ node: ParquetNode) throws(DataError) -> JSON {
        switch node.repetition {
        case .required: return try content(node)
        case .optional: return try isMissing(node) ? .null : try content(node)
        case .repeated: return .array(try entries(of: node) { (node) throws(DataError) in try content(node) })
        }
    }

    private func content(_ node: ParquetNode) throws(DataError) -> JSON {
        switch node.kind {
        case .column(let column):
            guard let value = try reader(column).take() else { return .null }
            return json(value, node, metadata.schema.columns[column])
        case .group: return .object(try record(node))
        case .list:
            return .array(
                try entries(of: node.children[0]) { (entry) throws(DataError) in
                    isElement(entry, of: node) ? try content(entry) : try read(entry.children[0])
                })
        case .map:
            let pairs = try entries(of: node.children[0]) { (entry) throws(DataError) in
                .object(try record(entry))
            }
            let names = node.children[0].children.map(\.name)
            let members = pairs.map { (key: $0[names[0]]?.string, value: $0[names[1]] ?? .null) }
            guard members.allSatisfy({ $0.key != nil }) else { return .array(pairs) }
            return .object(JSONObject(members.map { ($0.key ?? "", $0.value) }))
        }
    }

    /// Whether a list's repeated node is the element itself, as in old writers, or contains the element.
    private func isElement(_ entry: ParquetNode, of list: ParquetNode) -> Bool {
        entry.children.count != 1 || entry.name == "array" || entry.name == list.name + "_tuple"
    }

    private func record(_ node: ParquetNode) throws(DataError) -> JSONObject {
        var members: [(key: String, value: JSON)] = []
        for child in node.children {
            let value = try read(child)
            // Records of several kinds share their columns: null members are omitted.
            if !value.isNull { members.append((child.name, value)) }
        }
        return JSONObject(members)
    }

    private func entries(
        of node: ParquetNode, _ entry: (ParquetNode) throws(DataError) -> JSON
    ) throws(DataError) -> [JSON] {
        var entries: [JSON] = []
        if try isMissing(node) { return entries }
        repeat {
            entryCount += 1
            guard entryCount <= Self.mostEntries else {
                throw fail(node, "has lists of more than \(Self.mostEntries) entries")
            }
            entries.append(try entry(node))
        } while try goesOn(node)
        return entries
    }

    /// Whether the node is missing (all of its columns must agree); then their entries are consumed.
    private func isMissing(_ node: ParquetNode) throws(DataError) -> Bool {
        var missing = 0
        for column in node.columns {
            let reader = try reader(column)
            guard try reader.hasNext() else { throw fail(node, "ends in the middle of a row") }
            if reader.definition < node.definition { missing += 1 }
        }
        if missing == 0 { return false }
        guard missing == node.columns.count else { throw fail(node, "has columns that do not fit together") }
        for column in node.columns { _ = try reader(column).take() }
        return true
    }

    /// Whether the list has another entry (all of its columns must agree).
    private func goesOn(_ node: ParquetNode) throws(DataError) -> Bool {
        var going = 0
        for column in node.columns {
            let reader = try reader(column)
            guard try reader.hasNext(), reader.repetition >= node.repetitionLevel else { continue }
            guard reader.repetition == node.repetitionLevel else {
                throw fail(node, "has an entry of a list within a list that is not there")
            }
            going += 1
        }
        guard going == 0 || going == node.columns.count else {
            throw fail(node, "has lists of several lengths where one is expected")
        }
        return going > 0
    }

    private func json(_ value: ParquetValue, _ node: ParquetNode, _ column: ParquetColumn) -> JSON {
        switch value {
        case .bool(let value): return .bool(value)
        case .integer(let value) where column.isUnsigned && value < 0:
            let pattern = UInt64(bitPattern: value)
            return column.type == 1
                ? .integer(Int64(UInt32(truncatingIfNeeded: pattern))) : .number(Double(pattern))
        case .integer(let value): return .integer(value)
        case .number(let value): return .number(value)
        case .bytes where isMedium: return .string("bytes")
        case .bytes(let bytes):
            byteCount = byteCount.adding(clamped: bytes.count)
            if byteCount > CorpusOptions.largestRecord {
                fault = fault ?? fail(node, "makes the row longer than \(CorpusOptions.largestRecord) bytes")
                return .null
            }
            guard let text = String(validating: bytes, as: UTF8.self) else {
                fault = fault ?? fail(node, "is not UTF-8")
                return .null
            }
            return .string(text)
        }
    }

    private func fail(_ node: ParquetNode, _ reason: String) -> DataError {
        DataError(.malformed, path: path, place: "row \(row)", field: node.name, reason)
    }
}
