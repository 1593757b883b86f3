/// Breaks streamed text between words at the terminal's width.
///
/// The terminal itself would break inside words. A word is shown as its letters arrive; if it does not fit, it is
/// erased and started again on the next line.
struct WordWrap {
    /// One less than the terminal has: in the last column, the cursor can be in two states. Nil for no wrapping.
    private let limit: Int?
    private var column = 0
    private var word = ""
    private var wordWidth = 0

    init(columns: Int?) { limit = columns.map { max($0 - 1, 10) } }

    mutating func append(_ text: String) -> String {
        guard let limit else { return text }
        var shown = ""
        for character in text {
            let width = character.columns
            if character.isNewline {
                shown.append(character)
                column = 0
                endWord()
            } else if character.isWhitespace {
                // A space that does not fit is the line break.
                shown.append(column + width > limit ? "\n" : character)
                column = column + width > limit ? 0 : column + width
                endWord()
            } else {
                // Chinese and Japanese are broken anywhere.
                if width == 2 { endWord() }
                if column + width > limit {
                    if wordWidth > 0, wordWidth < column, wordWidth <= limit / 2 {
                        shown += "\u{1B}[\(wordWidth)D\u{1B}[K\n" + word
                        column = wordWidth
                    } else {
                        shown += "\n"
                        column = 0
                        endWord()
                    }
                }
                shown.append(character)
                column += width
                word.append(character)
                wordWidth += width
            }
        }
        return shown
    }

    private mutating func endWord() {
        word = ""
        wordWidth = 0
    }
}

extension Character {
    /// Columns it takes in a terminal: two for East Asian wide ones and emoji, none for marks alone.
    var columns: Int {
        guard let scalar = unicodeScalars.first else { return 0 }
        // Signs that are pictures by themselves (⌛, ✅), or made such by what follows them (❤️).
        let isPicture = scalar.properties.isEmojiPresentation || unicodeScalars.dropFirst().first?.value == 0xFE0F
        if isPicture { return 2 }
        switch scalar.value {
        case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
            0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
            return 2
        case 0x300...0x36F, 0x200B...0x200F, 0xFE00...0xFE0F: return 0
        case 0x09: return 8
        default: return 1
        }
    }
}
