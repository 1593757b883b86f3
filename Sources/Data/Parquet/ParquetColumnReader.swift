import MartletFormats
import MartletTensor

/// Reads the values of a column in one row group, page by page, each with its levels.
final class ParquetColumnReader {
    private let file: MappedFile
    private let column: ParquetColumn
    private let type: ParquetType
    private let codec: Int
    private let place: String
    private let end: Int
    private var position: Int
    private var valuesLeft: Int

    private var dictionary: ParquetDictionary?
    /// Entries of the current page that have not been read.
    private var leftInPage = 0
    private var definitions: RunLengthDecoder?
    private var repetitions: RunLengthDecoder?
    private var values: ParquetValues?

    /// The levels of the next entry, valid after `hasNext` returned true.
    private(set) var definition = 0
    private(set) var repetition = 0
    private var isReady = false

    init(_ file: MappedFile, _ metadata: ParquetMetadata, column index: Int, rowGroup: Int) throws(DataError) {
        let column = metadata.schema.columns[index], chunk = metadata.rowGroups[rowGroup].chunks[index]
        let place = "row group \(rowGroup)"
        func fail(_ kind: DataError.Kind, _ reason: String) -> DataError {
            DataError(kind, path: file.path, place: place, field: column.path.joined(separator: "."), reason)
        }
        guard let type = ParquetType(column) else { throw fail(.unsupported, Self.refusal(of: column)) }
        guard !chunk.isElsewhere else { throw fail(.unsupported, "lies in another file") }
        guard chunk.valueCount >= 0, chunk.valueCount <= metadata.largestCount else {
            throw fail(
                .malformed,
                "claims \(chunk.valueCount) values; a file of \(file.bytes.count) bytes is taken to have at most "
                    + "\(metadata.largestCount)")
        }
        // A column without values may have no pages and no position.
        guard let bytes = chunk.valueCount == 0 ? 0..<0 : chunk.bytes(before: metadata.start) else {
            throw fail(.malformed, "does not lie within the file")
        }
        self.file = file
        self.column = column
        self.type = type
        self.place = place
        codec = chunk.codec
        position = bytes.lowerBound
        end = bytes.upperBound
        valuesLeft = chunk.valueCount
    }

    /// The message for a column whose type is not supported.
    static func refusal(of column: ParquetColumn) -> String {
        "is a column of \(ParquetType.name(column.type)), which is not read"
    }

    /// Whether there is another entry; its levels are then available.
    func hasNext() throws(DataError) -> Bool {
        if isReady { return true }
        while leftInPage == 0 {
            guard valuesLeft > 0 else { return false }
            try readPage()
        }
        leftInPage -= 1
        definition = try level(&definitions, column.largestDefinition, absent: column.largestDefinition)
        repetition = try level(&repetitions, column.largestRepetition, absent: 0)
        isReady = true
        return true
    }

    /// Reads the next entry; nil if it has no value.
    func take() throws(DataError) -> ParquetValue? {
        guard try hasNext() else { throw fail(.malformed, "ends before the row group does") }
        isReady = false
        guard definition == column.largestDefinition else { return nil }
        do throws(ParquetFault) {
            guard let value = try values?.next() else { throw .malformed("has fewer values than it says") }
            return value
        } catch {
            throw fail(error)
        }
    }

    private func level(
        _ runs: inout RunLengthDecoder?, _ largest: Int, absent: Int
    ) throws(DataError) -> Int {
        guard largest > 0, runs != nil else { return absent }
        guard let level = runs?.next(), level <= largest else { throw fail(.malformed, "has broken levels") }
        return level
    }

