/// Text being edited and its picture on the terminal, over as many rows as it takes.
struct EditedLine {
    private let prompt: String
    private var characters: [Character] = []
    private var cursor = 0
    /// The row of the cursor below the first, as last drawn.
    private var drawnRow = 0

    init(prompt: String) { self.prompt = prompt }

    var text: String { String(characters) }
    var isEmpty: Bool { characters.isEmpty }
    var isOnFirstLine: Bool { !characters[..<cursor].contains("\n") }
    var isOnLastLine: Bool { !characters[cursor...].contains("\n") }

    mutating func replace(_ text: String) {
        characters = Array(text)
        cursor = characters.count
        draw()
    }

    /// Applies an editing key.
    mutating func apply(_ key: Key) {
        switch key {
        case .text(let character): insert(String(character))
        case .newline: insert("\n")
        case .pasted(let text): insert(text)
        case .backspace where cursor > 0:
            cursor -= 1
            characters.remove(at: cursor)
        case .delete, .end:
            if cursor < characters.count { characters.remove(at: cursor) }
        case .left: cursor = max(0, cursor - 1)
        case .right: cursor = min(characters.count, cursor + 1)
        case .wordLeft: cursor = wordStart
        case .wordRight:
            while cursor < characters.count, characters[cursor].isWhitespace { cursor += 1 }
            while cursor < characters.count, !characters[cursor].isWhitespace { cursor += 1 }
        case .home: cursor = lineStart(cursor)
        case .lineEnd: cursor = lineEnd(cursor)
        case .up:
            let start = lineStart(cursor), before = lineStart(start - 1)
            cursor = min(before + cursor - start, start - 1)
        case .down:
            let offset = cursor - lineStart(cursor), next = lineEnd(cursor) + 1
            cursor = min(next + offset, lineEnd(next))
        case .eraseToStart: erase(from: lineStart(cursor))
        case .eraseToEnd: characters.removeSubrange(cursor..<lineEnd(cursor))
        case .eraseWord: erase(from: wordStart)
        case .clearScreen:
            Terminal.show("\u{1B}[H\u{1B}[2J")
            drawnRow = 0
        default: return
        }
        draw()
    }

    private mutating func insert(_ text: String) {
        // Combining marks join the character before them.
        let rest = Array(String(characters[cursor...]))
        characters = Array(String(characters[..<cursor]) + text)
        cursor = characters.count
        characters += rest
    }

    private mutating func erase(from start: Int) {
        characters.removeSubrange(start..<cursor)
        cursor = start
    }

    private func lineStart(_ position: Int) -> Int {
        characters[..<max(position, 0)].lastIndex(of: "\n").map { $0 + 1 } ?? 0
    }

    private func lineEnd(_ position: Int) -> Int {
        characters[min(position, characters.count)...].firstIndex(of: "\n") ?? characters.count
    }

    private var wordStart: Int {
        var start = cursor
        while start > 0, characters[start - 1].isWhitespace { start -= 1 }
        while start > 0, !characters[start - 1].isWhitespace { start -= 1 }
        return start
    }

    // MARK: - Drawing

    /// Draws everything anew over what is there, and puts the cursor where it belongs.
    mutating func draw() {
        var picture = drawnRow > 0 ? "\u{1B}[\(drawnRow)A" : ""
        picture += "\r\u{1B}[J" + prompt
        for character in characters { picture += character == "\n" ? "\n" + Self.continuation : String(character) }
        let columns = Terminal.columns
        let end = place(characters.count, columns), target = place(cursor, columns)
        // After the last column of a row, the cursor is still on it.
        if end.column == 0 { picture += "\n" }
        if end.row > target.row { picture += "\u{1B}[\(end.row - target.row)A" }
        picture += "\r" + (target.column > 0 ? "\u{1B}[\(target.column)C" : "")
        Terminal.show(picture)
        drawnRow = target.row
    }

    /// Leaves the text as it is and moves below it.
    mutating func leave(showing mark: String = "") {
        cursor = characters.count
        draw()
        Terminal.show(mark + "\n")
        drawnRow = 0
    }

    private static let continuation = "... "

    /// Row and column of a position, as the terminal wraps.
    private func place(_ position: Int, _ columns: Int) -> (row: Int, column: Int) {
        var row = 0, column = 0
        func add(_ width: Int) {
            // A wide character does not go half into the last column.
            if column + width > columns {
                row += 1
                column = 0
            }
            column += width
        }
        for character in prompt { add(character.columns) }
        for character in characters[..<position] {
            if character == "\n" {
                row += 1
                column = 0
                for character in Self.continuation { add(character.columns) }
            } else {
                add(character.columns)
            }
        }
        return column == columns ? (row + 1, 0) : (row, column)
    }
}
