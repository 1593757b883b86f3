/// The bytes of each value of a JSON file: the elements of its outermost list, or a sequence of values. Only brackets
/// and quotes are examined to find the end of a value, so an invalid value can be skipped as a whole, and a file of any
/// length needs only the memory of its longest value.
struct JSONValueScanner {
    private var scanner: ByteScanner
    private let path: String
    private let largest: Int
    private var state = State.start
    private var nextLine = 1
    /// The line on which the last value begins, from 1.
    private(set) var line = 1

    private enum State {
        case start
        /// In a list, before its first member.
        case opened
        /// In a list, after an element.
        case behindMember
        /// In a sequence of values.
        case loose
        case end
    }

    init(_ scanner: ByteScanner, path: String, largest: Int = CorpusOptions.largestRecord) {
        self.scanner = scanner
        self.path = path
        self.largest = largest
    }

    /// The first byte that is not a space, without consuming it; nil at the end.
    mutating func peek() throws(DataError) -> UInt8? {
        while true {
            var lines = 0, spaces = 0
            let ready = scanner.ready
            for byte in ready {
                guard byte == 0x20 || (0x09...0x0d).contains(byte) else { break }
                if byte == UInt8(ascii: "\n") { lines += 1 }
                spaces += 1
            }
            nextLine += lines
            _ = scanner.take(spaces)
            if spaces < ready.count { return ready[ready.startIndex + spaces] }
            guard try scanner.readMore() else { return nil }
        }
    }

    /// The bytes that are read but not consumed, to continue by lines.
    var rest: ByteScanner { scanner }

    /// Whether the first line is a complete value, as in JSON Lines.
    mutating func firstLineIsWhole() throws(DataError) -> Bool {
        var seen = 0
        while true {
            if let end = scanner.find(UInt8(ascii: "\n"), from: seen) {
                let last = scanner.ready.prefix(end).last { !($0 == 0x20 || (0x09...0x0d).contains($0)) }
                return last == UInt8(ascii: "}") || last == UInt8(ascii: "\"")
            }
            seen = scanner.ready.count
            guard seen <= largest, try scanner.readMore() else { return false }
        }
    }

    /// The next value; nil at the end.
    mutating func next() throws(DataError) -> [UInt8]? {
        guard state != .end, var byte = try peek() else { return try atEnd() }
        if state == .start {
            state = .loose
            if byte == UInt8(ascii: "[") {
                _ = scanner.take(1)
                state = .opened
                guard let first = try peek() else { return try atEnd() }
                byte = first
            }
        }
        if state == .opened || state == .behindMember {
            if byte == UInt8(ascii: "]") {
                _ = scanner.take(1)
                state = .end
                guard try peek() == nil else { throw fault("something follows the end of the list") }
                return nil
            }
            if state == .behindMember {
                guard byte == UInt8(ascii: ",") else { throw fault("expected a comma or the end of the list") }
                _ = scanner.take(1)
                guard let first = try peek() else { return try atEnd() }
                byte = first
                guard byte != UInt8(ascii: "]") else { throw fault("a comma stands before the end of the list") }
            }
            state = .behindMember
        }
        line = nextLine
        return try value()
    }

    private func fault(_ reason: String) -> DataError {
        DataError(.malformed, path: path, place: "line \(nextLine)", reason)
    }

    private mutating func atEnd() throws(DataError) -> [UInt8]? {
        let isOpen = state == .opened || state == .behindMember
        state = .end
        if isOpen { throw fault("the file ends before its list does") }
        return nil
    }

    /// The value that begins at `ready`, to its end.
    private mutating func value() throws(DataError) -> [UInt8] {
        var walk = Walk()
        while true {
            if let end = scanner.ready.withUnsafeBufferPointer({ walk.end(in: $0) }) {
                guard end > 0 else { throw fault("expected a value") }
                let value = Array(scanner.take(end))
                nextLine += walk.lines
                return value
            }
            guard scanner.ready.count <= largest else {
                state = .end
                throw fault("a record is longer than \(largest) bytes")
            }
            guard try scanner.readMore() else { break }
        }
        let rest = Array(scanner.take(scanner.ready.count))
        let isScalar = walk.depth == 0 && !walk.isInText && state == .loose
        if isScalar {
            state = .end
            return rest
        }
        state = .end
        var error = fault("the file ends in the middle of a record, which begins on line \(line)")
        error.isOneRecord = true
        throw error
    }

    /// Finds the end of a value by its brackets and quotes.
    private struct Walk {
        var place = 0
        var depth = 0
        var lines = 0
        var isInText = false
        private var isEscaped = false

        /// The offset of the end of the value, once it is found.
        mutating func end(in bytes: UnsafeBufferPointer<UInt8>) -> Int? {
            while place < bytes.count {
                let byte = bytes[place]
                if byte == UInt8(ascii: "\n") { lines += 1 }
                if isInText {
                    if isEscaped {
                        isEscaped = false
                    } else if byte == UInt8(ascii: "\\") {
                        isEscaped = true
                    } else if byte == UInt8(ascii: "\"") {
                        isInText = false
                        if depth == 0 { return place + 1 }
                    }
                } else {
                    switch byte {
                    case UInt8(ascii: "\""): isInText = true
                    case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
                    case UInt8(ascii: "}"), UInt8(ascii: "]"):
                        if depth == 0 { return place }
                        depth -= 1
                        if depth == 0 { return place + 1 }
                    case UInt8(ascii: ","), 0x20, 0x09...0x0d:
                        if depth == 0, place > 0 {
                            if byte == UInt8(ascii: "\n") { lines -= 1 }
                            return place
                        }
                    default: break
                    }
                }
                place += 1
            }
            return nil
        }
    }
}
