extension JSON {
    /// The value as text.
    /// - Parameter indent: spaces for each level, with one member per line; nil writes `{"a":1,"b":[2]}`.
    public func text(indent: Int? = nil) -> String {
        String(decoding: bytes(indent: indent), as: UTF8.self)
    }

    /// The value as UTF-8. A number that is not finite becomes `null`, because JSON cannot represent it.
    public func bytes(indent: Int? = nil) -> [UInt8] {
        var writer = JSONWriter(indent: indent)
        writer.write(self, level: 0)
        return writer.output
    }
}

private struct JSONWriter {
    let indent: Int?
    var output: [UInt8] = []

    init(indent: Int?) { self.indent = indent }

    mutating func write(_ value: JSON, level: Int) {
        switch value {
        case .null: output += "null".utf8
        case .bool(let value): output += (value ? "true" : "false").utf8
        case .integer(let value): output += String(value).utf8
        case .number(let value): output += (value.isFinite ? value.description : "null").utf8
        case .string(let value): write(value)
        case .array(let values):
            list("[", "]", values.count, level: level) { writer, index in
                writer.write(values[index], level: level + 1)
            }
        case .object(let object):
            list("{", "}", object.count, level: level) { writer, index in
                writer.write(object[index].key)
                writer.output += (writer.indent == nil ? ":" : ": ").utf8
                writer.write(object[index].value, level: level + 1)
            }
        }
    }

    private mutating func list(
        _ open: Unicode.Scalar, _ close: Unicode.Scalar, _ count: Int, level: Int,
        item: (inout JSONWriter, Int) -> Void
    ) {
        output.append(UInt8(ascii: open))
        for index in 0..<count {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            newLine(level + 1)
            item(&self, index)
        }
        if count > 0 { newLine(level) }
        output.append(UInt8(ascii: close))
    }

    private mutating func newLine(_ level: Int) {
        guard let indent else { return }
        output.append(0x0A)
        output.append(contentsOf: repeatElement(0x20, count: indent * level))
    }

    private mutating func write(_ string: String) {
        output.append(UInt8(ascii: "\""))
        for byte in string.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                output.append(UInt8(ascii: "\\"))
                output.append(byte)
            case 0x0A: output += "\\n".utf8
            case 0x0D: output += "\\r".utf8
            case 0x09: output += "\\t".utf8
            case 0..<0x20:
                let digits = String(byte, radix: 16)
                output += "\\u".utf8
                output.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: 4 - digits.utf8.count))
                output += digits.utf8
            default: output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }
}
