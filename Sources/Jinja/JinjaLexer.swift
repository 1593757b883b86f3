/// Splits a template source into tokens, with `trim_blocks` and `lstrip_blocks`, as chat templates expect: the newline
/// after a block tag is removed, and so is the indentation before one at the start of a line. `-` and `+` at a tag's
/// edge override both. One newline at the end of the source is dropped. `JinjaStyle.plain` does none of this.
struct JinjaLexer {
    private let trims: Bool
    private let bytes: [UInt8]
    private let text: JinjaText
    private var position = 0
    private var line = 1
    private var tokens: [(token: JinjaToken, line: Int)] = []

    init(_ source: String, _ style: JinjaStyle = .chat) throws(JinjaError) {
        trims = style == .chat
        guard source.utf8.count <= JinjaLimits.sourceBytes else {
            throw .limit("a source of \(source.utf8.count) bytes; the limit is \(JinjaLimits.sourceBytes)")
        }
        var normalized: [UInt8] = []
        normalized.reserveCapacity(source.utf8.count)
        var previous: UInt8 = 0
        for byte in source.utf8 {
            if byte == 0x0D {
                normalized.append(0x0A)
            } else if byte != 0x0A || previous != 0x0D {
                normalized.append(byte)
            }
            previous = byte
        }
        if trims, normalized.last == 0x0A { normalized.removeLast() }
        bytes = normalized
        text = JinjaText(bytes: normalized)
    }

    mutating func tokenize() throws(JinjaError) -> [(token: JinjaToken, line: Int)] {
        while position < bytes.count { try root() }
        tokens.append((.end, line))
        return tokens
    }

    private func byte(_ offset: Int) -> UInt8 { offset < bytes.count ? bytes[offset] : 0 }

    private func failure(_ reason: String) -> JinjaError { JinjaError(.syntax, reason, line: line) }

    private mutating func advance(to end: Int) {
        for index in position..<end where bytes[index] == 0x0A { line += 1 }
        position = end
    }

    /// Text up to the next tag, and the tag.
    private mutating func root() throws(JinjaError) {
        let start = position
        var open = start
        while open < bytes.count {
            if bytes[open] == UInt8(ascii: "{"),
                [UInt8(ascii: "{"), UInt8(ascii: "%"), UInt8(ascii: "#")].contains(byte(open + 1))
            {
                break
            }
            open += 1
        }
        guard open < bytes.count else {
            emitData(start, bytes.count)
            advance(to: bytes.count)
            return
        }
        let kind = bytes[open + 1]
        let mark = byte(open + 2)
        let isMarked = mark == UInt8(ascii: "-") || mark == UInt8(ascii: "+")
        var end = open
        if mark == UInt8(ascii: "-") {
            end = text.trimmedEnd(from: start, end: open)
        } else if trims, mark != UInt8(ascii: "+"), kind != UInt8(ascii: "{") {
            end = strippingIndentation(from: start, to: open)
        }
        emitData(start, end)
        advance(to: open + 2 + (isMarked ? 1 : 0))
        switch kind {
        case UInt8(ascii: "#"): try comment()
        case UInt8(ascii: "%"):
            if try raw() { return }
            tokens.append((.blockBegin, line))
            try tag(isBlock: true)
        default:
            tokens.append((.variableBegin, line))
            try tag(isBlock: false)
        }
    }

    private mutating func emitData(_ start: Int, _ end: Int) {
        if end > start { tokens.append((.data(text[start..<end]), line)) }
    }

    /// The end of the text before a tag after removing the indentation of its line.
    private func strippingIndentation(from start: Int, to open: Int) -> Int {
        var lineStart = open
        while lineStart > start, bytes[lineStart - 1] != 0x0A { lineStart -= 1 }
        let isAtLineStart = lineStart > start || start == 0 || bytes[start - 1] == 0x0A
        guard isAtLineStart, text.trimmedEnd(from: lineStart, end: open) == lineStart else { return open }
        return lineStart
    }

