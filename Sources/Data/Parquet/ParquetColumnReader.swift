import MartletFormats
import MartletTensor

/// The values of a column of byte strings in one row group, page by page.
final class ParquetColumnReader {
    private let file: MappedFile
    private let column: ParquetMetadata.Column
    private let chunk: ParquetMetadata.Chunk
    private let place: String
    private var position: Int
    private var valuesLeft: Int

    private var page: [UInt8] = []
    private var dictionary: [[UInt8]] = []
    private var levels: [(definition: UInt8, repetition: UInt8)] = []
    private var nextLevel = 0
    /// Where the next plain value is, or the places in the dictionary.
    private var nextValue = 0
    private var indices: [Int32]?

    init(
        _ file: MappedFile, _ column: ParquetMetadata.Column, _ chunk: ParquetMetadata.Chunk, rowGroup: Int
    ) throws(DataError) {
        self.file = file
        self.column = column
        self.chunk = chunk
        place = "row group \(rowGroup)"
        position = chunk.bytes.lowerBound
        valuesLeft = chunk.valueCount
        guard column.type == 6 else {
            let names = ["BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"]
            let name = names.indices.contains(column.type) ? names[column.type] : "type \(column.type)"
            throw fail(.unsupported, "is a column of \(name), expected text")
        }
        guard column.largestDefinition < 256, column.largestRepetition < 256 else {
            throw fail(.unsupported, "is nested too deep")
        }
    }

    /// An entry: a value or null, whether it begins a row, and whether there is an entry at all.
    struct Entry {
        var value: [UInt8]?
        var beginsRow: Bool
        /// False for the one that stands for an empty or missing list.
        var exists: Bool
        /// There is no list, not even an empty one.
        var isMissing: Bool
    }

    /// The entries of the next row; nil at the end.
    func nextRow() throws(DataError) -> [Entry]? {
        guard let first = try nextEntry() else { return nil }
        var row = [first]
        while column.largestRepetition > 0, try isReady(), levels[nextLevel].repetition > 0 {
            guard let entry = try nextEntry() else { break }
            row.append(entry)
        }
        return row
    }

    private func nextEntry() throws(DataError) -> Entry? {
        guard try isReady() else { return nil }
        let level = levels[nextLevel]
        nextLevel += 1
        return Entry(
            value: Int(level.definition) == column.largestDefinition ? try value() : nil,
            beginsRow: level.repetition == 0,
            exists: column.largestRepetition == 0 || Int(level.definition) >= column.entryDefinition,
            isMissing: column.largestRepetition > 0 && Int(level.definition) < column.entryDefinition - 1)
    }

    private func isReady() throws(DataError) -> Bool {
        while nextLevel == levels.count {
            guard valuesLeft > 0 else { return false }
            try readPage()
        }
        return true
    }

    private func value() throws(DataError) -> [UInt8] {
        if let indices {
            guard nextValue < indices.count else { throw fail(.malformed, "has fewer values than it says") }
            defer { nextValue += 1 }
            return dictionary[Int(indices[nextValue])]
        }
        return try plain(page, &nextValue)
    }

    private func plain(_ bytes: [UInt8], _ place: inout Int) throws(DataError) -> [UInt8] {
        guard bytes.count - place >= 4 else { throw fail(.malformed, "has fewer values than it says") }
        let count = (0..<4).reduce(0) { $0 | Int(bytes[place + $1]) << (8 * $1) }
        guard count <= bytes.count - place - 4 else { throw fail(.malformed, "has a value beyond its page's end") }
        defer { place += 4 + count }
        return Array(bytes[place + 4..<place + 4 + count])
    }

    private func readPage() throws(DataError) {
        try checkUnchanged()
        guard position < chunk.bytes.upperBound else { throw fail(.malformed, "has fewer values than it says") }
        let rest = UnsafeRawBufferPointer(rebasing: file.bytes[position..<chunk.bytes.upperBound])
        let header: ParquetPageHeader
        do throws(ThriftReader.Failure) {
            header = try ParquetPageHeader(rest)
        } catch {
            throw fail(.malformed, "has a page whose header is broken (\(error))")
        }
        guard header.packedSize >= 0, header.packedSize <= rest.count - header.byteCount, header.unpackedSize >= 0,
            header.unpackedSize <= ParquetCodec.largestPage
        else {
            throw fail(.malformed, "has a page of \(header.packedSize) bytes where there are \(rest.count)")
        }
        let body = UnsafeRawBufferPointer(rebasing: rest[header.byteCount..<header.byteCount + header.packedSize])
        position += header.byteCount + header.packedSize
        switch header.kind {
        case .other: return
        case .dictionary:
            guard header.encoding == 0 || header.encoding == 2 else { throw unknownEncoding(header.encoding) }
            let bytes = try unpack(body, header.unpackedSize)
            guard header.valueCount >= 0, header.valueCount <= bytes.count / 4 else {
                throw fail(.malformed, "has a dictionary of \(header.valueCount) values in \(bytes.count) bytes")
            }
            var place = 0
            dictionary = []
            for _ in 0..<header.valueCount { dictionary.append(try plain(bytes, &place)) }
        case .data, .dataVersion2: try readData(header, body)
        }
    }

