import MartletJSON

extension JinjaValue {
    /// A JSON value as a template value. Strings count as data by default.
    package init(_ json: JSON, isData: Bool = true) {
        switch json {
        case .null: self = .none
        case .bool(let value): self = .bool(value)
        case .integer(let value): self = .int(value)
        case .number(let value): self = .float(value)
        case .string(let value): self = .string(JinjaText(value, isData: isData))
        case .array(let values): self = .list(JinjaList(values.map { JinjaValue($0, isData: isData) }))
        case .object(let object): self = .dict(JinjaDictionary(object, isData: isData))
        }
    }
}

extension JinjaDictionary {
    package init(_ object: JSONObject, isData: Bool = true) {
        self.init()
        for (key, value) in object {
            set(JinjaText(key, isData: isData), JinjaValue(value, isData: isData))
        }
    }
}

/// `json.dumps` with the arguments chat templates use.
package struct JinjaJSONWriter {
    var indent: String?
    var itemSeparator: JinjaText = ", "
    var keySeparator: JinjaText = ": "
    var isASCII = false
    var sortsKeys = false
    private let meter: JinjaMeter
    private var out: JinjaTextBuilder

    package init(_ meter: JinjaMeter) {
        self.meter = meter
        out = JinjaTextBuilder(meter)
    }

    /// The JSON of `value`. If any string in it came from data, the whole text counts as data.
    package mutating func write(_ value: JinjaValue) throws(JinjaError) -> JinjaText {
        out = JinjaTextBuilder(meter)
        try append(value, 0)
        let text = out.finish()
        try meter.touch(text.bytes.count)
        return text.hasData ? text.asData : text
    }

    private mutating func newline(_ depth: Int) throws(JinjaError) {
        guard let indent else { return }
        try out.append("\n" + String(repeating: indent, count: depth))
    }

    private mutating func append(_ value: JinjaValue, _ depth: Int) throws(JinjaError) {
        guard depth < JinjaLimits.nesting else { throw .limit("a value nested too deeply for tojson") }
        switch value {
        case .none: try out.append("null")
        case .bool(let value): try out.append(value ? "true" : "false")
        case .int(let value): try out.append(String(value))
        case .float(let value):
            try out.append(
                value.isNaN
                    ? "NaN"
                    : value.isInfinite
                        ? (value < 0 ? "-Infinity" : "Infinity")
                        : JinjaValue.represent(value))
        case .string(let text): try append(text)
        case .list(let values) where values.isText: try append(values.spelling ?? .empty)
        case .list(let values), .tuple(let values):
            guard !values.isEmpty else { return try out.append("[]") }
            try out.append("[")
            for (index, value) in values.enumerated() {
                if index > 0 { try out.append(itemSeparator) }
                try newline(depth + 1)
                try append(value, depth + 1)
            }
            try newline(depth)
            try out.append("]")
        case .dict(let dictionary): try append(dictionary, depth)
        default: throw .type("Object of type \(value.typeName) is not JSON serializable")
        }
    }

    private mutating func append(_ dictionary: JinjaDictionary, _ depth: Int) throws(JinjaError) {
        guard dictionary.count > 0 else { return try out.append("{}") }
        var entries = dictionary.entries
        if sortsKeys { entries = try JinjaSort.sorted(entries, by: { $0.key }, reverse: false, meter) }
        try out.append("{")
        for (index, entry) in entries.enumerated() {
            if index > 0 { try out.append(itemSeparator) }
            try newline(depth + 1)
            switch entry.key {
            case .string(let text): try append(text)
            case .int, .float, .bool, .none:
                try out.append("\"")
                try append(entry.key, depth + 1)
                try out.append("\"")
            default: throw .type("keys must be str, int, float, bool or None, not \(entry.key.typeName)")
            }
            try out.append(keySeparator)
            try append(entry.value, depth + 1)
        }
        try newline(depth)
        try out.append("}")
    }

    private mutating func append(_ text: JinjaText) throws(JinjaError) {
        try meter.scan(text.bytes.count)
        var bytes: [UInt8] = [0x22]
        bytes.reserveCapacity(text.bytes.count + 2)
        for (index, byte) in text.bytes.enumerated() {
            switch byte {
            case 0x22: bytes += [0x5C, 0x22]
            case 0x5C: bytes += [0x5C, 0x5C]
            case 0x0A: bytes += [0x5C, 0x6E]
            case 0x0D: bytes += [0x5C, 0x72]
            case 0x09: bytes += [0x5C, 0x74]
            case 0x08: bytes += [0x5C, 0x62]
            case 0x0C: bytes += [0x5C, 0x66]
            case ..<0x20: bytes += Self.unicodeEscape(UInt32(byte))
            case 0x7F where isASCII: bytes.append(byte)
            case ..<0x80: bytes.append(byte)
            default:
                guard isASCII else { bytes.append(byte); continue }
                if byte & 0xC0 == 0x80 { continue }
                for unit in String(text.scalar(at: index)).utf16 { bytes += Self.unicodeEscape(UInt32(unit)) }
            }
        }
        bytes.append(0x22)
        try out.append(bytes[...], isData: text.hasData)
    }

    private static func unicodeEscape(_ value: UInt32) -> [UInt8] {
        let digits = String(value, radix: 16)
        return Array(("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).utf8)
    }
}