    /// Skips spaces after a tag that ends with `-`, or the newline after one that does not.
    private mutating func closeTag(at close: Int, isBlock: Bool) {
        let sign = close > 0 ? bytes[close - 1] : 0
        advance(to: close + 2)
        closeTag(after: sign, isBlock: isBlock)
    }

    private mutating func closeTag(after sign: UInt8, isBlock: Bool) {
        if sign == UInt8(ascii: "-") {
            var end = position
            while end < bytes.count, text.scalar(at: end).isPythonSpace { end = text.endOfScalar(at: end) }
            advance(to: end)
        } else if trims, isBlock, sign != UInt8(ascii: "+"), byte(position) == 0x0A {
            advance(to: position + 1)
        }
    }

    private mutating func comment() throws(JinjaError) {
        guard let close = text.find("#}", from: position) else { throw failure("missing end of comment tag") }
        let sign: UInt8 = close > position ? bytes[close - 1] : 0
        advance(to: close + 2)
        closeTag(after: sign, isBlock: true)
    }

    /// `{% raw %}…{% endraw %}` as text. Returns false for another tag.
    private mutating func raw() throws(JinjaError) -> Bool {
        var cursor = skippingSpaces(position)
        guard matches("raw", at: cursor) else { return false }
        cursor = skippingSpaces(cursor + 3)
        let isTrimmed = byte(cursor) == UInt8(ascii: "-")
        if isTrimmed { cursor += 1 }
        guard matches("%}", at: cursor) else { return false }
        advance(to: cursor + 2)
        if isTrimmed { closeTag(after: UInt8(ascii: "-"), isBlock: false) }
        let start = position
        var open = start
        while let found = text.find("{%", from: open) {
            open = found
            var cursor = found + 2
            let mark = byte(cursor)
            if mark == UInt8(ascii: "-") || mark == UInt8(ascii: "+") { cursor += 1 }
            cursor = skippingSpaces(cursor)
            guard matches("endraw", at: cursor) else {
                open += 2
                continue
            }
            cursor = skippingSpaces(cursor + 6)
            let sign = byte(cursor)
            if sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { cursor += 1 }
            guard matches("%}", at: cursor) else {
                open += 2
                continue
            }
            var end = found
            if mark == UInt8(ascii: "-") {
                end = text.trimmedEnd(from: start, end: found)
            } else if trims, mark != UInt8(ascii: "+") {
                end = strippingIndentation(from: start, to: found)
            }
            emitData(start, end)
            advance(to: cursor + 2)
            closeTag(after: sign, isBlock: true)
            return true
        }
        throw failure("missing end of raw directive")
    }

    private func skippingSpaces(_ start: Int) -> Int {
        var end = start
        while end < bytes.count, text.scalar(at: end).isPythonSpace { end = text.endOfScalar(at: end) }
        return end
    }

    private func matches(_ word: StaticString, at start: Int) -> Bool {
        guard start + word.utf8CodeUnitCount <= bytes.count else { return false }
        return (0..<word.utf8CodeUnitCount).allSatisfy { bytes[start + $0] == word.utf8Start[$0] }
    }

