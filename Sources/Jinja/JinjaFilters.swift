import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Filters (after `|`): this file has those of single values and strings, the other file those of sequences.
enum JinjaFilters {
    static let names: Set<String> = [
        "abs", "attr", "batch", "capitalize", "center", "count", "d", "default", "dictsort", "e", "escape",
        "filesizeformat", "first", "float", "forceescape", "format", "groupby", "indent", "int", "items", "join",
        "last", "length", "list", "lower", "map", "max", "min", "pprint", "random", "reject", "rejectattr", "replace",
        "reverse", "round", "safe", "select", "selectattr", "slice", "sort", "string", "striptags", "sum", "title",
        "tojson", "trim", "truncate", "unique", "upper", "urlencode", "wordcount", "wordwrap", "xmlattr",
    ]

    static func apply(
        _ name: String, _ value: JinjaValue, _ arguments: JinjaArguments, _ renderer: JinjaRenderer
    ) throws(JinjaError) -> JinjaValue {
        let meter = renderer.meter
        switch name {
        case "trim":
            let bound = try arguments.bind(name, ["chars"])
            var characters: JinjaText?
            if let set = bound[0], !set.isNone { characters = try JinjaMethods.text(set, name) }
            let text = try value.text(meter)
            try meter.touch(text.weight.adding(clamped: characters?.weight ?? 0))
            return .string(text.trimmed(characters))
        case "tojson": return .string(try json(value, arguments, meter))
        case "length", "count":
            try none(name, arguments)
            if case .string(let text) = value { try meter.touch(text.bytes.count) }
            guard let length = value.length else { throw .type("object of type '\(value.typeName)' has no len()") }
            return .int(Int64(length))
        case "default", "d":
            let bound = try arguments.bind(name, ["default_value", "boolean"])
            let isMissing = value.isUndefined || (bound[1]?.isTrue == true && !value.isTrue)
            return isMissing ? bound[0] ?? .string(.empty) : value
        case "string", "safe":
            try none(name, arguments)
            return .string(try value.text(meter))
        case "upper", "lower", "capitalize", "title":
            try none(name, arguments)
            return .string(try changeCase(name, try value.text(meter), meter))
        case "replace":
            let bound = try arguments.bind(name, ["old", "new", "count"], required: 2)
            var limit: Int64 = -1
            if let count = bound[2], !count.isNone { limit = try JinjaMethods.integer(count, -1, name) }
            let old = try (bound[0] ?? .none).text(meter)
            let new = try (bound[1] ?? .none).text(meter)
            return .string(try value.text(meter).replacing(old, with: new, limit: limit, meter))
        case "int":
            if case .string(let text) = value { try meter.scan(text.bytes.count.multiplied(clampedBy: 4)) }
            return try toInteger(value, arguments)
        case "float":
            let bound = try arguments.bind(name, ["default"])
            if case .undefined(let what) = value { throw JinjaError(.undefined, what) }
            if case .string(let text) = value { try meter.scan(text.bytes.count.multiplied(clampedBy: 4)) }
            return double(value).map { .float($0) } ?? bound[0] ?? .float(0)
        case "abs":
            try none(name, arguments)
            if case .float(let number) = value { return .float(number.magnitude) }
            guard let index = value.index else { throw .type("bad operand type for abs(): '\(value.typeName)'") }
            return index < 0 ? try JinjaValue.int(index).negated(true) : .int(index)
        case "round": return try round(value, arguments, meter)
        case "attr":
            let bound = try arguments.bind(name, ["name"], required: 1)
            let attribute = try JinjaMethods.text(bound[0], name)
            if case .dict = value, !value.hasMethod(attribute) {
                return .undefined("'dict object' has no attribute '\(JinjaQuote.short(attribute))'")
            }
            return try value.attribute(attribute)
        case "format":
            guard arguments.positional.isEmpty || arguments.named.isEmpty else {
                throw .type("can't handle positional and keyword arguments at the same time")
            }
            guard !arguments.named.isEmpty else {
                let values = JinjaValue.tuple(JinjaList(arguments.positional))
                return .string(try value.text(meter).formatted(with: values, meter))
            }
            var members = JinjaDictionary()
            for argument in arguments.named { members.set(JinjaText(argument.name), argument.value) }
            return .string(try value.text(meter).formatted(with: .dict(members), meter))
        case "pprint":
            var builder = JinjaTextBuilder(meter)
            try value.represent(into: &builder)
            return .string(builder.finish())
        case "indent": return .string(try indent(value, arguments, meter))
        case "truncate": return .string(try truncate(value, arguments, meter))
        case "center":
            let bound = try arguments.bind(name, ["width"])
            var forwarded = JinjaArguments()
            forwarded.positional = [bound[0] ?? .int(80)]
            return try JinjaMethods.call("center", on: .string(try value.text(meter)), forwarded, renderer)
        case "e", "escape", "forceescape":
            try none(name, arguments)
            return .string(try escape(try value.text(meter), meter))
        case "wordcount":
            try none(name, arguments)
            let text = try value.text(meter)
            try meter.scan(text.bytes.count)
            return .int(Int64(wordCount(text)))
        case "urlencode": return .string(try urlEncode(value, renderer))
        case "filesizeformat":
            let bound = try arguments.bind(name, ["binary"])
            if case .string(let text) = value { try meter.scan(text.bytes.count.multiplied(clampedBy: 4)) }
            return .text(try fileSize(value, isBinary: bound[0]?.isTrue ?? false))
        case "striptags", "wordwrap", "random":
            throw JinjaError(.unsupported, "the filter '\(name)' is not allowed in a chat template")
        default: return try applyToSequence(name, value, arguments, renderer)
        }
    }

