/// Text from outside, quoted in errors, notices and tables.
///
/// A name from a file or a request may contain escape sequences that change the terminal, characters that change the
/// writing direction, or megabytes of text. Such text is quoted only with these functions:
///
/// - `quoted(limit:)`: in quotation marks, truncated to `limit` characters, with the number of bytes if truncated.
/// - `shown(limit:)`: the same without quotation marks.
/// - `printable`: a whole message; line ends and tabs are kept, and nothing is truncated.
extension StringProtocol {
    /// In quotation marks: `"<|im_end|>"`, `"\u{1B}[2J"`, `"aaaa…" (16777216 bytes)`.
    public func quoted(limit: Int = 80) -> String {
        let (text, isWhole) = escapingControls(limit: limit, keepsLines: false)
        return isWhole ? "\"\(text)\"" : "\"\(text)…\" (\(utf8.count) bytes)"
    }

    /// On one line, without quotation marks; "…" marks truncation.
    public func shown(limit: Int = 80) -> String {
        let (text, isWhole) = escapingControls(limit: limit, keepsLines: false)
        return isWhole ? text : text + "…"
    }

    /// The whole text, safe to write to a terminal.
    public var printable: String { escapingControls(limit: .max, keepsLines: true).text }

    /// Reads no more of the text than the result needs.
    private func escapingControls(limit: Int, keepsLines: Bool) -> (text: String, isWhole: Bool) {
        var output = String.UnicodeScalarView()
        var count = 0
        for scalar in unicodeScalars {
            if count == limit { return (String(output), false) }
            count += 1
            if !scalar.actsOnTerminals || keepsLines && (scalar == "\n" || scalar == "\t") {
                output.append(scalar)
                continue
            }
            switch scalar {
            case "\n": output.append(contentsOf: "\\n".unicodeScalars)
            case "\r": output.append(contentsOf: "\\r".unicodeScalars)
            case "\t": output.append(contentsOf: "\\t".unicodeScalars)
            default:
                let digits = String(scalar.value, radix: 16, uppercase: true)
                output.append(contentsOf: "\\u{\(digits)}".unicodeScalars)
            }
        }
        return (String(output), true)
    }
}

extension Collection where Element == UInt8 {
    /// Bytes that should be UTF-8, quoted like text.
    public func quoted(limit: Int = 80) -> String {
        let start = prefix(limit.multiplied(clampedBy: 4).adding(clamped: 4))
        let text = String(decoding: start, as: UTF8.self)
        guard start.endIndex != endIndex || text.unicodeScalars.count > limit else { return text.quoted(limit: limit) }
        let shown = text.unicodeScalars.prefix(limit).map(String.init).joined().shown(limit: limit)
        return "\"\(shown)…\" (\(count) bytes)"
    }
}

extension Unicode.Scalar {
    /// Control characters, characters that change the writing direction, line separators, and invisible characters.
    fileprivate var actsOnTerminals: Bool {
        switch value {
        case 0x20...0x7E: false
        case 0...0x1F, 0x7F...0x9F, 0x061C, 0x200B, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF,
            0xFFF9...0xFFFB, 0xE0000...0xE007F:
            true
        default: false
        }
    }
}