    /// The tokens inside a tag, including its end.
    private mutating func tag(isBlock: Bool) throws(JinjaError) {
        var brackets: [UInt8] = []
        let closer = UInt8(ascii: isBlock ? "%" : "}")
        while true {
            advance(to: skippingSpaces(position))
            guard position < bytes.count else { return }
            let current = bytes[position]
            if brackets.isEmpty {
                let hasSign = current == UInt8(ascii: "-") || (isBlock && current == UInt8(ascii: "+"))
                let close = position + (hasSign ? 1 : 0)
                if byte(close) == closer, byte(close + 1) == UInt8(ascii: "}") {
                    tokens.append((isBlock ? .blockEnd : .variableEnd, line))
                    advance(to: close + 2)
                    closeTag(after: hasSign ? current : 0, isBlock: isBlock)
                    return
                }
            }
            switch current {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): try number()
            case UInt8(ascii: "'"), UInt8(ascii: "\""): try string(quote: current)
            default:
                if try name() { continue }
                try symbol(&brackets)
            }
        }
    }

    private mutating func symbol(_ brackets: inout [UInt8]) throws(JinjaError) {
        let current = bytes[position]
        let pair = [current, byte(position + 1)]
        for double in ["//", "**", "==", "!=", ">=", "<="] where pair.elementsEqual(double.utf8) {
            tokens.append((.symbol(double), line))
            position += 2
            return
        }
        let scalar = text.scalar(at: position)
        guard "+-/*%~[](){}><=.:|,;".unicodeScalars.contains(scalar) else {
            throw failure("unexpected character '\(scalar.escaped(asASCII: false))'")
        }
        switch current {
        case UInt8(ascii: "("): brackets.append(UInt8(ascii: ")"))
        case UInt8(ascii: "["): brackets.append(UInt8(ascii: "]"))
        case UInt8(ascii: "{"): brackets.append(UInt8(ascii: "}"))
        case UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: "}"):
            guard let expected = brackets.popLast() else { throw failure("unexpected '\(scalar)'") }
            guard expected == current else {
                throw failure("unexpected '\(scalar)', expected '\(Unicode.Scalar(expected))'")
            }
        default: break
        }
        tokens.append((.symbol(String(scalar)), line))
        position += 1
    }

    private mutating func name() throws(JinjaError) -> Bool {
        var end = position
        while end < bytes.count {
            let scalar = text.scalar(at: end)
            let isPart =
                end == position
                ? scalar == "_" || scalar.properties.isXIDStart
                : scalar == "_" || scalar.properties.isXIDContinue
            guard isPart else { break }
            end = text.endOfScalar(at: end)
        }
        guard end > position else { return false }
        tokens.append((.name(text[position..<end].string), line))
        position = end
        return true
    }

    /// Digits of a radix with optional single underscores; returns the end, or nil if there is no digit.
    private func digits(_ start: Int, leadingUnderscore: Bool = false, _ isDigit: (UInt8) -> Bool) -> Int? {
        var end = start
        var found = false
        while end < bytes.count {
            if isDigit(bytes[end]) {
                end += 1
                found = true
            } else if bytes[end] == UInt8(ascii: "_"), found || leadingUnderscore, isDigit(byte(end + 1)) {
                end += 1
            } else {
                break
            }
        }
        return found ? end : nil
    }

    private mutating func number() throws(JinjaError) {
        let isDecimal: (UInt8) -> Bool = { (48...57).contains($0) }
        let start = position
        func value(_ range: Range<Int>) -> String {
            String(decoding: bytes[range].filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
        }
        if bytes[start] == UInt8(ascii: "0") {
            for (letter, radix) in [("b", 2), ("o", 8), ("x", 16)] where byte(start + 1) | 0x20 == letter.utf8.first {
                let isDigit: (UInt8) -> Bool = { digit in
                    Character(Unicode.Scalar(digit)).hexDigitValue.map { $0 < radix } ?? false
                }
                guard let end = digits(start + 2, leadingUnderscore: true, isDigit) else { continue }
                guard let integer = Int64(value(start + 2..<end), radix: radix) else {
                    throw failure("the integer does not fit in 64 bits")
                }
                tokens.append((.integer(integer), line))
                position = end
                return
            }
        }
        guard var end = digits(start, isDecimal) else { return }
        var isFloat = false
        let follows = start > 0 && bytes[start - 1] == UInt8(ascii: ".")
        if !follows, byte(end) == UInt8(ascii: "."), let fraction = digits(end + 1, isDecimal) {
            end = fraction
            isFloat = true
        }
        if !follows, byte(end) | 0x20 == UInt8(ascii: "e") {
            let signed = byte(end + 1) == UInt8(ascii: "+") || byte(end + 1) == UInt8(ascii: "-")
            if let exponent = digits(end + (signed ? 2 : 1), isDecimal) {
                end = exponent
                isFloat = true
            }
        }
        if isFloat {
            guard let double = Double(value(start..<end)) else { throw failure("not a number") }
            tokens.append((.float(double), line))
        } else {
            // "0123" is tokenized as 0 and 123, which is a syntax error.
            if bytes[start] == UInt8(ascii: "0") {
                end = digits(start, { $0 == UInt8(ascii: "0") }) ?? end
            }
            guard let integer = Int64(value(start..<end)) else {
                throw failure("the integer does not fit in 64 bits")
            }
            tokens.append((.integer(integer), line))
        }
        position = end
    }

    private mutating func string(quote: UInt8) throws(JinjaError) {
        let start = position + 1
        var end = start
        while end < bytes.count, bytes[end] != quote { end += bytes[end] == UInt8(ascii: "\\") ? 2 : 1 }
        guard end < bytes.count else { throw failure("a string without its closing quote") }
        let value = try JinjaEscapes.decode(bytes[start..<end], line: line)
        tokens.append((.string(JinjaText(bytes: value)), line))
        advance(to: end + 1)
    }
}

