import MartletJSON

/// Iterates over the members of a JSON object, parsing each one separately.
///
/// `SafetensorsHeader.structure` has checked the text: braces are balanced and strings end.
struct SafetensorsMembers {
    struct Fault: Error, CustomStringConvertible {
        /// Bytes from the start of the text.
        var offset: Int
        var reason: String
        var description: String { "invalid JSON at byte \(offset): \(reason)" }
    }

    private let text: [UInt8]
    private var position = 0
    private var hasBegun = false
    private var limits = JSONLimits()

    init(_ text: [UInt8]) {
        self.text = text
        limits.depth = 4
    }

    /// Nil at the end of the object, after which only white space may follow.
    mutating func next() throws(Fault) -> (key: String, value: JSON)? {
        if hasBegun {
            switch try peek() {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "}"): return try end()
            default: throw Fault(offset: position, reason: "expected ',' or '}' after a member")
            }
        } else {
            guard try peek() == UInt8(ascii: "{") else {
                throw Fault(offset: position, reason: "expected an object")
            }
            position += 1
            hasBegun = true
            if try peek() == UInt8(ascii: "}") { return try end() }
        }
        guard try peek() == UInt8(ascii: "\"") else { throw Fault(offset: position, reason: "expected a name") }
        guard let key = try value().string else { throw Fault(offset: position, reason: "expected a name") }
        guard try peek() == UInt8(ascii: ":") else {
            throw Fault(offset: position, reason: "expected ':' after a name")
        }
        position += 1
        _ = try peek()
        return (key, try value())
    }

    private mutating func end() throws(Fault) -> (key: String, value: JSON)? {
        position += 1
        while position < text.count {
            guard Self.isSpace(text[position]) else {
                throw Fault(offset: position, reason: "expected nothing after the object")
            }
            position += 1
        }
        return nil
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }

    private mutating func peek() throws(Fault) -> UInt8 {
        while position < text.count, Self.isSpace(text[position]) { position += 1 }
        guard position < text.count else { throw Fault(offset: position, reason: "the text ends too early") }
        return text[position]
    }

    /// The value that starts here: up to the end of its braces, brackets and quotes, or to a delimiter.
    private mutating func value() throws(Fault) -> JSON {
        let start = position
        var depth = 0
        var isInString = false
        scan: while position < text.count {
            let byte = text[position]
            if isInString {
                if byte == UInt8(ascii: "\\") {
                    position += 1
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                    if depth == 0 {
                        position += 1
                        break scan
                    }
                }
                position += 1
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isInString = true
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if depth == 0 { break scan }
                depth -= 1
                if depth == 0 {
                    position += 1
                    break scan
                }
            case UInt8(ascii: ","), UInt8(ascii: ":"):
                if depth == 0 { break scan }
            default: break
            }
            position += 1
        }
        position = min(position, text.count)
        do throws(JSONError) {
            return try JSON(parsing: text[start..<position], limits: limits)
        } catch {
            throw Fault(offset: start + error.offset, reason: error.reason)
        }
    }
}
