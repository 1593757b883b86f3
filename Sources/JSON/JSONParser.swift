import MartletSystem

/// The reason why a text is not valid JSON, and its position.
public struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    public var reason: String
    /// Byte offset into the text, from 0.
    public var offset: Int
    public var line: Int
    /// The text may be valid JSON, but exceeds a limit.
    public var exceedsLimit = false

    public var description: String { "invalid JSON at line \(line) (byte \(offset)): \(reason)" }
}

/// Limits for untrusted input.
public struct JSONLimits: Sendable {
    public var depth = 256
    public var byteCount = 1 << 31
    /// The number of values of all kinds. A value takes at least 24 bytes in memory, and as few as two in the text.
    public var valueCount = Int.max
    /// Escaped surrogates without their other half become U+FFFD; by default they are errors.
    public var replacesLoneSurrogates = false
    /// Stops parsing when the current task is cancelled.
    public var endsWithTask = false

    public init() {}
}

extension JSON {
    public init(parsing text: String, limits: JSONLimits = JSONLimits()) throws(JSONError) {
        var text = text
        let result = text.withUTF8 { buffer in Self.parse(buffer, limits) }
        self = try result.get()
    }

    public init(parsing bytes: some Sequence<UInt8>, limits: JSONLimits = JSONLimits()) throws(JSONError) {
        let result =
            bytes.withContiguousStorageIfAvailable { Self.parse($0, limits) }
            ?? Array(bytes).withUnsafeBufferPointer { Self.parse($0, limits) }
        self = try result.get()
    }

    /// What Python's json module writes: where a number is Infinity, -Infinity or NaN, its name as a string.
    public init(parsingPython bytes: some Sequence<UInt8>) throws(JSONError) {
        let bytes = Array(bytes)
        let result = bytes.withUnsafeBufferPointer { Self.parse($0, JSONLimits(), namesNonFinite: true) }
        self = try result.get()
    }

    private static func parse(
        _ bytes: UnsafeBufferPointer<UInt8>, _ limits: JSONLimits, namesNonFinite: Bool = false
    ) -> Result<JSON, JSONError> {
        var parser = JSONParser(bytes: bytes, limits: limits)
        parser.namesNonFinite = namesNonFinite
        do throws(JSONError) {
            return .success(try parser.document())
        } catch {
            return .failure(error)
        }
    }
}

private struct JSONParser {
    let bytes: UnsafeBufferPointer<UInt8>
    let limits: JSONLimits
    var position = 0
    /// Whether numbers that JSON has no words for are read as strings.
    var namesNonFinite = false
    /// The number of values so far.
    private var valueCount = 0

    init(bytes: UnsafeBufferPointer<UInt8>, limits: JSONLimits) {
        self.bytes = bytes
        self.limits = limits
    }

    func failure(_ reason: String, at offset: Int? = nil) -> JSONError {
        let offset = min(offset ?? position, bytes.count)
        let line = 1 + bytes[..<offset].count { $0 == UInt8(ascii: "\n") }
        return JSONError(reason: reason, offset: offset, line: line)
    }

    mutating func document() throws(JSONError) -> JSON {
        guard bytes.count <= limits.byteCount else {
            throw failure("\(bytes.count) bytes, more than the limit of \(limits.byteCount)", at: 0)
        }
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
        let value = try value(depth: 0)
        skipSpace()
        guard position == bytes.count else { throw failure("text after the end of the value") }
        return value
    }