    private func readPage() throws(DataError) {
        do throws(FileError) { try file.checkUnchanged() } catch { throw DataError(error) }
        guard position < end else { throw fail(.malformed, "has fewer values than it says") }
        let rest = UnsafeRawBufferPointer(rebasing: file.bytes[position..<end])
        let header: ParquetPageHeader
        do throws(ThriftReader.Failure) {
            header = try ParquetPageHeader(rest)
        } catch {
            throw fail(.malformed, "has a page whose header is broken (\(error))")
        }
        guard header.packedSize >= 0, header.packedSize <= rest.count - header.byteCount, header.unpackedSize >= 0
        else {
            throw fail(.malformed, "has a page of \(header.packedSize) bytes where there are \(rest.count)")
        }
        let body = UnsafeRawBufferPointer(rebasing: rest[header.byteCount..<header.byteCount + header.packedSize])
        position += header.byteCount + header.packedSize
        do throws(ParquetFault) {
            switch header.kind {
            case .other: return
            case .dictionary:
                guard header.encoding == 0 || header.encoding == 2 else {
                    throw .unsupported("has a dictionary of encoding \(header.encoding)")
                }
                dictionary = try ParquetDictionary(
                    type, try unpack(body, header.unpackedSize), count: header.valueCount)
            case .data, .dataVersion2:
                guard header.valueCount >= 0, header.valueCount <= valuesLeft else {
                    throw .malformed("has a page of \(header.valueCount) values, but only \(valuesLeft) are left")
                }
                if header.kind == .data { try readFirstVersion(header, body) } else { try readSecond(header, body) }
                valuesLeft -= header.valueCount
                leftInPage = header.valueCount
            }
        } catch {
            throw fail(error)
        }
    }

    /// Data page version 1: levels, each prefixed by its length, and values, compressed together.
    private func readFirstVersion(_ header: ParquetPageHeader, _ body: UnsafeRawBufferPointer) throws(ParquetFault) {
        let page = try unpack(body, header.unpackedSize)
        guard column.largestDefinition == 0 || header.definitionEncoding == 3 else {
            throw .unsupported("has levels of encoding \(header.definitionEncoding)")
        }
        var start = 0
        func runs(_ largest: Int) throws(ParquetFault) -> RunLengthDecoder? {
            guard largest > 0 else { return nil }
            guard page.count - start >= 4 else { throw .malformed("has levels beyond their page's end") }
            let size = (0..<4).reduce(0) { $0 | Int(page[start + $1]) << (8 * $1) }
            guard size <= page.count - start - 4 else { throw .malformed("has levels beyond their page's end") }
            defer { start += 4 + size }
            return Self.levels(page, start + 4..<start + 4 + size, largest)
        }
        repetitions = try runs(column.largestRepetition)
        definitions = try runs(column.largestDefinition)
        values = try ParquetValues(page, type, code: header.encoding, from: start, dictionary: dictionary)
    }

    /// Data page version 2: levels first, never compressed.
    private func readSecond(_ header: ParquetPageHeader, _ body: UnsafeRawBufferPointer) throws(ParquetFault) {
        let middle = header.repetitionByteCount
        let (start, overflow) = middle.addingReportingOverflow(header.definitionByteCount)
        guard middle >= 0, header.definitionByteCount >= 0, !overflow, start <= body.count,
            start <= header.unpackedSize
        else { throw .malformed("has levels beyond their page's end") }
        let head = Array(body[..<start])
        repetitions = Self.levels(head, 0..<middle, column.largestRepetition)
        definitions = Self.levels(head, middle..<start, column.largestDefinition)
        let rest = UnsafeRawBufferPointer(rebasing: body[start...])
        // A page with nulls only has nothing to decompress.
        let isPacked = header.isCompressed && codec != 0 && !(rest.isEmpty && header.unpackedSize == start)
        let page = isPacked ? try unpack(rest, header.unpackedSize - start) : Array(rest)
        values = try ParquetValues(page, type, code: header.encoding, from: 0, dictionary: dictionary)
    }

    private static func levels(_ bytes: [UInt8], _ range: Range<Int>, _ largest: Int) -> RunLengthDecoder? {
        largest > 0 ? RunLengthDecoder(bytes, range, width: Int.bitWidth - largest.leadingZeroBitCount) : nil
    }

    private func unpack(_ bytes: UnsafeRawBufferPointer, _ size: Int) throws(ParquetFault) -> [UInt8] {
        // A copy, because the file may be overwritten meanwhile.
        let own = Array(bytes)
        let result = own.withUnsafeBytes { raw in
            Result { () throws(DecompressionError) in try ParquetCodec.unpack(raw, codec: codec, size: size) }
        }
        do throws(DecompressionError) {
            return try result.get()
        } catch {
            if case .unsupported = error { throw .unsupported(error.description) }
            throw .malformed(error.description)
        }
    }

    private func fail(_ fault: ParquetFault) -> DataError {
        switch fault {
        case .malformed(let reason): fail(.malformed, reason)
        case .unsupported(let reason): fail(.unsupported, reason)
        }
    }

    private func fail(_ kind: DataError.Kind, _ reason: String) -> DataError {
        DataError(kind, path: file.path, place: place, field: column.path.joined(separator: "."), reason)
    }
}