    private func readData(_ header: ParquetPageHeader, _ body: UnsafeRawBufferPointer) throws(DataError) {
        let count = header.valueCount
        guard count >= 0, count <= valuesLeft else { throw fail(.malformed, "has a page of \(count) values too many") }
        var start = 0
        var definitions: [UInt8]?, repetitions: [UInt8]?
        if header.kind == .dataVersion2 {
            let repetitionEnd = header.repetitionByteCount
            let (end, overflow) = repetitionEnd.addingReportingOverflow(header.definitionByteCount)
            guard header.repetitionByteCount >= 0, header.definitionByteCount >= 0, !overflow, end <= body.count,
                end <= header.unpackedSize
            else { throw fail(.malformed, "has levels beyond their page's end") }
            repetitions = try levels(body[..<repetitionEnd], column.largestRepetition, count)
            definitions = try levels(body[repetitionEnd..<end], column.largestDefinition, count)
            let values = UnsafeRawBufferPointer(rebasing: body[end...])
            page =
                header.isCompressed && chunk.codec != 0
                ? try unpack(values, header.unpackedSize - end) : Array(values)
        } else {
            page = try unpack(body, header.unpackedSize)
            guard column.largestDefinition == 0 || header.definitionEncoding == 3 else {
                throw unknownEncoding(header.definitionEncoding)
            }
            let bytes = page
            let result = bytes.withUnsafeBytes { raw in
                Result { () throws(DataError) in
                    (
                        try prefixedLevels(raw, &start, column.largestRepetition, count),
                        try prefixedLevels(raw, &start, column.largestDefinition, count)
                    )
                }
            }
            (repetitions, definitions) = try result.get()
        }
        levels = (0..<count).map { index in
            (definitions?[index] ?? UInt8(column.largestDefinition), repetitions?[index] ?? 0)
        }
        nextLevel = 0
        nextValue = start
        valuesLeft -= count
        indices = nil
        switch header.encoding {
        case 0: break
        case 2, 8:
            let present = levels.count { Int($0.definition) == column.largestDefinition }
            indices = try readIndices(from: start, present)
            nextValue = 0
        default: throw unknownEncoding(header.encoding)
        }
    }

    private func readIndices(from start: Int, _ count: Int) throws(DataError) -> [Int32] {
        guard count > 0 else { return [] }
        guard start < page.count, page[start] <= 32 else { throw fail(.malformed, "has no places in its dictionary") }
        let width = Int(page[start]), size = dictionary.count
        let indices = page.withUnsafeBytes { raw -> [Int32]? in
            var runs = RunLengthDecoder(UnsafeRawBufferPointer(rebasing: raw[(start + 1)...]), width: width)
            var indices: [Int32] = []
            indices.reserveCapacity(count)
            for _ in 0..<count {
                guard let index = runs.next(), index < size else { return nil }
                indices.append(Int32(truncatingIfNeeded: index))
            }
            return indices
        }
        guard let indices else { throw fail(.malformed, "has a place outside its dictionary of \(size) values") }
        return indices
    }

    /// Levels behind their length, as the first version of pages has them.
    private func prefixedLevels(
        _ raw: UnsafeRawBufferPointer, _ start: inout Int, _ largest: Int, _ count: Int
    ) throws(DataError) -> [UInt8]? {
        guard largest > 0 else { return nil }
        guard raw.count - start >= 4 else { throw fail(.malformed, "has levels beyond their page's end") }
        let size = Int(UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: start, as: UInt32.self)))
        guard size <= raw.count - start - 4 else { throw fail(.malformed, "has levels beyond their page's end") }
        defer { start += 4 + size }
        return try levels(raw[start + 4..<start + 4 + size], largest, count)
    }

    private func levels(
        _ bytes: Slice<UnsafeRawBufferPointer>, _ largest: Int, _ count: Int
    ) throws(DataError) -> [UInt8]? {
        guard largest > 0 else { return nil }
        var runs = RunLengthDecoder(
            UnsafeRawBufferPointer(rebasing: bytes), width: Int.bitWidth - largest.leadingZeroBitCount)
        var levels: [UInt8] = []
        for _ in 0..<count {
            guard let level = runs.next(), level <= largest else { throw fail(.malformed, "has broken levels") }
            levels.append(UInt8(truncatingIfNeeded: level))
        }
        return levels
    }

    private func unpack(_ bytes: UnsafeRawBufferPointer, _ size: Int) throws(DataError) -> [UInt8] {
        do throws(DecompressionError) {
            return try ParquetCodec.unpack(bytes, codec: chunk.codec, size: size)
        } catch {
            if case .unsupported = error { throw fail(.unsupported, error.description) }
            throw fail(.malformed, error.description)
        }
    }

    private func checkUnchanged() throws(DataError) {
        do throws(FileError) { try file.checkUnchanged() } catch { throw DataError(error) }
    }

    private func unknownEncoding(_ encoding: Int) -> DataError {
        let names = [4: "BIT_PACKED", 5: "DELTA_BINARY_PACKED", 6: "DELTA_LENGTH_BYTE_ARRAY", 7: "DELTA_BYTE_ARRAY"]
        return fail(
            .unsupported, "is encoded as \(names[encoding] ?? "\(encoding)"); read are PLAIN and RLE_DICTIONARY")
    }

    private func fail(_ kind: DataError.Kind, _ reason: String) -> DataError {
        DataError(kind, path: file.path, place: place, field: column.path.joined(separator: "."), reason)
    }
}
