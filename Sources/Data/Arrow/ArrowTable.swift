import MartletFormats
import MartletJSON
import MartletSystem
import MartletTensor

/// Reads the rows of an Arrow file or stream, for example from `datasets`' `save_to_disk`.
///
/// Both forms are read from front to back: a file is a stream after eight bytes, with a footer that only repeats the
/// positions. Source: apache/arrow, docs/source/format/Columnar.rst, "Serialization and IPC".
final class ArrowTable: TableReader {
    private let file: MappedFile
    private let fields: [ArrowField]
    private(set) var unreadable: [String: DataError] = [:]
    private(set) var row = 0
    private(set) var canContinue = true

    private var isSelected: [Bool]
    private var dictionaries: [Int64: [ArrowArray]] = [:]
    private var position: Int
    private var columns: [ArrowArray] = []
    private var rowsInBatch = 0
    private var rowInBatch = 0
    /// The maximum number of rows and values accepted for a file of this size: some values take no bytes.
    private let largestCount: Int

    var path: String { file.path }
    var columnNames: [String] { fields.map(\.name) }

    convenience init(path: String) throws(DataError) {
        let file: MappedFile
        do throws(FileError) { file = try MappedFile(path: path) } catch { throw DataError(error) }
        try self.init(file)
    }

    init(_ file: MappedFile) throws(DataError) {
        self.file = file
        let bytes = file.bytes
        largestCount = (1 << 20).adding(clamped: bytes.count.multiplied(clampedBy: 64))
        guard !bytes.starts(with: Array("FEA1".utf8)) else {
            throw DataError(.unsupported, path: file.path, "is a Feather file of the first version; write it as Arrow")
        }
        var start = bytes.starts(with: Array("ARROW1".utf8)) ? 8 : 0
        fields = try Self.report(file.path, nil) { () throws(ArrowFault) in
            guard let message = try Self.message(bytes, &start), message.kind == 1, let schema = message.header
            else { throw .malformed("is not an Arrow file: it does not begin with a schema") }
            return try ArrowField.fields(of: schema)
        }
        position = start
        isSelected = fields.map { _ in true }
        judge()
    }

    func select(_ names: Set<String>) {
        isSelected = fields.map { names.contains($0.name) }
        judge()
    }

    private func judge() {
        unreadable = [:]
        for (index, field) in fields.enumerated() where isSelected[index] {
            guard let refusal = field.refusal else { continue }
            unreadable[field.name] = DataError(.unsupported, path: path, field: field.name, refusal)
            isSelected[index] = false
        }
    }

    func next() throws(DataError) -> JSONObject? {
        while rowInBatch == rowsInBatch {
            guard canContinue else { return nil }
            canContinue = false
            do throws(FileError) { try file.checkUnchanged() } catch { throw DataError(error) }
            let hasMore = try Self.report(path, "batch behind row \(row)") { () throws(ArrowFault) in
                try readMessage()
            }
            guard hasMore else { return nil }
            canContinue = true
        }
        let place = rowInBatch
        rowInBatch += 1
        row += 1
        return try Self.report(path, "row \(row)") { () throws(ArrowFault) in
            var members: [(key: String, value: JSON)] = []
            var budget = ArrowArray.Budget()
            for column in columns {
                budget.isMedium = RecordMapping.media.contains(column.field.name)
                let value = try column.value(at: place, &budget)
                if !value.isNull { members.append((column.field.name, value)) }
            }
            return JSONObject(members)
        }
    }

    private static func report<Result>(
        _ path: String, _ place: String?, _ body: () throws(ArrowFault) -> Result
    ) throws(DataError) -> Result {
        do throws(ArrowFault) {
            return try body()
        } catch {
            switch error {
            case .malformed(let reason): throw DataError(.malformed, path: path, place: place, reason)
            case .unsupported(let reason): throw DataError(.unsupported, path: path, place: place, reason)
            }
        }
    }

    private struct Message {
        /// 1 is a schema, 2 a dictionary, 3 a record batch.
        var kind: UInt8
        var header: FlatTable?
        var body: UnsafeRawBufferPointer
    }

