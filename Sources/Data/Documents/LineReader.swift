/// The lines of a stream without their line ends, and their numbers.
struct LineReader {
    private var scanner: ByteScanner
    private let path: String
    private let largest: Int
    /// The number of the last line, from 1.
    private(set) var number = 0

    init(_ stream: CorpusStream, largest: Int = CorpusOptions.largestRecord) {
        self.init(ByteScanner(stream), path: stream.path, largest: largest)
    }

    /// Continues where another reader of the same stream stopped.
    init(_ scanner: ByteScanner, path: String, largest: Int = CorpusOptions.largestRecord) {
        self.scanner = scanner
        self.path = path
        self.largest = largest
    }

    /// - Throws: an error of a single record for a line that is too long; reading can continue after it.
    mutating func next() throws(DataError) -> [UInt8]? {
        var seen = 0
        while true {
            if let end = scanner.find(UInt8(ascii: "\n"), from: seen) {
                number += 1
                var line = Array(scanner.take(end))
                if line.last == UInt8(ascii: "\r") { line.removeLast() }
                _ = scanner.take(1)
                return line
            }
            seen = scanner.ready.count
            guard seen <= largest else {
                number += 1
                try passOverLine()
                var error = DataError(
                    .malformed, path: path, place: "line \(number)", "is longer than \(largest) bytes")
                error.isOneRecord = true
                throw error
            }
            if try scanner.readMore() { continue }
            guard seen > 0 else { return nil }
            number += 1
            return Array(scanner.take(seen))
        }
    }

    private mutating func passOverLine() throws(DataError) {
        while true {
            if let end = scanner.find(UInt8(ascii: "\n")) {
                _ = scanner.take(end + 1)
                return
            }
            _ = scanner.take(scanner.ready.count)
            guard try scanner.readMore() else { return }
        }
    }
}
