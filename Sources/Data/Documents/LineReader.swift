/// The lines of a stream, without their ends, and their numbers.
struct LineReader {
    private var scanner: ByteScanner
    private let path: String
    private let largest: Int
    /// Of the line that was last read, from 1.
    private(set) var number = 0

    init(_ stream: CorpusStream, largest: Int = CorpusOptions.largestRecord) {
        scanner = ByteScanner(stream)
        path = stream.path
        self.largest = largest
    }

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
                throw DataError(
                    .malformed, path: path, place: "line \(number + 1)", "is longer than \(largest) bytes")
            }
            if try scanner.readMore() { continue }
            guard seen > 0 else { return nil }
            number += 1
            return Array(scanner.take(seen))
        }
    }
}
