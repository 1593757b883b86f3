import MartletPatterns

/// Positions where a text can be split so that the words of both parts are the words of the whole.
struct SafeCut: Sendable {
    let source: WordSource
    let specials: [[UInt8]]
    let unit: TrainingUnit
    private let longest: Int
    private let matcher: AddedTokenMatcher

    init(source: WordSource, specials: [String], unit: TrainingUnit) {
        self.source = source
        self.specials = specials.map { Array($0.utf8) }
        self.unit = unit
        longest = self.specials.reduce(0) { max($0, $1.count) }
        matcher = .specials(specials)
    }

    /// The last safe position after `start`, or nil if more text is needed to find one.
    ///
    /// In none of the patterns does a word continue from a visible character to a space: a space only starts a word or
    /// follows other white space. So the position between the two is safe. If there is none, words are split from the
    /// start, and the last position that later text cannot change is used.
    func last(in text: UnsafeBufferPointer<UInt8>) -> Int? {
        let end = text.count - longest
        var place = end
        while place > 0 {
            defer { place -= 1 }
            if isSafe(place, text), !isInsideSpecial(place, text) { return place }
        }
        switch source {
        case .scanner(let cutter): return lastWordEnd(text, cutter)
        case .pieces, .phrases: return lastScalarEnd(text)
        }
    }

    private func isSafe(_ place: Int, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard place < text.count else { return false }
        if unit == .line || source.joinsWords, text[place - 1] == 0x0A { return true }
        if source.joinsWords { return false }
        // A line break may follow symbols in a word, except in GPT-2's pattern.
        guard text[place] == 0x20 || text[place] == 0x0A && !source.gathersNewlines else { return false }
        let before = text[place - 1]
        if before < 0x80 { return before > 0x20 && before < 0x7F }
        return !CategoryTable.shared[WhiteSpace.precedingScalar(text, before: place, notBefore: 0).scalar].has(.space)
    }

    private func isInsideSpecial(_ place: Int, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard longest > 1 else { return false }
        return specials.contains { special in
            (max(0, place - special.count + 1)..<place).contains { start in
                start + special.count <= text.count
                    && UnsafeBufferPointer(rebasing: text[start..<(start + special.count)]).elementsEqual(special)
            }
        }
    }

    /// The end of a scalar, for words without a scanner: a block without any space or line break is split somewhere.
    private func lastScalarEnd(_ text: UnsafeBufferPointer<UInt8>) -> Int? {
        var place = text.count - max(longest, 16)
        while place > 0, text[place] & 0xC0 == 0x80 || isInsideSpecial(place, text) { place -= 1 }
        return place > 0 ? place : nil
    }

    /// The end of the last word that later text cannot change: the last one before the letters and white space at the
    /// end, which are all that a scanner looks ahead, plus a margin for contractions and special tokens.
    private func lastWordEnd(_ text: UnsafeBufferPointer<UInt8>, _ cutter: WordCutter) -> Int? {
        var limit = text.count - max(longest, 16)
        while limit > 0 {
            let (scalar, start) = WhiteSpace.precedingScalar(text, before: limit, notBefore: 0)
            guard CategoryTable.shared[scalar].has([.space, .letter, .mark]) else { break }
            limit = start
        }
        var found = 0
        matcher.split(text, specials: .all) { range, token in
            guard range.lowerBound < limit else { return }
            if token != nil {
                if range.upperBound <= limit { found = range.upperBound }
                return
            }
            let stretch = UnsafeBufferPointer(rebasing: text[range])
            var position = 0
            while position < stretch.count {
                position = cutter.end(stretch, from: position)
                guard range.lowerBound + position <= limit else { break }
                // White space at the end of a text is one word of any length.
                let last = WhiteSpace.precedingScalar(stretch, before: position, notBefore: 0).scalar
                if !CategoryTable.shared[last].has(.space) { found = range.lowerBound + position }
            }
        }
        return found > 0 ? found : nil
    }
}

extension AddedTokenMatcher {
    /// Finds each of these strings in unmodified text.
    static func specials(_ contents: [String]) -> AddedTokenMatcher {
        AddedTokenMatcher(
            contents.enumerated().map { index, content in
                (AddedToken(id: Int32(index), content: content, isSpecial: true), Array(content.utf8))
            })
    }
}
