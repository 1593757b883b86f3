#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Number formatting and padding, shared by `%` formatting and `str.format`.
struct JinjaFormatSpec {
    var fill: Unicode.Scalar = " "
    /// `<`, `>`, `^`, `=`, or nil for the type's default.
    var alignment: Character?
    var sign: Character = "-"
    var isAlternate = false
    var isZeroPadded = false
    var grouping: String?
    var width = 0
    var precision: Int?
    var type: Character?

    /// Larger widths and precisions are refused.
    static let limit = 1 << 16

    /// Steps charged for padding and digits.
    var cost: Int { (width + (precision ?? 0)) / 16 }

    /// Formats a double with C's conversion `type` (`f`, `e`, `g` and their capitals).
    static func c(_ value: Double, _ type: Character, precision: Int, isAlternate: Bool = false) -> String {
        if !value.isFinite {
            let text = value.isNaN ? "nan" : "inf"
            return (value < 0 ? "-" : "") + (type.isUppercase ? text.uppercased() : text)
        }
        var buffer = [CChar](repeating: 0, count: 400 + precision)
        let format = (isAlternate ? "%#.*" : "%.*") + String(type)
        let count = withVaList([Int32(truncatingIfNeeded: precision), value]) {
            vsnprintf(&buffer, buffer.count, format, $0)
        }
        return String(decoding: buffer.prefix(max(0, Int(count))).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// `value` rounded to `digits` decimal places as Python's `round` does: exactly, ties to even.
    static func rounded(_ value: Double, digits: Int64) -> Double {
        guard value.isFinite, digits < 330 else { return value }
        if digits >= 0 { return Double(c(value, "f", precision: Int(digits))) ?? value }
        guard digits > -330 else { return Double(signOf: value, magnitudeOf: 0) }
        let power = pow(10, Double(-digits))
        return (value / power).rounded(.toNearestOrEven) * power
    }

    /// Sign, prefix and digits of a number, padded and grouped.
    func number(digits: String, isNegative: Bool, prefix: String = "") -> String {
        var digits = digits
        if let grouping { digits = Self.grouped(digits, with: grouping) }
        let lead = (isNegative ? "-" : sign == "-" ? "" : String(sign)) + prefix
        let missing = width - lead.unicodeScalars.count - digits.unicodeScalars.count
        if isZeroPadded || alignment == "=" {
            let pad = isZeroPadded && alignment == nil ? "0" : String(fill)
            return lead + String(repeating: pad, count: max(0, missing)) + digits
        }
        return padded(lead + digits, count: lead.unicodeScalars.count + digits.unicodeScalars.count, side: ">")
    }

    func padding(count: Int, side: Character) -> (before: String, after: String) {
        let missing = max(0, width - count)
        let before =
            switch alignment ?? side {
            case "<": 0
            case "^": missing / 2
            default: missing
            }
        return (
            String(repeating: String(fill), count: before), String(repeating: String(fill), count: missing - before)
        )
    }

    private func padded(_ text: String, count: Int, side: Character) -> String {
        let (before, after) = padding(count: count, side: side)
        return before + text + after
    }

    private static func grouped(_ digits: String, with separator: String) -> String {
        let end = digits.firstIndex { !$0.isNumber } ?? digits.endIndex
        let whole = digits[..<end]
        var result = ""
        for (index, digit) in whole.enumerated() {
            if index > 0, (whole.count - index) % 3 == 0 { result += separator }
            result.append(digit)
        }
        return result + digits[end...]
    }

    /// The formatted value, for any presentation type of `str.format`.
    func format(_ value: JinjaValue, _ meter: JinjaMeter) throws(JinjaError) -> JinjaText {
        switch value {
        case .string(let text):
            guard type == nil || type == "s" else { throw unknownType(value) }
            try meter.touch(text.weight)
            let cut = precision.map { text[0..<text.offset(ofScalar: $0)] } ?? text
            let (before, after) = padding(count: cut.count, side: "<")
            var builder = JinjaTextBuilder(meter)
            try builder.append(before)
            try builder.append(cut)
            try builder.append(after)
            return builder.finish()
        case .int(let number): return JinjaText(try integer(number, value))
        case .bool(let flag):
            if type == nil, width == 0 { return JinjaText(flag ? "True" : "False") }
            return JinjaText(try integer(flag ? 1 : 0, value))
        case .float(let number): return JinjaText(try double(number, value))
        default: throw .type("unsupported format string passed to \(value.typeName).__format__")
        }
    }

    private func unknownType(_ value: JinjaValue) -> JinjaError {
        .value("unknown format code '\(type.map(String.init) ?? "")' for object of type '\(value.typeName)'")
    }

    private func integer(_ number: Int64, _ value: JinjaValue) throws(JinjaError) -> String {
        let isNegative = number < 0
        func radix(_ base: Int, _ prefix: String, uppercase: Bool = false) -> String {
            self.number(
                digits: String(number.magnitude, radix: base, uppercase: uppercase), isNegative: isNegative,
                prefix: isAlternate ? prefix : "")
        }
        switch type {
        case nil, "d", "n": return radix(10, "")
        case "x": return radix(16, "0x")
        case "X": return radix(16, "0X", uppercase: true)
        case "o": return radix(8, "0o")
        case "b": return radix(2, "0b")
        case "c":
            guard let scalar = UInt32(exactly: number).flatMap(Unicode.Scalar.init) else {
                throw .value("%c arg not in range(0x110000)")
            }
            return padded(String(scalar), count: 1, side: "<")
        case "e", "E", "f", "F", "g", "G", "%": return try double(Double(number), value)
        default: throw unknownType(value)
        }
    }

    private func double(_ value: Double, _ source: JinjaValue) throws(JinjaError) -> String {
        let magnitude = value.magnitude
        let digits: String
        switch type {
        case nil:
            guard let precision else {
                digits = JinjaValue.represent(magnitude)
                break
            }
            var text = Self.c(magnitude, "g", precision: max(1, precision))
            if magnitude.isFinite, !text.contains("."), !text.contains("e") { text += ".0" }
            digits = text
        case "e", "E", "f", "F", "g", "G":
            digits = Self.c(magnitude, type ?? "f", precision: precision ?? 6, isAlternate: isAlternate)
        case "n": digits = Self.c(magnitude, "g", precision: precision ?? 6)
        case "%": digits = Self.c(magnitude * 100, "f", precision: precision ?? 6) + "%"
        default: throw unknownType(source)
        }
        return number(digits: digits, isNegative: value.sign == .minus && !value.isNaN)
    }
}

/// Parses format strings scalar by scalar.
struct JinjaFormatReader {
    let scalars: [Unicode.Scalar]
    var position = 0

    init(_ text: String) { scalars = Array(text.unicodeScalars) }

    var current: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard current == scalar else { return false }
        position += 1
        return true
    }

    mutating func integer() throws(JinjaError) -> Int? {
        var value: Int?
        while let scalar = current, ("0"..."9").contains(scalar) {
            value = (value ?? 0) * 10 + Int(scalar.value - 48)
            guard (value ?? 0) <= JinjaFormatSpec.limit else { throw .limit("a width or precision above 65536") }
            position += 1
        }
        return value
    }

    /// `[[fill]align][sign][#][0][width][,][.precision][type]`
    mutating func spec() throws(JinjaError) -> JinjaFormatSpec {
        var spec = JinjaFormatSpec()
        func isAlignment(_ index: Int) -> Bool {
            index < scalars.count && ["<", ">", "^", "="].contains(scalars[index])
        }
        if isAlignment(position + 1) {
            spec.fill = scalars[position]
            spec.alignment = Character(scalars[position + 1])
            position += 2
        } else if isAlignment(position) {
            spec.alignment = Character(scalars[position])
            position += 1
        }
        if let scalar = current, ["+", "-", " "].contains(scalar) {
            spec.sign = Character(scalar)
            position += 1
        }
        spec.isAlternate = take("#")
        if take("0") { spec.isZeroPadded = true }
        spec.width = try integer() ?? 0
        if take(",") { spec.grouping = "," } else if take("_") { spec.grouping = "_" }
        if take(".") {
            guard let precision = try integer() else { throw .value("Format specifier missing precision") }
            spec.precision = precision
        }
        if let scalar = current {
            spec.type = Character(scalar)
            position += 1
        }
        guard current == nil else { throw .value("Invalid format specifier") }
        return spec
    }
}
