import MartletJSON

/// Reads what `ast.literal_eval` reads: strings, numbers, lists, tuples, dictionaries, True, False and None. Templates
/// print their lists so.
struct PythonLiteral {
    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var depth = 0

    /// Nil for a text that is no literal.
    static func value(_ text: String) -> JSON? {
        var reader = PythonLiteral(scalars: Array(text.unicodeScalars))
        reader.skipSpace()
        guard let value = reader.value() else { return nil }
        reader.skipSpace()
        return reader.position == reader.scalars.count ? value : nil
    }

    private init(scalars: [Unicode.Scalar]) { self.scalars = scalars }

    private var next: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private mutating func skipSpace() { while let scalar = next, scalar.isPythonSpace { position += 1 } }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        skipSpace()
        guard next == scalar else { return false }
        position += 1
        return true
    }

    private mutating func value() -> JSON? {
        skipSpace()
        guard depth < 100, let first = next else { return nil }
        depth += 1
        defer { depth -= 1 }
        switch first {
        case "[": return list("]").map { .array($0.values) }
        case "(":
            guard let found = list(")") else { return nil }
            return found.values.count == 1 && !found.hasComma ? found.values[0] : .array(found.values)
        case "{": return dictionary()
        case "'", "\"": return strings().map { .string($0) }
        default: return word()
        }
    }

    private mutating func list(_ end: Unicode.Scalar) -> (values: [JSON], hasComma: Bool)? {
        position += 1
        var values: [JSON] = [], hasComma = false
        while !take(end) {
            guard values.isEmpty || hasComma, let item = value() else { return nil }
            values.append(item)
            hasComma = take(",")
        }
        return (values, hasComma)
    }

    private mutating func dictionary() -> JSON? {
        position += 1
        var members: [JSONObject.Element] = [], mayGoOn = true
        while !take("}") {
            guard mayGoOn, let key = value(), take(":"), let item = value() else { return nil }
            members.append((key.pythonText, item))
            mayGoOn = take(",")
        }
        return .object(JSONObject(members))
    }

    /// Neighbouring strings are one.
    private mutating func strings() -> String? {
        guard var text = string() else { return nil }
        while true {
            let before = position
            skipSpace()
            guard next == "'" || next == "\"" else {
                position = before
                return text
            }
            guard let more = string() else { return nil }
            text += more
        }
    }

    private mutating func string() -> String? {
        guard let quote = next else { return nil }
        position += 1
        var output = String.UnicodeScalarView()
        while let scalar = next {
            position += 1
            if scalar == quote { return String(output) }
            guard scalar == "\\" else {
                output.append(scalar)
                continue
            }
            guard let escaped = next else { return nil }
            position += 1
            switch escaped {
            case "n": output.append("\n")
            case "t": output.append("\t")
            case "r": output.append("\r")
            case "0": output.append("\0")
            case "x", "u", "U":
                let count = escaped == "x" ? 2 : escaped == "u" ? 4 : 8
                guard position + count <= scalars.count,
                    let code = UInt32(
                        String(String.UnicodeScalarView(scalars[position..<(position + count)])), radix: 16),
                    let decoded = Unicode.Scalar(code)
                else { return nil }
                output.append(decoded)
                position += count
            case "\n": break
            case "\\", "'", "\"": output.append(escaped)
            default:
                output.append("\\")
                output.append(escaped)
            }
        }
        return nil
    }

    private mutating func word() -> JSON? {
        let start = position
        while let scalar = next,
            scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || "+-._".unicodeScalars.contains(scalar)
        {
            position += 1
        }
        let text = String(String.UnicodeScalarView(scalars[start..<position]))
        switch text {
        case "True": return .bool(true)
        case "False": return .bool(false)
        case "None": return .null
        default:
            if let whole = Int64(text) { return .integer(whole) }
            guard let first = text.first(where: { $0 != "-" && $0 != "+" }), first.isNumber || first == "." else {
                return nil
            }
            return Double(text).map { .number($0) }
        }
    }
}