    static func none(_ name: String, _ arguments: JinjaArguments) throws(JinjaError) {
        _ = try arguments.bind(name, [])
    }

    static func changeCase(_ name: String, _ text: JinjaText, _ meter: JinjaMeter) throws(JinjaError) -> JinjaText {
        switch name {
        case "upper": try text.uppercased(meter)
        case "lower": try text.lowercased(meter)
        case "capitalize": try text.capitalized(meter)
        default: try text.titledWords(meter)
        }
    }

    // MARK: Numbers

    /// A longer text is not a number.
    private static let longestNumber = 1 << 16

    /// Python's `int(value)` of a number.
    static func integer(_ value: JinjaValue) throws(JinjaError) -> JinjaValue {
        if let index = value.index { return .int(index) }
        guard let number = value.number, let whole = Int64(exactly: number.rounded(.towardZero)) else {
            throw .value("the number does not fit in 64 bits")
        }
        return .int(whole)
    }

    private static func toInteger(_ value: JinjaValue, _ arguments: JinjaArguments) throws(JinjaError) -> JinjaValue {
        let bound = try arguments.bind("int", ["default", "base"])
        let fallback = bound[0] ?? .int(0)
        switch value {
        case .undefined(let what): throw JinjaError(.undefined, what)
        case .int, .bool: return try integer(value)
        case .float(let number):
            if number.isNaN || number.isInfinite {
                if number.isInfinite { throw .value("cannot convert float infinity to integer") }
                return fallback
            }
            return try integer(value)
        case .string(let text):
            guard text.bytes.count <= longestNumber else { return fallback }
            let base = try JinjaMethods.integer(bound[1], 10, "int")
            if let parsed = try parseInteger(text.trimmed().string, base: base) { return .int(parsed) }
            guard let number = double(value), number.isFinite else { return fallback }
            return try integer(.float(number))
        default: return fallback
        }
    }

