extension JinjaValue {
    /// Python's `str(value)`.
    func text(_ meter: JinjaMeter) throws(JinjaError) -> JinjaText {
        if let text = asText { return text }
        switch self {
        case .undefined: return .empty
        case .int(let value): return JinjaText(String(value))
        default:
            var builder = JinjaTextBuilder(meter)
            try represent(into: &builder)
            return builder.finish()
        }
    }

    /// Python's `repr(value)`.
    func represent(into out: inout JinjaTextBuilder, depth: Int = 0) throws(JinjaError) {
        guard depth < JinjaLimits.nesting else { throw .limit("a value nested too deeply to print") }
        switch self {
        case .undefined: try out.append("Undefined")
        case .none: try out.append("None")
        case .bool(let value): try out.append(value ? "True" : "False")
        case .int(let value): try out.append(String(value))
        case .float(let value): try out.append(Self.represent(value))
        case .string(let text): try text.represent(into: &out)
        case .list(let values): try Self.represent(values, "[", "]", into: &out, depth)
        case .tuple(let values):
            try Self.represent(values, "(", values.count == 1 ? ",)" : ")", into: &out, depth)
        case .dict(let dictionary): try Self.represent(dictionary, into: &out, depth)
        case .view(let name, let values):
            try out.append(name)
            try Self.represent(values, "([", "])", into: &out, depth)
        case .range(let range):
            let step = range.step == 1 ? "" : ", \(range.step)"
            try out.append("range(\(range.start), \(range.stop)\(step))")
        case .namespace(let namespace):
            try out.append("<Namespace ")
            try Self.represent(namespace.members, into: &out, depth)
            try out.append(">")
        case .loop(let loop): try out.append("<LoopContext \(loop.index0 + 1)/\(loop.count)>")
        case .callable, .iterator: try out.append("<\(typeName) object>")
        }
    }

    private static func represent(
        _ values: JinjaList, _ open: String, _ close: String, into out: inout JinjaTextBuilder, _ depth: Int
    ) throws(JinjaError) {
        try out.append(open)
        for (index, value) in values.enumerated() {
            if index > 0 { try out.append(", ") }
            try value.represent(into: &out, depth: depth + 1)
        }
        try out.append(close)
    }

    private static func represent(
        _ dictionary: JinjaDictionary, into out: inout JinjaTextBuilder, _ depth: Int
    ) throws(JinjaError) {
        try out.append("{")
        for (index, entry) in dictionary.entries.enumerated() {
            if index > 0 { try out.append(", ") }
            try entry.key.represent(into: &out, depth: depth + 1)
            try out.append(": ")
            try entry.value.represent(into: &out, depth: depth + 1)
        }
        try out.append("}")
    }

    /// Python's `repr` of a float: the shortest digits that parse to the same number, with an exponent below 1e-4 and
    /// from 1e16 on.
    static func represent(_ value: Double) -> String {
        guard value.isFinite else { return value.isNaN ? "nan" : value < 0 ? "-inf" : "inf" }
        let sign = value.sign == .minus ? "-" : ""
        if value == 0 { return sign + "0.0" }
        let (digits, exponent) = decimal(value.magnitude)
        let count = digits.count
        if exponent < -4 || exponent >= 16 {
            let fraction = count > 1 ? "." + String(digits.dropFirst()) : ""
            let magnitude = abs(exponent)
            let power = (magnitude < 10 ? "0" : "") + String(magnitude)
            return sign + String(digits.prefix(1)) + fraction + (exponent < 0 ? "e-" : "e+") + power
        }
        if exponent < 0 { return sign + "0." + String(repeating: "0", count: -exponent - 1) + digits }
        if count <= exponent + 1 {
            return sign + digits + String(repeating: "0", count: exponent + 1 - count) + ".0"
        }
        return sign + String(digits.prefix(exponent + 1)) + "." + String(digits.dropFirst(exponent + 1))
    }

    /// Shortest digits `d₁d₂…` and exponent `e` with value `d₁.d₂… × 10^e`.
    private static func decimal(_ value: Double) -> (digits: String, exponent: Int) {
        let parts = value.description.split(separator: "e")
        let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        let whole = mantissa[0]
        let fraction = mantissa.count > 1 ? mantissa[1] : ""
        var digits = Substring(whole + fraction)
        var exponent = whole.count - 1 + (parts.count > 1 ? Int(parts[1]) ?? 0 : 0)
        while digits.first == "0", digits.count > 1 {
            digits.removeFirst()
            exponent -= 1
        }
        while digits.last == "0", digits.count > 1 { digits.removeLast() }
        return (String(digits), exponent)
    }
}

extension JinjaText {
    /// Python's `repr` of a string: single quotes, unless it contains one and no double quote.
    func represent(into out: inout JinjaTextBuilder) throws(JinjaError) {
        let quote: UInt8 = bytes.contains(0x27) && !bytes.contains(0x22) ? 0x22 : 0x27
        try out.append(byte: quote, isData: false)
        var start = 0
        for run in runs {
            var plain = start
            while start < run.end {
                let end = endOfScalar(at: start)
                if let escape = Self.escape(scalar(at: start), quote: quote) {
                    try out.append(bytes[plain..<start], isData: run.isData)
                    try out.append(escape, isData: run.isData)
                    plain = end
                }
                start = end
            }
            try out.append(bytes[plain..<start], isData: run.isData)
        }
        try out.append(byte: quote, isData: false)
    }

    private static func escape(_ scalar: Unicode.Scalar, quote: UInt8) -> String? {
        switch scalar {
        case "\\": return "\\\\"
        case "\n": return "\\n"
        case "\r": return "\\r"
        case "\t": return "\\t"
        default: break
        }
        if scalar.value == UInt32(quote) { return "\\" + String(scalar) }
        if (0x20..<0x7F).contains(scalar.value) || (scalar.value > 0x7F && scalar.isPythonPrintable) { return nil }
        func hex(_ width: Int) -> String {
            let digits = String(scalar.value, radix: 16)
            return String(repeating: "0", count: width - digits.count) + digits
        }
        return scalar.value < 0x100 ? "\\x" + hex(2) : scalar.value < 0x10000 ? "\\u" + hex(4) : "\\U" + hex(8)
    }
}
