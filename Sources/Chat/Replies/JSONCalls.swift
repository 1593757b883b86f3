import MartletJSON

/// Finds the end of a JSON value, byte by byte.
struct JSONValueEnd: Sendable {
    private var depth = 0
    private var isInString = false
    private var isEscaped = false
    private var isScalar = false
    private var hasBegun = false

    enum Place { case inside, last, after }

    /// Whether the byte is inside the value, its last byte, or the first one after it (numbers and words end that way).
    mutating func push(_ byte: UInt8) -> Place {
        if isInString {
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isInString = false
                return depth == 0 ? .last : .inside
            }
            return .inside
        }
        switch byte {
        case UInt8(ascii: "\"") where !isScalar: isInString = true
        case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
            if depth == 0 { return .after }
            depth -= 1
            if depth == 0 { return .last }
        case UInt8(ascii: ",") where depth == 0, _ where byte.isSpace && depth == 0: return .after
        default: if !hasBegun { isScalar = true }
        }
        hasBegun = true
        return .inside
    }
}

/// Calls as JSON objects with `name` and `arguments` (or `parameters`), consecutive or in a list. A call is emitted
/// when its object is complete, valid JSON, and has an object as arguments.
struct JSONCalls: CallBody {
    private enum State {
        /// Before or after an object.
        case between
        case beforeKey, key, beforeColon, beforeValue, value, afterValue
        case closing
    }
    private enum Role { case name, arguments, function, other }

    private let closing: MarkerMatch?
    private var match: MarkerMatch?
    /// The names of callable tools; nil accepts any name.
    private let names: Set<String>?
    private var state = State.between
    private var isFirst = true
    private var lists = 0
    private var isEscaped = false
    private var key: [UInt8] = []
    private var role = Role.other
    private var end = JSONValueEnd()
    private var value: [UInt8] = []
    /// The bytes of the object so far.
    private var object: [UInt8] = []
    private var name: [UInt8]?
    private var arguments: [UInt8]?
    /// 1 inside `"function": {…}`.
    private var nested = 0

    init(closing: String?, names: Set<String>?) {
        self.closing = closing.map { MarkerMatch($0) }
        self.names = names
    }

    mutating func push(_ byte: UInt8, _ sink: inout CallSink, _ found: inout DeltaList) -> CallState {
        switch state {
        case .between: return between(byte)
        case .closing:
            guard match?.push(byte) ?? false else { return .failed }
            return match?.isComplete ?? true ? .done : .more
        default:
            object.append(byte)
            return inside(byte, &sink, &found)
        }
    }

    /// Handles a byte of an object.
    private mutating func inside(_ byte: UInt8, _ sink: inout CallSink, _ found: inout DeltaList) -> CallState {
        switch state {
        case .between, .closing: break
        case .beforeKey:
            if byte.isSpace || byte == UInt8(ascii: ",") { return .more }
            if byte == UInt8(ascii: "}") { return endObject(&sink, &found) }
            guard byte == UInt8(ascii: "\"") else { return .failed }
            key = []
            isEscaped = false
            state = .key
        case .key:
            if byte == UInt8(ascii: "\""), !isEscaped {
                guard chooseRole() else { return .failed }
                state = .beforeColon
            } else {
                isEscaped = byte == UInt8(ascii: "\\") && !isEscaped
                key.append(byte)
            }
        case .beforeColon:
            if byte.isSpace { return .more }
            guard byte == UInt8(ascii: ":") else { return .failed }
            state = .beforeValue
        case .beforeValue:
            if byte.isSpace { return .more }
            if role == .function, byte == UInt8(ascii: "{") {
                nested += 1
                state = .beforeKey
                return .more
            }
            if role == .function { role = .name }
            value = []
            end = JSONValueEnd()
            state = .value
            return read(byte, &sink, &found)
        case .value: return read(byte, &sink, &found)
        case .afterValue:
            if byte.isSpace { return .more }
            if byte == UInt8(ascii: ",") {
                state = .beforeKey
                return .more
            }
            guard byte == UInt8(ascii: "}") else { return .failed }
            return endObject(&sink, &found)
        }
        return .more
    }

    private mutating func between(_ byte: UInt8) -> CallState {
        switch byte {
        case _ where byte.isSpace: return .more
        case UInt8(ascii: "{"):
            object = [byte]
            name = nil
            arguments = nil
            nested = 0
            state = .beforeKey
            return .more
        case UInt8(ascii: "["):
            lists += 1
            return lists == 1 && isFirst ? .more : .failed
        case UInt8(ascii: "]") where lists == 1:
            lists = 0
            guard !isFirst else { return .failed }
            return closing == nil ? .done : .more
        case UInt8(ascii: ",") where !isFirst, UInt8(ascii: ";") where !isFirst: return .more
        default:
            guard let closing, !isFirst else { return .failed }
            match = closing
            state = .closing
            guard match?.push(byte) ?? false else { return .failed }
            return .more
        }
    }

    /// Returns false for a member that calls do not have.
    private mutating func chooseRole() -> Bool {
        switch String(decoding: key, as: UTF8.self) {
        case "name": role = .name
        case "arguments", "parameters": role = .arguments
        case "function": role = .function
        case "id", "type", "index", "description", "tool_call_id": role = .other
        default:
            role = .other
            return names == nil || name != nil
        }
        return true
    }

    private mutating func read(_ byte: UInt8, _ sink: inout CallSink, _ found: inout DeltaList) -> CallState {
        let place = end.push(byte)
        if place != .after { value.append(byte) }
        guard place != .inside else { return .more }
        state = .afterValue
        switch role {
        case .name:
            guard let text = (try? JSON(parsing: value))?.string, !text.isEmpty, names?.contains(text) ?? true else {
                return .failed
            }
            guard name == nil else { return .failed }
            name = Array(text.utf8)
        case .arguments:
            guard arguments == nil, let object = Self.arguments(value) else { return .failed }
            arguments = object
        default: break
        }
        // A number or a word ends at the byte after it.
        return place == .after ? inside(byte, &sink, &found) : .more
    }

    /// The JSON object of a value, or of a string that contains one; an empty object for no value. Nil for other
    /// values.
    private static func arguments(_ value: [UInt8]) -> [UInt8]? {
        guard let json = try? JSON(parsing: value) else { return nil }
        switch json {
        case .object: return value
        case .null, .string(""): return Array("{}".utf8)
        case .string(let text): return (try? JSON(parsing: text))?.object == nil ? nil : Array(text.utf8).trimmed
        default: return nil
        }
    }

    private mutating func endObject(_ sink: inout CallSink, _ found: inout DeltaList) -> CallState {
        if nested > 0 {
            nested -= 1
            state = .afterValue
            return .more
        }
        guard let name, (try? JSON(parsing: object)) != nil else { return .failed }
        sink.call(name, arguments: arguments ?? Array("{}".utf8), &found)
        object = []
        isFirst = false
        state = .between
        // A single object that is the whole reply may be followed by another one or by nothing.
        return .more
    }

    mutating func finish(_ sink: inout CallSink, _ found: inout DeltaList) -> Bool {
        switch state {
        case .between, .closing: !isFirst
        default: false
        }
    }
}
