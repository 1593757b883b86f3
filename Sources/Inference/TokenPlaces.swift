import MartletTokenizers

/// Where the tokens of a text stand in it, found word by word: a token of unknown words does not say what it stands for.
struct TokenPlaces {
    private let text: String
    private let words: [(place: Range<String.Index>, tokens: Range<Int>)]

    /// nil where the tokens of the words, one after the other, are not those of the text.
    init?(_ ids: some Collection<Int32>, of text: String, _ tokenizer: Tokenizer) throws {
        // BERT's words end at punctuation, those of SentencePiece at spaces.
        for pieces in [Self.words(text), Self.words(text, endAtSpaces: true)] {
            var words: [(place: Range<String.Index>, tokens: Range<Int>)] = [], found: [Int32] = []
            for piece in pieces {
                let start = found.count
                found += try tokenizer.encode(String(text[piece]), addSpecialTokens: false)
                guard found.count <= ids.count else { break }
                words.append((piece, start..<found.count))
            }
            guard found.elementsEqual(ids) else { continue }
            (self.text, self.words) = (text, words)
            return
        }
        return nil
    }

    /// What the text has in the place of some tokens: whole words, as it writes them.
    func text(of tokens: Range<Int>) -> String {
        let inside = words.filter { !$0.tokens.isEmpty && $0.tokens.overlaps(tokens) }
        guard let first = inside.first, let last = inside.last else { return "" }
        return String(text[first.place.lowerBound..<last.place.upperBound])
    }

    private static func words(_ text: String, endAtSpaces: Bool = false) -> [Range<String.Index>] {
        var words: [Range<String.Index>] = [], goesOn = false
        for place in text.indices {
            let character = text[place], next = text.index(after: place)
            let isPart = endAtSpaces || (character.isLetter || character.isNumber) && !isIdeograph(character)
            if goesOn, isPart, !character.isWhitespace, let last = words.popLast() {
                words.append(last.lowerBound..<next)
            } else if !character.isWhitespace {
                words.append(place..<next)
            }
            goesOn = isPart && !character.isWhitespace
        }
        return words
    }

    /// Each is a word of its own for BERT.
    private static func isIdeograph(_ character: Character) -> Bool {
        character.unicodeScalars.contains {
            (0x3400...0x9FFF).contains($0.value) || (0xF900...0xFAFF).contains($0.value)
                || (0x20000...0x2FA1F).contains($0.value)
        }
    }
}
