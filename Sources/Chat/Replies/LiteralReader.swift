import MartletJSON

/// Parses values that are almost JSON: Python literals, and Gemma's, with strings between tokens.
struct LiteralReader {
    let bytes: [UInt8]
    /// Marks around strings, besides quotes.
    let quotes: [[UInt8]]
    /// Whether words without quotes are strings, and keys need no quotes.
    let hasBareWords: Bool
    var position = 0

    init(_ bytes: [UInt8], quotes: [String] = [], hasBareWords: Bool = false) {
        self.bytes = bytes
        self.quotes = quotes.map { Array($0.utf8) }
        self.hasBareWords = hasBareWords
    }

    var isAtEnd: Bool { position >= bytes.count }
    var next: UInt8? { isAtEnd ? nil : bytes[position] }

    mutating func skipSpace() { while let byte = next, byte.isSpace { position += 1 } }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard next == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    mutating func identifier() -> String? {
        skipSpace()
        let start = position
        while let byte = next, Self.isWord(byte) { position += 1 }
        return start < position ? String(decoding: bytes[start..<position], as: UTF8.self) : nil
    }

    static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F, 0x2D, 0x2E, 0x80...: true
        default: false
        }
    }

    mutating func value(depth: Int = 0) -> JSON? {
        skipSpace()
        guard depth < 32, let byte = next else { return nil }
        if let text = quoted() { return .string(text) }
        switch byte {
        case UInt8(ascii: "["): return list("[", "]", depth)
        case UInt8(ascii: "("): return list("(", ")", depth)
        case UInt8(ascii: "{"): return object(depth)
        case UInt8(ascii: "\""), UInt8(ascii: "'"): return string(byte).map { .string($0) }
        default: return word()
        }
    }

    private mutating func list(_ open: Unicode.Scalar, _ close: Unicode.Scalar, _ depth: Int) -> JSON? {
        guard take(open) else { return nil }
        var items: [JSON] = []
        while !take(close) {
            guard let item = value(depth: depth + 1) else { return nil }
            items.append(item)
            guard take(",") || next == UInt8(ascii: close) else { return nil }
        }
        return .array(items)
    }

    private mutating func object(_ depth: Int) -> JSON? {
        guard take("{") else { return nil }
        var members = JSONObject()
        while !take("}") {
            skipSpace()
            guard let key = quoted() ?? key(), members[key] == nil, take(":"), let item = value(depth: depth + 1)
            else { return nil }
            members[key] = item
            guard take(",") || next == UInt8(ascii: "}") else { return nil }
        }
        return .object(members)
    }

    private mutating func key() -> String? {
        if next == UInt8(ascii: "\"") || next == UInt8(ascii: "'") { return string(bytes[position]) }
        return hasBareWords ? identifier() : nil
    }

    /// A string between the given marks, without escapes.
    private mutating func quoted() -> String? {
        for quote in quotes where bytes[position...].starts(with: quote) {
            var end = position + quote.count
            let start = end
            while end < bytes.count, !bytes[end...].starts(with: quote) { end += 1 }
            guard end < bytes.count else { return nil }
            position = end + quote.count
            return String(decoding: bytes[start..<end], as: UTF8.self)
        }
        return nil
    }

    private mutating func string(_ quote: UInt8) -> String? {
        if quote == UInt8(ascii: "\""), let text = jsonString() { return text }
        position += 1
        var result: [UInt8] = []
        while let byte = next {
            position += 1
            if byte == quote { return String(decoding: result, as: UTF8.self) }
            guard byte == UInt8(ascii: "\\"), let escape = next else {
                result.append(byte)
                continue
            }
            position += 1
            switch escape {
            case UInt8(ascii: "n"): result.append(0x0A)
            case UInt8(ascii: "t"): result.append(0x09)
            case UInt8(ascii: "r"): result.append(0x0D)
            case UInt8(ascii: "b"): result.append(0x08)
            case UInt8(ascii: "f"): result.append(0x0C)
            case UInt8(ascii: "x"): append(2, &result)
            case UInt8(ascii: "u"): append(4, &result)
            case UInt8(ascii: "\n"): break
            case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""): result.append(escape)
            default: result += [byte, escape]
            }
        }
        return nil
    }

    /// A string that is also valid JSON: surrogate pairs become one character.
    private mutating func jsonString() -> String? {
        var end = JSONValueEnd()
        for index in position..<bytes.count where end.push(bytes[index]) == .last {
            guard let text = (try? JSON(parsing: bytes[position...index]))?.string else { return nil }
            position = index + 1
            return text
        }
        return nil
    }

    private mutating func append(_ digits: Int, _ result: inout [UInt8]) {
        let end = min(position + digits, bytes.count)
        let text = String(decoding: bytes[position..<end], as: UTF8.self)
        let scalar = UInt32(text, radix: 16).flatMap(Unicode.Scalar.init) ?? "\u{FFFD}"
        result += String(scalar).utf8
        position = end
    }

    private mutating func word() -> JSON? {
        let start = position
        while let byte = next, byte != UInt8(ascii: ","), byte != UInt8(ascii: "}"), byte != UInt8(ascii: "]"),
            byte != UInt8(ascii: ")")
        { position += 1 }
        let text = String(decoding: Array(bytes[start..<position]).trimmed, as: UTF8.self)
        switch text {
        case "": return nil
        case "True", "true": return true
        case "False", "false": return false
        case "None", "null": return .null
        default: break
        }
        if let value = try? JSON(parsing: text), value.double != nil { return value }
        if let value = Double(text), value.isFinite { return .number(value) }
        return hasBareWords ? .string(text) : nil
    }
}
