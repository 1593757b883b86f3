/// Quotes input in errors: short, and without characters that control a terminal.
package enum JinjaQuote {
    private static let most = 60

    /// The start of a text from a template or a conversation.
    package static func short(_ text: some StringProtocol) -> String {
        let head = text.unicodeScalars.prefix(most + 1)
        let cut = plain(String(String.UnicodeScalarView(head.prefix(most))))
        return head.count > most ? cut + "…" : cut
    }

    package static func short(_ text: JinjaText) -> String {
        let isPlain = text.bytes.count <= most && text.bytes.allSatisfy { (0x20..<0x7F).contains($0) }
        guard !isPlain else { return text.string }
        // A scalar has at most four bytes, so no more are examined.
        return short(String(decoding: text.bytes.prefix(4 * most + 4), as: UTF8.self))
    }

    /// The text with control characters, and characters that change the writing direction, as escapes; at most 2,000
    /// bytes.
    package static func plain(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            guard result.utf8.count < 2000 else { return result + "…" }
            switch scalar {
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            default:
                if scalar.isSteering {
                    result += "\\u{" + String(scalar.value, radix: 16) + "}"
                } else {
                    result.unicodeScalars.append(scalar)
                }
            }
        }
        return result
    }
}

extension Unicode.Scalar {
    /// Control characters, line and paragraph separators, and characters that change the writing direction.
    fileprivate var isSteering: Bool {
        switch value {
        case 0..<0x20, 0x7F..<0xA0, 0x2028...0x202E, 0x2066...0x2069, 0x200E, 0x200F, 0x061C, 0xFFF9...0xFFFB: true
        default: false
        }
    }
}
