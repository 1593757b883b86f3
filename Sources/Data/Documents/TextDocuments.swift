/// The documents of a text file: the whole file, or the texts between separators.
final class TextDocuments: DocumentReader {
    private let path: String
    private let separator: [UInt8]
    private let largest: Int
    private var scanner: ByteScanner
    private var number = 0
    private var isWhole = true
    /// How many times a text without separator was split because it was too long for one document.
    private(set) var cutCount = 0

    init(_ stream: CorpusStream, separator: String?, largest: Int) {
        path = stream.path
        self.separator = Array((separator ?? "").utf8)
        self.largest = max(largest, 16)
        scanner = ByteScanner(stream)
    }

    func next() throws(DataError) -> CorpusRecord? {
        while let bytes = try part() {
            let text = isWhole ? bytes : Self.trimmed(bytes)
            number += 1
            guard !text.isEmpty else { continue }
            let place = isWhole ? nil : "document \(number)"
            return .document(Document(.text(Array(text)), path: path, place: place), notes: [])
        }
        return nil
    }

    /// The bytes up to the next separator.
    private func part() throws(DataError) -> ArraySlice<UInt8>? {
        var seen = 0
        while true {
            if !separator.isEmpty, let end = scanner.find(separator, from: max(seen - separator.count + 1, 0)) {
                isWhole = false
                let bytes = scanner.take(end)
                _ = scanner.take(separator.count)
                return bytes
            }
            seen = scanner.ready.count
            if seen > largest {
                isWhole = false
                cutCount += 1
                return scanner.take(Self.cut(scanner.ready.prefix(largest)))
            }
            if try scanner.readMore() { continue }
            return seen > 0 ? scanner.take(seen) : nil
        }
    }

    /// The length of the part before the split: after the last line end, if that is in the second half; else before an
    /// incomplete UTF-8 character.
    static func cut<Bytes: RandomAccessCollection<UInt8>>(_ bytes: Bytes) -> Int {
        if let end = bytes.lastIndex(of: UInt8(ascii: "\n")) {
            let count = bytes.distance(from: bytes.startIndex, to: end) + 1
            if count > bytes.count / 2 { return count }
        }
        for (back, byte) in bytes.suffix(4).reversed().enumerated() where byte & 0xc0 != 0x80 {
            return max(bytes.count - back - 1, 1)
        }
        return bytes.count
    }

    /// The bytes without the line ends beside a separator.
    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        func isLineEnd(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") }
        var bytes = bytes.drop(while: isLineEnd)
        while let last = bytes.last, isLineEnd(last) { bytes.removeLast() }
        return bytes
    }
}