    /// Python's `int(text, base)`; nil where Python raises ValueError.
    private static func parseInteger(_ text: String, base: Int64) throws(JinjaError) -> Int64? {
        guard base == 0 || (2...36).contains(base) else { return nil }
        var digits = Substring(text)
        var sign = ""
        if let first = digits.first, first == "-" || first == "+" {
            sign = String(digits.removeFirst())
        }
        var radix = base
        for (letter, value) in [("x", Int64(16)), ("o", 8), ("b", 2)] where base == value || base == 0 {
            if digits.lowercased().hasPrefix("0" + letter) {
                digits = digits.dropFirst(2)
                if digits.first == "_" { digits = digits.dropFirst() }
                radix = value
                break
            }
        }
        if radix == 0 { radix = 10 }
        guard !digits.isEmpty, digits.first != "_", digits.last != "_", !digits.contains("__") else { return nil }
        var plain = ""
        for scalar in digits.unicodeScalars where scalar != "_" {
            if scalar.isASCII {
                plain.unicodeScalars.append(scalar)
            } else if scalar.properties.numericType == .decimal, let value = scalar.properties.numericValue {
                plain += String(Int(value))
            } else {
                return nil
            }
        }
        guard plain.allSatisfy({ $0.isHexDigit || $0.isLetter }),
            plain.allSatisfy({ character in
                character.hexDigitValue.map { $0 < radix }
                    ?? (character.asciiValue.map { Int64($0 | 0x20) - 87 < radix } ?? false)
            })
        else { return nil }
        guard let value = Int64(sign + plain, radix: Int(radix)) else {
            throw .value("the integer does not fit in 64 bits")
        }
        return value
    }

    /// Python's `float(value)`; nil where Python raises an error.
    static func double(_ value: JinjaValue) -> Double? {
        guard case .string(let text) = value else { return value.number }
        guard text.bytes.count <= longestNumber else { return nil }
        let trimmed = text.trimmed().string
        let plain = trimmed.lowercased()
        let body = plain.first == "-" || plain.first == "+" ? String(plain.dropFirst()) : plain
        if ["inf", "infinity", "nan"].contains(body) {
            return body == "nan" ? .nan : plain.hasPrefix("-") ? -.infinity : .infinity
        }
        guard !plain.contains("__"), body.first != "_", body.last != "_",
            plain.utf8.allSatisfy({ "0123456789+-.e_".utf8.contains($0) })
        else { return nil }
        var number = plain.filter { $0 != "_" }
        if number.hasSuffix(".") { number += "0" }
        if let dot = number.range(of: ".e") { number.replaceSubrange(dot, with: ".0e") }
        if number.first == "." { number = "0" + number }
        return strtodWhole(number)
    }

    private static func strtodWhole(_ text: String) -> Double? {
        guard text.utf8.contains(where: { (48...57).contains($0) }) else { return nil }
        return text.withCString { start in
            var end: UnsafeMutablePointer<CChar>?
            let value = strtod(start, &end)
            guard let end, end.pointee == 0 else { return nil }
            return value
        }
    }

    private static func round(
        _ value: JinjaValue, _ arguments: JinjaArguments, _ meter: JinjaMeter
    ) throws(JinjaError) -> JinjaValue {
        let bound = try arguments.bind("round", ["precision", "method"])
        let digits = try JinjaMethods.integer(bound[0], 0, "round")
        let method = try bound[1].map { (value) throws(JinjaError) in try value.text(meter).string } ?? "common"
        guard ["common", "ceil", "floor"].contains(method) else { throw .value("method must be common, ceil or floor") }
        guard let number = value.number else {
            throw .type("type \(value.typeName) doesn't define __round__ method")
        }
        if method == "common" {
            guard case .float = value else {
                guard digits < 0, let index = value.index else { return try integer(value) }
                guard digits > -19, case .int(let power) = try JinjaValue.apply(.power, .int(10), .int(-digits), meter)
                else {
                    return .int(0)
                }
                let (quotient, remainder) = index.quotientAndRemainder(dividingBy: power)
                let twice = remainder.magnitude * 2
                let up = twice > power.magnitude || (twice == power.magnitude && quotient % 2 != 0)
                return try JinjaValue.apply(.multiply, .int(quotient + (up ? index.signum() : 0)), .int(power), meter)
            }
            return .float(JinjaFormatSpec.rounded(number, digits: digits))
        }
        let power = try JinjaValue.apply(.power, .int(10), .int(digits), meter)
        let scaled = (try JinjaValue.apply(.multiply, value, power, meter).number ?? 0)
            .rounded(method == "ceil" ? .up : .down)
        guard let whole = Int64(exactly: scaled) else { throw .value("the number does not fit in 64 bits") }
        return try JinjaValue.apply(.divide, .int(whole), power, meter)
    }

