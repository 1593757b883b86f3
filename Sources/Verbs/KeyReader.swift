#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A key press, as the bytes of a terminal in raw mode tell it.
enum Key {
    case text(Character), enter, newline, end, interrupt, backspace, delete, left, right, up, down, home, lineEnd
    case wordLeft, wordRight, eraseToStart, eraseToEnd, eraseWord, clearScreen, unknown, closed
    /// What was pasted at once, with its line ends.
    case pasted(String)
}

/// Turns the bytes of standard input into keys.
struct KeyReader {
    /// Bytes read but not handled yet, the last one first.
    private var pending: [UInt8] = []

    mutating func next() -> Key {
        guard let byte = nextByte() else { return .closed }
        switch byte {
        // A program at the other end of a pseudo-terminal sends a line feed.
        case 0x0D, 0x0A: return .enter
        case 0x01: return .home
        case 0x02: return .left
        case 0x03: return .interrupt
        case 0x04: return .end
        case 0x05: return .lineEnd
        case 0x06: return .right
        case 0x08, 0x7F: return .backspace
        case 0x09: return .text(" ")
        case 0x0B: return .eraseToEnd
        case 0x0C: return .clearScreen
        case 0x0E: return .down
        case 0x10: return .up
        case 0x15: return .eraseToStart
        case 0x17: return .eraseWord
        case 0x1B: return escape()
        case 0x00..<0x20: return .unknown
        default: return character(byte)
        }
    }

    /// - Parameter timeout: milliseconds to wait, or -1 for as long as it takes.
    private mutating func nextByte(timeout: Int32 = -1) -> UInt8? {
        if pending.isEmpty {
            if timeout >= 0 {
                var wanted = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
                guard poll(&wanted, 1, timeout) > 0 else { return nil }
            }
            var buffer = [UInt8](repeating: 0, count: 4096)
            var count = 0
            repeat { count = read(STDIN_FILENO, &buffer, buffer.count) } while count < 0 && errno == EINTR
            guard count > 0 else { return nil }
            pending = buffer[..<count].reversed()
        }
        return pending.popLast()
    }

    private mutating func escape() -> Key {
        // The rest of an escape sequence follows immediately; the key Escape alone is followed by nothing.
        guard let first = nextByte(timeout: 30) else { return .unknown }
        switch first {
        case UInt8(ascii: "["), UInt8(ascii: "O"): break
        case UInt8(ascii: "b"): return .wordLeft
        case UInt8(ascii: "f"): return .wordRight
        case 0x0D, 0x0A: return .newline
        case 0x7F: return .eraseWord
        default: return .unknown
        }
        var parameters: [UInt8] = []
        while let byte = nextByte(timeout: 30) {
            if (0x30...0x3F).contains(byte), parameters.count < 16 {
                parameters.append(byte)
                continue
            }
            return sequence(byte, String(decoding: parameters, as: UTF8.self))
        }
        return .unknown
    }

    /// A control sequence by its last byte and what stands before it.
    private mutating func sequence(_ last: UInt8, _ parameters: String) -> Key {
        let isModified = parameters.hasPrefix("1;")
        switch last {
        case UInt8(ascii: "A"): return .up
        case UInt8(ascii: "B"): return .down
        case UInt8(ascii: "C"): return isModified ? .wordRight : .right
        case UInt8(ascii: "D"): return isModified ? .wordLeft : .left
        case UInt8(ascii: "H"): return .home
        case UInt8(ascii: "F"): return .lineEnd
        case UInt8(ascii: "~"):
            switch parameters {
            case "1", "7": return .home
            case "3": return .delete
            case "4", "8": return .lineEnd
            case "200": return .pasted(paste())
            default: return .unknown
            }
        default: return .unknown
        }
    }

    /// Bytes up to the sequence that ends a paste, with every kind of line end as a line feed.
    private mutating func paste() -> String {
        let end = Array("\u{1B}[201~".utf8)
        var bytes: [UInt8] = []
        while let byte = nextByte() {
            bytes.append(byte)
            if byte == UInt8(ascii: "~"), bytes.suffix(end.count).elementsEqual(end) {
                bytes.removeLast(end.count)
                break
            }
        }
        var text: [UInt8] = []
        for (index, byte) in bytes.enumerated() {
            switch byte {
            case 0x0D: text.append(0x0A)
            case 0x0A where index > 0 && bytes[index - 1] == 0x0D: continue
            case 0x0A, 0x20...: text.append(byte)
            case 0x09: text += Array("    ".utf8)
            default: continue
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// A whole UTF-8 scalar; combining ones join the character before them when the line is drawn.
    private mutating func character(_ first: UInt8) -> Key {
        var bytes = [first]
        let more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : 0
        for _ in 0..<more { if let next = nextByte() { bytes.append(next) } }
        return String(decoding: bytes, as: UTF8.self).first.map { .text($0) } ?? .unknown
    }
}
