/// Finds the answer in a reply and removes what does not matter.
enum MathText {
    /// What a reply gives as its answer: the last \boxed{…}, what follows "the answer is", the last formula, the last
    /// number; nil without any of these.
    static func answer(in reply: String) -> String? {
        let text = reply.utf8.count > 1 << 16 ? String(reply.suffix(1 << 14)) : reply
        if let boxed = lastBoxed(text) { return boxed }
        if let stated = stated(text) { return stated }
        if let formula = formulas(text).last { return formula }
        return lastNumber(text)
    }

    /// The contents of the last \boxed{…} (or \fbox{…}), with matching braces.
    static func lastBoxed(_ text: String) -> String? {
        let marks = ["\\boxed", "\\fbox"].compactMap { text.ranges(of: $0).last }
        guard let mark = marks.max(by: { $0.lowerBound < $1.lowerBound }) else { return nil }
        var rest = text[mark.upperBound...]
        while rest.first == " " { rest.removeFirst() }
        guard rest.first == "{" else {
            return rest.isEmpty ? nil : String(rest.prefix { !$0.isWhitespace && $0 != "$" })
        }
        var depth = 0
        for index in rest.indices {
            if rest[index] == "{" { depth += 1 }
            if rest[index] == "}" { depth -= 1 }
            if depth == 0 { return String(rest[rest.index(after: rest.startIndex)..<index]) }
        }
        return nil
    }

    private static let marks = ["####", "answer is:", "answer is", "answer:", "Answer:"]

    private static func stated(_ text: String) -> String? {
        let found = marks.compactMap { text.ranges(of: $0).last }.max { $0.upperBound < $1.upperBound }
        guard let found else { return nil }
        let line = text[found.upperBound...].drop { $0 == " " || $0 == ":" || $0 == "*" }.prefix { !$0.isNewline }
        let formulas = formulas(String(line))
        if let first = formulas.first { return first }
        var plain = String(line)
        while let last = plain.last, last.isWhitespace || ".*".contains(last) { plain.removeLast() }
        guard !plain.isEmpty else { return nil }
        return MathParser.parse(plain) != nil ? plain : lastNumber(plain) ?? plain
    }

    /// The text between dollar signs, \( and \), or \[ and \].
    private static func formulas(_ text: String) -> [String] {
        var found: [String] = [], rest = text[...]
        while let (open, close) = [("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("$", "$")]
            .compactMap({ pair in rest.firstRange(of: pair.0).map { ($0, pair.1) } })
            .min(by: {
                ($0.0.lowerBound, rest.distance(from: $0.0.upperBound, to: $0.0.lowerBound)) < (
                    $1.0.lowerBound, rest.distance(from: $1.0.upperBound, to: $1.0.lowerBound)
                )
            })
        {
            let after = rest[open.upperBound...]
            guard let end = after.firstRange(of: close) else { break }
            let inner = after[..<end.lowerBound]
            if !inner.isEmpty { found.append(String(inner)) }
            rest = after[end.upperBound...]
        }
        return found
    }

    /// The last number as it is written, with its sign and a fraction's bar.
    private static func lastNumber(_ text: String) -> String? {
        let characters = Array(text)
        func isPart(_ index: Int) -> Bool {
            guard characters.indices.contains(index) else { return false }
            let c = characters[index]
            if c.isASCII && c.isNumber { return true }
            func isDigit(_ at: Int) -> Bool {
                characters.indices.contains(at) && characters[at].isASCII && characters[at].isNumber
            }
            return ",./".contains(c) && isDigit(index - 1) && isDigit(index + 1)
        }
        guard let last = characters.indices.last(where: { characters[$0].isASCII && characters[$0].isNumber }) else {
            return nil
        }
        var start = last
        while isPart(start - 1) { start -= 1 }
        if start > 0, characters[start - 1] == "-", start == 1 || !characters[start - 2].isNumber { start -= 1 }
        let percent = last + 1 < characters.count && characters[last + 1] == "%" ? "%" : ""
        return String(characters[start...last]) + percent
    }

    /// Without dollar signs, full stops at the end, and words about it.
    static func cleaned(_ latex: String) -> String {
        var text = latex
        for (mark, value) in [
            (",\\! ", ","), (",\\!", ","), ("\\$", ""), ("\\ ", " "), ("^{\\circ}", ""), ("^\\circ", ""),
            ("\\degree", ""), ("\\left", ""), ("\\right", ""),
            ("\\!", ""), ("dollars", ""), ("\\dots", ""), ("\\ldots", ""),
        ] { text = text.replacing(mark, with: value) }
        while let last = text.last, last.isWhitespace || last == "." || last == "$" { text.removeLast() }
        return text
    }

    /// The contents of a text command, or the text as it is: "\\text{Yes}" is "yes".
    static func words(_ latex: String) -> String {
        guard let tokens = MathToken.all(cleaned(latex)) else { return plain(latex) }
        let texts = tokens.compactMap { token in if case .text(let text) = token { text } else { nil } }
        return plain(texts.count == tokens.count ? texts.joined(separator: " ") : cleaned(latex))
    }

    /// In lower case, one space between words, without brackets and stops around it.
    static func plain(_ text: String) -> String {
        var words = text.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: " ")[...]
        while let last = words.last, " .)".contains(last) { words.removeLast() }
        while let first = words.first, " (".contains(first) { words.removeFirst() }
        return String(words)
    }

    /// A text behind a number is its unit, and so are the letters of one.
    static func withoutUnits(_ tokens: [MathToken]) -> [MathToken] {
        var tokens = tokens
        // "\text{ cm}^2"
        while tokens.count > 1 {
            var end = tokens.count
            if end >= 3, tokens[end - 2] == .sign("^"), case .number = tokens[end - 1] { end -= 2 }
            guard end > 1, case .text(let word) = tokens[end - 1], !["and", "or"].contains(plain(word)) else { break }
            tokens.removeSubrange((end - 1)...)
        }
        // "5 cm": letters behind a number that are a unit's name.
        var start = tokens.count, name = ""
        var end = tokens.count
        if end >= 3, tokens[end - 2] == .sign("^"), case .number = tokens[end - 1] { end -= 2 }
        start = end
        while start > 0, case .letter(let letter) = tokens[start - 1] {
            name = String(letter) + name
            start -= 1
        }
        if start > 0, units.contains(name.lowercased()), !tokens[..<start].contains(where: isLetter) {
            tokens.removeSubrange(start...)
        }
        return tokens
    }

    private static func isLetter(_ token: MathToken) -> Bool { if case .letter = token { true } else { false } }

    /// Single letters are variables.
    private static let units: Set = Set(
        ("cm mm km meters meter metres inches inch feet foot ft yards miles mile mph kg mg grams gram lb lbs pounds oz ounces "
            + "seconds second sec minutes minute min hours hour hrs days day weeks week months month years year degrees degree "
            + "deg cents cent dollars dollar usd percent units unit square squareunits cubicunits liters liter ml points people "
            + "students apples books times ways").split(separator: " ").map(String.init))
}
