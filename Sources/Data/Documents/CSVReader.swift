/// The records of a table of comma-separated values. Quoted fields may contain line ends.
///
/// Source: RFC 4180. As in other readers, a quote inside a field that does not begin with a quote is an ordinary
/// character; after a closing quote, anything but a delimiter or a line end is an error.
struct CSVReader {
    private var scanner: ByteScanner
    private let path: String
    private let delimiter: UInt8
    private let largest: Int
    /// An empty field takes one byte in the file and more in memory, so the number of fields has its own limit.
    static let mostFields = 1 << 16
    /// The line on which the last record begins, from 1.
    private(set) var line = 0
    private var nextLine = 1

    init(_ stream: CorpusStream, delimiter: UInt8, largest: Int = CorpusOptions.largestRecord) {
        scanner = ByteScanner(stream)
        path = stream.path
        self.delimiter = delimiter
        self.largest = largest
    }

    /// The fields of the next record; nil at the end.
    mutating func next() throws(DataError) -> [[UInt8]]? {
        line = nextLine
        var place = 0
        while true {
            switch parse() {
            case .record(let fields, let byteCount, let lines):
                _ = scanner.take(byteCount)
                nextLine += lines
                return fields
            case .failure(let reason, let lines):
                throw DataError(.malformed, path: path, place: "line \(line + lines)", reason)
            case .more(let reason):
                place = scanner.ready.count
                guard place <= largest else {
                    throw DataError(
                        .malformed, path: path, place: "line \(line)", "a record is longer than \(largest) bytes")
                }
                if try scanner.readMore() { continue }
                guard place > 0 else { return nil }
                if let reason { throw DataError(.malformed, path: path, place: "line \(line)", reason) }
                return try last()
            }
        }
    }

    /// Skips the line on which the invalid record begins.
    mutating func passOverLine() throws(DataError) {
        nextLine = line + 1
        while true {
            if let end = scanner.find(UInt8(ascii: "\n")) {
                _ = scanner.take(end + 1)
                return
            }
            _ = scanner.take(scanner.ready.count)
            guard try scanner.readMore() else { return }
        }
    }

    private enum Outcome {
        case record([[UInt8]], byteCount: Int, lines: Int)
        /// The record continues; the string says why it cannot end here, if it cannot.
        case more(String?)
        case failure(String, lines: Int)
    }

    /// The last record, which is not followed by a line end.
    private mutating func last() throws(DataError) -> [[UInt8]]? {
        switch parse(endsHere: true) {
        case .record(let fields, let byteCount, _):
            _ = scanner.take(byteCount)
            return fields
        case .failure(let reason, let lines):
            throw DataError(.malformed, path: path, place: "line \(line + lines)", reason)
        case .more(let reason):
            throw DataError(.malformed, path: path, place: "line \(line)", reason ?? "ends in the middle of a record")
        }
    }

    private func parse(endsHere: Bool = false) -> Outcome {
        let delimiter = delimiter
        return scanner.ready.withUnsafeBufferPointer { bytes in
            var fields: [[UInt8]] = [], field: [UInt8] = []
            var place = 0, lines = 0
            while true {
                if place < bytes.count, bytes[place] == UInt8(ascii: "\"") {
                    let openedAt = lines
                    place += 1
                    while true {
                        guard place < bytes.count else {
                            let reason =
                                "field \(fields.count + 1) opens a quote on line \(line + openedAt) and never closes it"
                            return .more(reason)
                        }
                        let byte = bytes[place]
                        place += 1
                        if byte == UInt8(ascii: "\n") { lines += 1 }
                        guard byte == UInt8(ascii: "\"") else {
                            field.append(byte)
                            continue
                        }
                        // The next byte tells whether the quote is doubled.
                        guard place < bytes.count || endsHere else { return .more(nil) }
                        guard place < bytes.count, bytes[place] == UInt8(ascii: "\"") else { break }
                        field.append(byte)
                        place += 1
                    }
                    if place < bytes.count, bytes[place] != delimiter, bytes[place] != 0x0a, bytes[place] != 0x0d {
                        return .failure("field \(fields.count + 1) continues after its closing quote", lines: lines)
                    }
                } else {
                    let start = place
                    while place < bytes.count, bytes[place] != delimiter, bytes[place] != 0x0a { place += 1 }
                    guard place < bytes.count || endsHere else { return .more(nil) }
                    var end = place
                    if end > start, bytes[end - 1] == 0x0d, place == bytes.count || bytes[place] == 0x0a { end -= 1 }
                    field = Array(bytes[start..<end])
                }
                guard fields.count < Self.mostFields else {
                    return .failure("a record has more than \(Self.mostFields) fields", lines: lines)
                }
                fields.append(field)
                field = []
                guard place < bytes.count else {
                    return endsHere ? .record(fields, byteCount: place, lines: lines + 1) : .more(nil)
                }
                if bytes[place] == delimiter {
                    place += 1
                    if place == bytes.count, !endsHere { return .more(nil) }
                    continue
                }
                // A quoted field ends here; it is followed by the line end, CR LF or LF.
                if bytes[place] == 0x0d {
                    place += 1
                    guard place < bytes.count || endsHere else { return .more(nil) }
                    if place < bytes.count, bytes[place] != 0x0a {
                        return .failure("a carriage return is not followed by a line feed", lines: lines)
                    }
                }
                return .record(fields, byteCount: min(place + 1, bytes.count), lines: lines + 1)
            }
        }
    }
}
