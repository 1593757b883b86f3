/// The parts of an answer in LaTeX.
enum MathToken: Equatable {
    case number(String)
    /// A letter of a formula.
    case letter(Character)
    /// `\frac`, without its backslash.
    case command(String)
    case sign(Character)
    /// The contents of `\text{…}`.
    case text(String)
}

extension MathToken {
    /// Commands without meaning for the answer.
    private static let silent: Set = [
        "left", "right", "big", "Big", "bigl", "bigr", "Bigl", "Bigr", "displaystyle", "textstyle", "limits", "quad",
        "qquad", "thinspace", ",", ";", ":", "!", " ", "bf", "rm", "hline", "phantom",
    ]
    private static let texts: Set = [
        "text", "textbf", "textit", "textrm", "mathrm", "mathbf", "mathit", "operatorname", "mbox",
    ]

    /// - Returns: nil where braces of a text do not match, or a text is longer than an answer is.
    static func all(_ latex: String) -> [MathToken]? {
        guard latex.utf8.count <= 4096 else { return nil }
        var tokens: [MathToken] = [], rest = latex[...]
        while let first = rest.first {
            if first.isWhitespace || first == "~" || first == "$" {
                rest.removeFirst()
            } else if first == "\\" {
                guard let token = command(&rest) else { return nil }
                if let token = token.token { tokens.append(token) }
            } else if first.isASCII, first.isNumber || first == "." && rest.dropFirst().first?.isNumber == true {
                tokens.append(.number(number(&rest)))
            } else if first.isLetter, first.isASCII || first == "π" {
                tokens.append(first == "π" ? .command("pi") : .letter(first))
                rest.removeFirst()
            } else {
                tokens.append(named[first].map { .command($0) } ?? .sign(first))
                rest.removeFirst()
            }
        }
        return tokens
    }

    private static let named: [Character: String] = [
        "∞": "infty", "√": "sqrt", "×": "times", "·": "cdot", "÷": "div", "≤": "le", "≥": "ge", "≠": "ne", "±": "pm",
        "∪": "cup", "∈": "in", "−": "minus", "–": "minus", "°": "circ", "∅": "emptyset",
    ]

    /// Digits with a point; commas between thousands are left out, as "1,234" and "1{,}234" write them.
    private static func number(_ rest: inout Substring) -> String {
        var digits = "", hasPoint = false
        func isDigit(_ text: Substring) -> Bool { text.first.map { $0.isASCII && $0.isNumber } ?? false }
        while let next = rest.first {
            if isDigit(rest) {
                digits.append(next)
                rest.removeFirst()
            } else if next == ".", !hasPoint, isDigit(rest.dropFirst()) {
                hasPoint = true
                digits.append(next)
                rest.removeFirst()
            } else {
                let separators = [",", "{,}", "\\!,", "\\,", ",\\!", "\\!"]
                guard let mark = separators.first(where: { rest.hasPrefix($0) }) else { break }
                let group = rest.dropFirst(mark.count)
                // Groups of three digits alone, and at most three before the first.
                guard !hasPoint, group.prefix(3).count == 3, group.prefix(3).allSatisfy({ $0.isASCII && $0.isNumber }),
                    !isDigit(group.dropFirst(3)),
                    digits.count % 3 != 0 && digits.count < 3 || digits.count % 3 == 0
                        || digits.count > 3, digits.first != "0"
                else { break }
                digits += group.prefix(3)
                rest = group.dropFirst(3)
            }
        }
        return digits
    }

    /// A command; empty for one without meaning. Nil if it cannot be read.
    private static func command(_ rest: inout Substring) -> (token: MathToken?, Void)? {
        rest.removeFirst()
        guard let first = rest.first else { return nil }
        guard first.isLetter else {
            rest.removeFirst()
            switch first {
            case "{", "}", "%", "$", "\\", "|": return (first == "$" ? nil : .command(String(first)), ())
            default: return (nil, ())
            }
        }
        let name = String(rest.prefix { $0.isLetter && $0.isASCII })
        rest = rest.dropFirst(max(1, name.count))
        if silent.contains(name) { return (nil, ()) }
        guard texts.contains(name) else { return (.command(name), ()) }
        while rest.first == " " { rest.removeFirst() }
        guard rest.first == "{" else { return (nil, ()) }
        var depth = 0, end = rest.startIndex
        for index in rest.indices {
            if rest[index] == "{" { depth += 1 }
            if rest[index] == "}" { depth -= 1 }
            if depth == 0 {
                end = index
                break
            }
        }
        guard depth == 0 else { return nil }
        let inner = String(rest[rest.index(after: rest.startIndex)..<end])
        rest = rest[rest.index(after: end)...]
        return (.text(inner), ())
    }
}