/// Python's escapes in string literals.
enum JinjaEscapes {
    static func decode(_ source: ArraySlice<UInt8>, line: Int) throws(JinjaError) -> [UInt8] {
        guard source.contains(UInt8(ascii: "\\")) else { return Array(source) }
        var result: [UInt8] = []
        var index = source.startIndex
        func code(_ from: Int, _ count: Int, radix: Int) throws(JinjaError) -> UInt32 {
            let digits = source[from...].prefix(count)
            let isValid = digits.allSatisfy { Character(Unicode.Scalar($0)).hexDigitValue.map { $0 < radix } ?? false }
            guard isValid, digits.count == count,
                let value = UInt32(String(decoding: digits, as: UTF8.self), radix: radix)
            else { throw JinjaError(.syntax, "a truncated escape in a string", line: line) }
            return value
        }
        func append(_ value: UInt32) throws(JinjaError) {
            guard let scalar = Unicode.Scalar(value) else {
                throw JinjaError(.syntax, "the escape of a code point that is no character", line: line)
            }
            result.append(contentsOf: String(scalar).utf8)
        }
        while index < source.endIndex {
            let byte = source[index]
            index += 1
            guard byte == UInt8(ascii: "\\"), index < source.endIndex else {
                result.append(byte)
                continue
            }
            let escape = source[index]
            index += 1
            switch escape {
            case UInt8(ascii: "\n"): break
            case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""): result.append(escape)
            case UInt8(ascii: "a"): result.append(7)
            case UInt8(ascii: "b"): result.append(8)
            case UInt8(ascii: "f"): result.append(12)
            case UInt8(ascii: "n"): result.append(10)
            case UInt8(ascii: "r"): result.append(13)
            case UInt8(ascii: "t"): result.append(9)
            case UInt8(ascii: "v"): result.append(11)
            case UInt8(ascii: "x"):
                try append(try code(index, 2, radix: 16))
                index += 2
            case UInt8(ascii: "u"):
                try append(try code(index, 4, radix: 16))
                index += 4
            case UInt8(ascii: "U"):
                try append(try code(index, 8, radix: 16))
                index += 8
            case UInt8(ascii: "0")...UInt8(ascii: "7"):
                let digits = source[(index - 1)...].prefix(3).prefix { (48...55).contains($0) }
                try append(try code(index - 1, digits.count, radix: 8))
                index += digits.count - 1
            case UInt8(ascii: "N"):
                throw JinjaError(.unsupported, "the escape \\N in a string", line: line)
            default: result += [byte, escape]
            }
        }
        return result
    }
}
