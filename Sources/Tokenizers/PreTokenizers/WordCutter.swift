import MartletPatterns

/// A hand-written scanner for the pre-tokenizers of GPT-2 and its descendants: it matches what their regular
/// expressions match, in one pass and with at most one scalar of backtracking.
///
/// At each position the alternatives are, in order: a contraction; letters, after at most one other character; digits;
/// symbols, after at most one space; white space. Source: the patterns of the released encoders (GPT-2, cl100k, Llama
/// 3, Qwen 2, o200k).
package struct WordCutter: PreTokenizer {
    package enum Contractions: Sendable { case asWritten, anyCase, none }

    /// The prefix that may belong to a run of letters.
    package enum LetterPrefix: Sendable {
        /// ` ?`
        case space
        /// `[^\r\n\p{L}\p{N}]?`
        case anySign
    }

    package enum Digits: Sendable {
        /// ` ?\p{N}+`
        case all
        /// `\p{N}{1,n}`
        case atMost(Int)
    }

    package var contractions = Contractions.asWritten
    package var letterPrefix = LetterPrefix.space
    package var digits = Digits.all
    /// `[\r\n]*` after symbols, and `\s*[\r\n]+` as a separate alternative.
    package var gathersNewlines = false
    /// White space at the end of the text is one piece, with or without line breaks.
    package var keepsEndWhole = false
    /// Words are split where lowercase letters end; contractions, if any, belong to their word; `/` may follow symbols
    /// (o200k, and Mistral's tekken without contractions).
    package var cutsAtCase = false
    private let table = CategoryTable.shared

    @inline(__always)
    func ascii(_ byte: UInt8) -> ScalarTraits { table.ascii(byte) }

    package init() {}

    package static let gpt2 = WordCutter()

    /// Llama 3 and cl100k split numbers after three digits, Qwen 2 after one.
    package static func modern(digits: Int) -> WordCutter {
        var cutter = WordCutter()
        cutter.contractions = .anyCase
        cutter.letterPrefix = .anySign
        cutter.digits = .atMost(digits)
        cutter.gathersNewlines = true
        return cutter
    }

    /// cl100k in tiktoken's current form.
    package static let cl100k: WordCutter = {
        var cutter = WordCutter.modern(digits: 3)
        cutter.keepsEndWhole = true
        return cutter
    }()

    package static let o200k: WordCutter = {
        var cutter = WordCutter.modern(digits: 3)
        cutter.cutsAtCase = true
        return cutter
    }()

    @inline(__always)
    package func split(_ text: UnsafeBufferPointer<UInt8>, _ emit: (Range<Int>) throws -> Void) rethrows {
        var start = 0
        while start < text.count {
            let end = self.end(text, from: start)
            try emit(start..<end)
            start = end
        }
    }

    /// The properties of the scalar at a position and the start of the next one.
    @inline(__always)
    private func look(_ text: UnsafeBufferPointer<UInt8>, _ position: Int) -> (traits: ScalarTraits, next: Int) {
        let byte = text[position]
        if byte < 0x80 { return (table.ascii(byte), position + 1) }
        var scalars = UTF8Scalars(text, at: position)
        let scalar = scalars.next() ?? 0xFFFD
        return (table[scalar], scalars.position)
    }

    @inline(__always)
    private func run(
        _ text: UnsafeBufferPointer<UInt8>, from start: Int, limit: Int = .max, while accepts: (ScalarTraits) -> Bool
    ) -> Int {
        var position = start
        var count = 0
        while position < text.count, count < limit {
            let (traits, next) = look(text, position)
            guard accepts(traits) else { break }
            position = next
            count += 1
        }
        return position
    }

    /// The end of the piece that starts at `start`.
    package func end(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        if !cutsAtCase, text[start] == 0x27, case let end = contraction(text, at: start), end > start { return end }
        let (first, second) = look(text, start)
        // Letters, with their optional prefix.
        if first.has(.letter) || cutsAtCase && first.has(.mark) {
            if case let end = word(text, from: start), end > start { return end }
        }
        let mayPrefix =
            letterPrefix == .space ? text[start] == 0x20 : !first.has(.newline) && !first.has(.letterOrNumber)
        if mayPrefix, second < text.count, case let end = word(text, from: second), end > second { return end }
        // Digits.
        switch digits {
        case .all:
            let digitStart = text[start] == 0x20 ? second : start
            let end = run(text, from: digitStart) { $0.has(.number) }
            if end > digitStart { return end }
        case .atMost(let limit):
            if first.has(.number) { return run(text, from: start, limit: limit) { $0.has(.number) } }
        }
        // Symbols.
        let signStart = text[start] == 0x20 ? second : start
        var end = run(text, from: signStart) { !$0.has([.space, .letterOrNumber]) }
        if end > signStart {
            if gathersNewlines {
                while end < text.count, text[end] == 0x0A || text[end] == 0x0D || cutsAtCase && text[end] == 0x2F {
                    end += 1
                }
            }
            return end
        }
        return space(text, from: start)
    }

    /// White space: up to its last line break if `gathersNewlines`; otherwise all of it at the end of the text;
    /// otherwise all except the last character, which belongs to the next piece, unless it is the only one.
    private func space(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        var position = start
        var last = start
        var afterNewline = start
        while position < text.count {
            let (traits, next) = look(text, position)
            guard traits.has(.space) else { break }
            last = position
            position = next
            if traits.has(.newline) { afterNewline = next }
        }
        if gathersNewlines, afterNewline > start, !keepsEndWhole || position < text.count { return afterNewline }
        if position == text.count || last == start { return max(position, start + 1) }
        return last
    }

    /// `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll`, `'d`: returns the end, or `start`.
    private func contraction(_ text: UnsafeBufferPointer<UInt8>, at start: Int) -> Int {
        guard start + 1 < text.count, text[start] == 0x27, contractions != .none else { return start }
        func letter(_ offset: Int) -> UInt8 {
            guard start + offset < text.count else { return 0 }
            let byte = text[start + offset]
            return contractions == .anyCase && byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
        }
        switch letter(1) {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return start + 2
        case UInt8(ascii: "r"), UInt8(ascii: "v"): return letter(2) == UInt8(ascii: "e") ? start + 3 : start
        case UInt8(ascii: "l"): return letter(2) == UInt8(ascii: "l") ? start + 3 : start
        // The long s (ſ), whose capital is S, counts as s if case is ignored.
        case 0xC5 where contractions == .anyCase && letter(2) == 0xBF: return start + 3
        default: return start
        }
    }

    /// The end of the letters that start here, or `start`.
    private func word(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        guard cutsAtCase else { return run(text, from: start) { $0.has(.letter) } }
        // [Lu Lt Lm Lo M]* [Ll Lm Lo M]+, else [Lu Lt Lm Lo M]+: the second class may take back characters of the
        // first.
        let head = run(text, from: start) { $0.has([.upper, .caseless, .mark]) }
        var end = run(text, from: head) { $0.has([.lower, .caseless, .mark]) }
        if end == head {
            // No lowercase letter follows. The last caseless letter of the first part can match the second class.
            var position = start
            var afterSoft = start
            while position < head {
                let (traits, next) = look(text, position)
                if traits.has([.caseless, .mark]) { afterSoft = next }
                position = next
            }
            end = afterSoft > start ? afterSoft : head
        }
        return end > start ? contraction(text, at: min(end, text.count)).clampedUp(to: end) : start
    }
}

extension Int {
    fileprivate func clampedUp(to other: Int) -> Int { Swift.max(self, other) }
}