    private static func fileSize(_ value: JinjaValue, isBinary: Bool) throws(JinjaError) -> String {
        guard let bytes = double(value) else { throw .type("not a number of bytes") }
        let base: Double = isBinary ? 1024 : 1000
        if bytes == 1 { return "1 Byte" }
        guard bytes >= base else {
            guard case .int(let whole) = try integer(.float(bytes)) else { return "" }
            return "\(whole) Bytes"
        }
        let letters = ["k", "M", "G", "T", "P", "E", "Z", "Y"]
        var unit = base * base
        var index = 0
        while bytes >= unit, index < letters.count - 1 {
            unit *= base
            index += 1
        }
        let letter = isBinary && index == 0 ? "K" : letters[index]
        return JinjaFormatSpec.c(base * bytes / unit, "f", precision: 1) + " \(letter)\(isBinary ? "iB" : "B")"
    }

    // MARK: Texts

    private static func json(
        _ value: JinjaValue, _ arguments: JinjaArguments, _ meter: JinjaMeter
    ) throws(JinjaError) -> JinjaText {
        let bound = try arguments.bind("tojson", ["ensure_ascii", "indent", "separators", "sort_keys"])
        var writer = JinjaJSONWriter(meter)
        writer.isASCII = bound[0]?.isTrue ?? false
        switch bound[1] {
        case nil, JinjaValue.none?: break
        case .string(let text)?:
            guard text.bytes.count <= 256 else { throw .limit("an indent of \(text.bytes.count) bytes") }
            writer.indent = text.string
        case let width?:
            let count = try JinjaMethods.integer(width, 0, "indent")
            guard count <= 256 else { throw .limit("an indent of \(count)") }
            writer.indent = String(repeating: " ", count: Int(max(0, count)))
        }
        if writer.indent != nil { writer.itemSeparator = "," }
        if let separators = bound[2], !separators.isNone {
            guard separators.length == 2, let pair = separators.items() else {
                throw .value("separators must be a pair")
            }
            writer.itemSeparator = try JinjaMethods.text(pair[0], "separators")
            writer.keySeparator = try JinjaMethods.text(pair[1], "separators")
        }
        writer.sortsKeys = bound[3]?.isTrue ?? false
        return try writer.write(value)
    }

    private static func indent(
        _ value: JinjaValue, _ arguments: JinjaArguments, _ meter: JinjaMeter
    ) throws(JinjaError) -> JinjaText {
        let bound = try arguments.bind("indent", ["width", "first", "blank"])
        guard let text = value.asText else {
            if case .undefined(let what) = value { throw JinjaError(.undefined, what) }
            throw .type("indent needs a string, not \(value.typeName)")
        }
        let indentation: JinjaText
        if case .string(let given)? = bound[0] {
            indentation = given
        } else {
            indentation = try JinjaText(" ").repeated(try JinjaMethods.integer(bound[0], 4, "indent"), meter)
        }
        let blank = bound[2]?.isTrue ?? false
        var builder = JinjaTextBuilder(meter)
        if bound[1]?.isTrue ?? false { try builder.append(indentation) }
        for (index, line) in try text.joined(with: "\n", meter).lines(meter).enumerated() {
            if index > 0 {
                try builder.append("\n")
                if blank || !line.isEmpty { try builder.append(indentation) }
            }
            try builder.append(line)
        }
        return builder.finish()
    }