    private mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    private mutating func value(depth: Int) throws(JSONError) -> JSON {
        skipSpace()
        guard position < bytes.count else { throw failure("the text ends where a value should be") }
        try count(1)
        switch bytes[position] {
        case UInt8(ascii: "{"): return try object(depth: depth + 1)
        case UInt8(ascii: "["): return try array(depth: depth + 1)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "I") where namesNonFinite: return try word("Infinity", "Infinity")
        case UInt8(ascii: "N") where namesNonFinite: return try word("NaN", "NaN")
        case UInt8(ascii: "-")
        where namesNonFinite && position + 1 < bytes.count && bytes[position + 1] == UInt8(ascii: "I"):
            return try word("-Infinity", "-Infinity")
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        default: throw failure("no value starts with byte 0x\(String(bytes[position], radix: 16))")
        }
    }

    /// Counts values against the limit, and checks for cancellation.
    private mutating func count(_ values: Int) throws(JSONError) {
        guard values <= limits.valueCount - valueCount else {
            var error = failure("more than \(limits.valueCount) values")
            error.exceedsLimit = true
            throw error
        }
        valueCount += values
        if limits.endsWithTask, valueCount & 0xFFF < values, Task.isCancelled { throw failure("the task is cancelled") }
    }

    private mutating func word(_ word: StaticString, _ value: JSON) throws(JSONError) -> JSON {
        for index in 0..<word.utf8CodeUnitCount {
            guard position + index < bytes.count, bytes[position + index] == word.utf8Start[index] else {
                throw failure("expected \(word)")
            }
        }
        position += word.utf8CodeUnitCount
        return value
    }

    private mutating func object(depth: Int) throws(JSONError) -> JSON {
        guard depth <= limits.depth else { throw failure("nested deeper than \(limits.depth)") }
        position += 1
        var object = JSONObject()
        skipSpace()
        if position < bytes.count, bytes[position] == UInt8(ascii: "}") {
            position += 1
            return .object(object)
        }
        while true {
            skipSpace()
            guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
                throw failure("expected a key in double quotes")
            }
            let start = position
            let key = try string()
            skipSpace()
            guard position < bytes.count, bytes[position] == UInt8(ascii: ":") else {
                throw failure("expected ':' after the key \(key.quoted())")
            }
            position += 1
            guard object.append(key, try value(depth: depth)) else {
                throw failure("the key \(key.quoted()) appears twice", at: start)
            }
            skipSpace()
            guard position < bytes.count else { throw failure("the text ends inside an object") }
            switch bytes[position] {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "}"):
                position += 1
                return .object(object)
            default: throw failure("expected ',' or '}'")
            }
        }
    }

    private mutating func array(depth: Int) throws(JSONError) -> JSON {
        guard depth <= limits.depth else { throw failure("nested deeper than \(limits.depth)") }
        position += 1
        var values: [JSON] = []
        skipSpace()
        if position < bytes.count, bytes[position] == UInt8(ascii: "]") {
            position += 1
            return .array(values)
        }
        values.reserveCapacity(numbersAhead())
        while true {
            values.append(try value(depth: depth))
            skipSpace()
            guard position < bytes.count else { throw failure("the text ends inside an array") }
            switch bytes[position] {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "]"):
                position += 1
                return .array(values)
            default: throw failure("expected ',' or ']'")
            }
        }
    }

    /// The number of elements in the list of numbers that begins here, to reserve memory for them. It is at most the
    /// number that the limits still permit, so the text cannot cause a larger allocation than it may fill.
    private func numbersAhead() -> Int {
        var index = position, separators = 0
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "+"),
                UInt8(ascii: "e"), UInt8(ascii: "E"), 0x20, 0x0A, 0x0D, 0x09:
                break
            case UInt8(ascii: ","): separators += 1
            default: return min(separators + (separators > 0 ? 1 : 0), limits.valueCount - valueCount)
            }
            index += 1
        }
        return min(separators, limits.valueCount - valueCount)
    }

    private mutating func number() throws(JSONError) -> JSON {
        let start = position
        func digits(_ position: inout Int) -> Int {
            let first = position
            while position < bytes.count, (0x30...0x39).contains(bytes[position]) { position += 1 }
            return position - first
        }
        if bytes[position] == UInt8(ascii: "-") { position += 1 }
        let leadingZero = position < bytes.count && bytes[position] == 0x30
        let whole = digits(&position)
        guard whole > 0 else { throw failure("a number without digits", at: start) }
        guard !leadingZero || whole == 1 else { throw failure("a number with a leading zero", at: start) }
        var integral = true
        if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
            position += 1
            integral = false
            guard digits(&position) > 0 else { throw failure("no digit after the decimal point", at: start) }
        }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            integral = false
            if position < bytes.count, bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-") {
                position += 1
            }
            guard digits(&position) > 0 else { throw failure("no digit in the exponent", at: start) }
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if integral, let value = Int64(text) { return .integer(value) }
        guard let value = Double(text), value.isFinite else {
            let shown = text.prefix(40) + (text.utf8.count > 40 ? "…" : "")
            throw failure("the number \(shown) is beyond the range of a double", at: start)
        }
        return .number(value)
    }

    private mutating func string() throws(JSONError) -> String {
        let start = position
        position += 1
        let first = position
        var escaped = false
        while true {
            guard position < bytes.count else { throw failure("the text ends inside a string", at: start) }
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") { break }
            guard byte >= 0x20 else { throw failure("a control character inside a string") }
            if byte == UInt8(ascii: "\\") {
                escaped = true
                position += 1
            }
            position += 1
        }
        guard position < bytes.count else { throw failure("the text ends inside a string", at: start) }
        let end = position
        position += 1
        let text =
            escaped
            ? String(validating: try unescape(first..<end), as: UTF8.self)
            : String(validating: bytes[first..<end], as: UTF8.self)
        guard let text else { throw failure("a string that is not UTF-8", at: start) }
        return text
    }

    private func unescape(_ range: Range<Int>) throws(JSONError) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(range.count)
        var index = range.lowerBound
        while index < range.upperBound {
            let byte = bytes[index]
            index += 1
            guard byte == UInt8(ascii: "\\") else {
                result.append(byte)
                continue
            }
            let escape = bytes[index]
            index += 1
            switch escape {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): result.append(escape)
            case UInt8(ascii: "b"): result.append(0x08)
            case UInt8(ascii: "f"): result.append(0x0C)
            case UInt8(ascii: "n"): result.append(0x0A)
            case UInt8(ascii: "r"): result.append(0x0D)
            case UInt8(ascii: "t"): result.append(0x09)
            case UInt8(ascii: "u"):
                var unit = try hex(index, range.upperBound)
                index += 4
                if 0xD800...0xDBFF ~= unit, index + 6 <= range.upperBound, bytes[index] == UInt8(ascii: "\\"),
                    bytes[index + 1] == UInt8(ascii: "u"), case let low = try hex(index + 2, range.upperBound),
                    0xDC00...0xDFFF ~= low
                {
                    unit = 0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)
                    index += 6
                }
                guard let scalar = Unicode.Scalar(unit) ?? (limits.replacesLoneSurrogates ? "\u{FFFD}" : nil) else {
                    throw failure("a surrogate \\u\(String(unit, radix: 16)) without its other half", at: index - 6)
                }
                result.append(contentsOf: UTF8.encode(scalar).unsafelyUnwrapped)
            default: throw failure("an unknown escape", at: index - 2)
            }
        }
        return result
    }

    private func hex(_ index: Int, _ end: Int) throws(JSONError) -> UInt32 {
        guard index + 4 <= end else { throw failure("a \\u escape with fewer than four digits", at: index) }
        var value: UInt32 = 0
        for offset in 0..<4 {
            guard let digit = Character(Unicode.Scalar(bytes[index + offset])).hexDigitValue else {
                throw failure("a \\u escape with a digit that is not hexadecimal", at: index)
            }
            value = value << 4 | UInt32(digit)
        }
        return value
    }
}