    /// The next message; nil at the end of the stream.
    private static func message(
        _ bytes: UnsafeRawBufferPointer, _ position: inout Int
    ) throws(ArrowFault) -> Message? {
        func four() throws(ArrowFault) -> Int32? {
            guard bytes.count - position >= 4 else { return nil }
            defer { position += 4 }
            return Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: Int32.self))
        }
        guard var size = try four() else { return nil }
        // Before version 0.15 there was no marker before the size.
        if size == -1 {
            guard let next = try four() else { throw .malformed("ends in the middle of a message") }
            size = next
        }
        if size == 0 { return nil }
        guard size > 0, Int(size) <= bytes.count - position else {
            throw .malformed("has a message of \(size) bytes where there are \(bytes.count - position)")
        }
        // A copy: the file may be overwritten meanwhile.
        let table = try FlatTable(root: Array(bytes[position..<position + Int(size)]))
        position += Int(size)
        guard let length = try table.number(3, Int64.self).narrowed(to: 0...Int64(bytes.count - position)) else {
            throw .malformed("has a batch that goes on behind the file's end")
        }
        let body = UnsafeRawBufferPointer(rebasing: bytes[position..<position + Int(length)])
        position += Int(length)
        return Message(kind: try table.number(1, UInt8.self), header: try table.table(2), body: body)
    }

    /// Reads a record batch or a dictionary. Returns false at the end.
    private func readMessage() throws(ArrowFault) -> Bool {
        guard let message = try Self.message(file.bytes, &position) else { return false }
        guard let header = message.header else { throw .malformed("has a message without a header") }
        switch message.kind {
        case 2:
            let id = try header.number(0, Int64.self)
            guard let batch = try header.table(1) else { throw .malformed("has a dictionary without values") }
            // Only dictionaries of columns that are read.
            let own = fields.enumerated().filter { isSelected[$0.offset] }.flatMap(\.element.all)
            guard let field = own.first(where: { $0.dictionary?.id == id }) else { return true }
            var parts = try self.parts(batch, message.body)
            let array = try ArrowArray(field.withoutDictionary, &parts, largest: largestCount)
            let isDelta = try header.number(2, UInt8.self) == 1
            dictionaries[id] = isDelta ? (dictionaries[id] ?? []) + [array] : [array]
        case 3:
            var parts = try self.parts(header, message.body)
            guard let count = try header.number(0, Int64.self).narrowed(to: 0...Int64(largestCount)),
                row.adding(clamped: Int(count)) <= largestCount
            else {
                throw .malformed("claims more rows than a file of \(file.bytes.count) bytes is taken to have")
            }
            columns = []
            for (index, field) in fields.enumerated() {
                guard isSelected[index] else {
                    try parts.skip(field)
                    continue
                }
                let column = try ArrowArray(field, &parts, largest: largestCount)
                guard column.count == Int(count) else {
                    throw .malformed("has \(column.count) values of \"\(field.name)\" in \(count) rows")
                }
                columns.append(column)
            }
            rowsInBatch = Int(count)
            rowInBatch = 0
        case 1: throw .malformed("has a second schema")
        default: break
        }
        return true
    }

    private func parts(_ batch: FlatTable, _ body: UnsafeRawBufferPointer) throws(ArrowFault) -> ArrowArray.Parts {
        let places = try batch.pairs(2), compression = try batch.table(3)
        let codec = try compression?.number(0, Int8.self)
        return ArrowArray.Parts(
            nodes: try batch.pairs(1).map { (count: $0.0, nulls: $0.1) }, bufferCount: places.count,
            viewBufferCounts: try batch.numbers(4), dictionaries: dictionaries
        ) { (index) throws(ArrowFault) in
            guard let start = places[index].0.narrowed(to: 0...Int64(body.count)),
                let count = places[index].1.narrowed(to: 0...Int64(body.count) - start)
            else { throw .malformed("has a buffer outside of its batch") }
            let bytes = Array(body[Int(start)..<Int(start + count)])
            guard let codec, !bytes.isEmpty else { return bytes }
            return try Self.unpack(bytes, codec)
        }
    }

    /// A buffer prefixed by its uncompressed size; -1 means it is not compressed.
    private static func unpack(_ bytes: [UInt8], _ codec: Int8) throws(ArrowFault) -> [UInt8] {
        guard bytes.count >= 8 else { throw .malformed("has a compressed buffer without its size") }
        let result = bytes.withUnsafeBytes { raw in
            Result { () throws(DecompressionError) -> [UInt8] in
                let stated = Int64(littleEndian: raw.loadUnaligned(as: Int64.self))
                let packed = UnsafeRawBufferPointer(rebasing: raw[8...])
                if stated == -1 { return Array(packed) }
                guard let size = stated.narrowed(to: 0...Int64(ParquetCodec.largestSize(packed: packed.count))) else {
                    throw .unsupported("a buffer claims to unpack from \(packed.count) bytes to \(stated)")
                }
                switch codec {
                case 0: return try LZ4Decoder.decode(frame: packed, size: Int(size))
                case 1: return try ZstdSource(MemorySource(packed)).readAll(count: Int(size))
                default: throw .unsupported("buffers are compressed by codec \(codec); read are LZ4 and Zstandard")
                }
            }
        }
        do throws(DecompressionError) {
            return try result.get()
        } catch {
            if case .unsupported = error { throw .unsupported(error.description) }
            throw .malformed(error.description)
        }
    }
}