    private static func truncate(
        _ value: JinjaValue, _ arguments: JinjaArguments, _ meter: JinjaMeter
    ) throws(JinjaError) -> JinjaText {
        let bound = try arguments.bind("truncate", ["length", "killwords", "end", "leeway"])
        if value.isUndefined { return .empty }
        guard let text = value.asText else { throw .type("truncate needs a string, not \(value.typeName)") }
        let length = try JinjaMethods.integer(bound[0], 255, "truncate")
        let end = try bound[2].map { (value) throws(JinjaError) in try JinjaMethods.text(value, "truncate") } ?? "..."
        var leeway: Int64 = 5
        if let given = bound[3], !given.isNone { leeway = try JinjaMethods.integer(given, 5, "truncate") }
        let endCount = Int64(end.count)
        guard length >= endCount, leeway >= 0 else { throw .value("expected length >= \(endCount) and leeway >= 0") }
        try meter.touch(text.weight)
        if Int64(text.count) <= length.adding(clamped: leeway) { return text }
        let cut = text[0..<text.offset(ofScalar: Int(length - endCount))]
        if bound[1]?.isTrue ?? false { return try cut.joined(with: end, meter) }
        return try (try cut.splitFromEnd(" ", limit: 1, meter).first ?? cut).joined(with: end, meter)
    }

    private static func escape(_ text: JinjaText, _ meter: JinjaMeter) throws(JinjaError) -> JinjaText {
        try text.replacing("&", with: "&amp;", meter).replacing("<", with: "&lt;", meter)
            .replacing(">", with: "&gt;", meter).replacing("'", with: "&#39;", meter)
            .replacing("\"", with: "&#34;", meter)
    }

    private static func wordCount(_ text: JinjaText) -> Int {
        var count = 0
        var isInside = false
        for scalar in text.string.unicodeScalars {
            let isWord = scalar == "_" || scalar.isPythonLetter || scalar.properties.numericType != nil
            if isWord, !isInside { count += 1 }
            isInside = isWord
        }
        return count
    }

    private static func urlEncode(_ value: JinjaValue, _ renderer: JinjaRenderer) throws(JinjaError) -> JinjaText {
        let meter = renderer.meter
        func quote(_ value: JinjaValue, _ safe: String, isQuery: Bool) throws(JinjaError) -> JinjaText {
            try value.text(meter).mapping(meter) { scalar in
                if isQuery, scalar == " " { return "+" }
                if scalar.isASCII,
                    scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
                        || (safe + "_.-~").unicodeScalars.contains(scalar)
                {
                    return String(scalar)
                }
                return String(scalar).utf8.map { byte in
                    let digits = String(byte, radix: 16, uppercase: true)
                    return "%" + (digits.count == 1 ? "0" : "") + digits
                }.joined()
            }
        }
        var pairs: [JinjaValue]
        switch value {
        case .dict(let dictionary):
            try meter.make(texts: dictionary.count)
            pairs = dictionary.entries.map { .tuple([$0.key, $0.value]) }
        case .string: return try quote(value, "/", isQuery: false)
        default:
            guard value.length != nil else { return try quote(value, "/", isQuery: false) }
            pairs = try renderer.items(value)
        }
        var builder = JinjaTextBuilder(meter)
        for (index, pair) in pairs.enumerated() {
            let parts = try renderer.items(pair)
            guard parts.count == 2 else { throw .value("urlencode needs pairs") }
            if index > 0 { try builder.append("&") }
            try builder.append(try quote(parts[0], "", isQuery: true))
            try builder.append("=")
            try builder.append(try quote(parts[1], "", isQuery: true))
        }
        return builder.finish()
    }
}

extension String {
    /// The first occurrence of an ASCII `needle`.
    fileprivate func range(of needle: String) -> Range<String.Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(needle) { return start..<index(start, offsetBy: needle.count) }
            start = index(after: start)
        }
        return nil
    }
}
