#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Reads lines from a terminal with the usual keys: arrows, Home, End, history, word and line deletion.
///
/// Where standard input is no terminal, plain lines are read.
struct LineEditor {
    private var history: [String] = []
    private var pending: [UInt8] = []

    /// The next line without its end, or nil at the end of input (Ctrl-D on an empty line).
    mutating func read(prompt: String) -> String? {
        guard Terminal.inputIsTerminal else { return readLine() }
        var saved = termios()
        guard tcgetattr(STDIN_FILENO, &saved) == 0 else { return readLine() }
        var raw = saved
        raw.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &raw)
        defer { tcsetattr(STDIN_FILENO, TCSADRAIN, &saved) }

        var line: [Character] = []
        var cursor = 0
        var recalled = history.count
        var draft: [Character] = []
        Terminal.show(prompt)
        func redraw() {
            let behind = line.count - cursor
            let back = line.suffix(behind).reduce(0) { $0 + Self.width($1) }
            Terminal.show("\r\u{1B}[K" + prompt + String(line) + (back > 0 ? "\u{1B}[\(back)D" : ""))
        }
        while true {
            switch nextKey() {
            case .text(let character):
                line.insert(character, at: cursor)
                cursor += 1
                if cursor == line.count { Terminal.show(String(character)) } else { redraw() }
            case .enter:
                Terminal.show("\n")
                let text = String(line)
                if !text.isEmpty, history.last != text { history.append(text) }
                return text
            case .end where line.isEmpty: return nil
            case .end, .delete:
                if cursor < line.count { line.remove(at: cursor) }
                redraw()
            case .interrupt:
                // As in a shell: an interrupt clears the line, and leaves when there is none.
                Terminal.show("^C\n")
                if line.isEmpty { return nil }
                line = []
                cursor = 0
                Terminal.show(prompt)
            case .backspace where cursor > 0:
                cursor -= 1
                line.remove(at: cursor)
                redraw()
            case .backspace: break
            case .left:
                cursor = max(0, cursor - 1)
                redraw()
            case .right:
                cursor = min(line.count, cursor + 1)
                redraw()
            case .home:
                cursor = 0
                redraw()
            case .lineEnd:
                cursor = line.count
                redraw()
            case .eraseToStart:
                line.removeSubrange(..<cursor)
                cursor = 0
                redraw()
            case .eraseToEnd:
                line.removeSubrange(cursor...)
                redraw()
            case .eraseWord:
                var start = cursor
                while start > 0, line[start - 1].isWhitespace { start -= 1 }
                while start > 0, !line[start - 1].isWhitespace { start -= 1 }
                line.removeSubrange(start..<cursor)
                cursor = start
                redraw()
            case .up where recalled > 0:
                if recalled == history.count { draft = line }
                recalled -= 1
                line = Array(history[recalled])
                cursor = line.count
                redraw()
            case .down where recalled < history.count:
                recalled += 1
                line = recalled == history.count ? draft : Array(history[recalled])
                cursor = line.count
                redraw()
            case .up, .down, .unknown: break
            case .closed: return line.isEmpty ? nil : String(line)
            }
        }
    }

    private enum Key {
        case text(Character), enter, end, interrupt, backspace, delete, left, right, up, down, home, lineEnd
        case eraseToStart, eraseToEnd, eraseWord, unknown, closed
    }

    private mutating func nextByte() -> UInt8? {
        if pending.isEmpty {
            var buffer = [UInt8](repeating: 0, count: 4096)
            var count = 0
            repeat { count = Glibc.read(STDIN_FILENO, &buffer, buffer.count) } while count < 0 && errno == EINTR
            guard count > 0 else { return nil }
            pending = Array(buffer[..<count].reversed())
        }
        return pending.popLast()
    }

    private mutating func nextKey() -> Key {
        guard let byte = nextByte() else { return .closed }
        switch byte {
        case 0x0D, 0x0A: return .enter
        case 0x01: return .home
        case 0x02: return .left
        case 0x03: return .interrupt
        case 0x04: return .end
        case 0x05: return .lineEnd
        case 0x06: return .right
        case 0x08, 0x7F: return .backspace
        case 0x0B: return .eraseToEnd
        case 0x0E: return .down
        case 0x10: return .up
        case 0x15: return .eraseToStart
        case 0x17: return .eraseWord
        case 0x1B: return escape()
        case 0x00..<0x20: return .unknown
        default: return character(byte)
        }
    }

    private mutating func escape() -> Key {
        guard let bracket = nextByte(), bracket == UInt8(ascii: "[") || bracket == UInt8(ascii: "O"),
            let code = nextByte()
        else { return .unknown }
        switch code {
        case UInt8(ascii: "A"): return .up
        case UInt8(ascii: "B"): return .down
        case UInt8(ascii: "C"): return .right
        case UInt8(ascii: "D"): return .left
        case UInt8(ascii: "H"): return .home
        case UInt8(ascii: "F"): return .lineEnd
        case UInt8(ascii: "0")...UInt8(ascii: "9"):
            var last = code
            while last != UInt8(ascii: "~"), let next = nextByte() { last = next }
            return [0x31: .home, 0x37: .home, 0x33: .delete, 0x34: .lineEnd, 0x38: .lineEnd][code] ?? .unknown
        default: return .unknown
        }
    }

    /// A whole UTF-8 scalar; combining ones join the character before them when the line is drawn.
    private mutating func character(_ first: UInt8) -> Key {
        var bytes = [first]
        let more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : 0
        for _ in 0..<more { if let next = nextByte() { bytes.append(next) } }
        return String(decoding: bytes, as: UTF8.self).first.map { .text($0) } ?? .unknown
    }

    /// Columns a character takes: two for East Asian wide ones and emoji.
    private static func width(_ character: Character) -> Int {
        guard let scalar = character.unicodeScalars.first else { return 0 }
        switch scalar.value {
        case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
            0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
            return 2
        default: return 1
        }
    }
}
