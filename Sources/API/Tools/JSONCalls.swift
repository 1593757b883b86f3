import MartletJSON

/// Where a JSON value ends, byte by byte.
struct JSONValueEnd: Sendable {
    private var depth = 0
    private var isInString = false
    private var isEscaped = false
    private var isScalar = false
    private var hasBegun = false

    enum Place { case inside, last, after }

    /// Whether the byte is inside of the value, its last, or the first after it (numbers and words end that way).
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

/// Calls as JSON objects with `name` and `arguments` (or `parameters`), one after another or in a list. The arguments are
/// passed on as they come, once the name is known.
struct JSONCalls: CallBody {
    private enum State {
        /// Before an object, and after one.
        case between
        case beforeKey, key, beforeColon, beforeValue, value, afterValue
        case closing
    }
    private enum Role { case name, arguments, function, other }

    private let closing: MarkerMatch?
    private var match: MarkerMatch?
    /// Those that may be called; nil takes any.
    private let names: Set<String>?
    private var state = State.between
    private var isFirst = true
    private var lists = 0
    private var isEscaped = false
    private var key: [UInt8] = []
    private var role = Role.other
    private var end = JSONValueEnd()
    private var value: [UInt8] = []
    /// Known as soon as it has been read.
    private var name: [UInt8]?
    private var hasStarted = false
    private var hasArguments = false
    /// Arguments that came before the name.
    private var early: [UInt8]?
    /// 1 inside of `"function": {…}`.
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
            name = nil
            early = nil
            hasStarted = false
            hasArguments = false
            nested = 0
            state = .beforeKey
            return .more
        case UInt8(ascii: "["):
            lists += 1
            return lists == 1 && isFirst ? .more : .failed
        case UInt8(ascii: "]") where lists == 1:
            lists = 0
            return closing == nil ? .done : .more
        case UInt8(ascii: ",") where !isFirst, UInt8(ascii: ";") where !isFirst: return .more
        default:
            guard let closing else { return .failed }
            match = closing
            state = .closing
            guard match?.push(byte) ?? false else { return .failed }
            return .more
        }
    }

    /// False for a member that no call has.
    private mutating func chooseRole() -> Bool {
        switch String(decoding: key, as: UTF8.self) {
        case "name": role = .name
        case "arguments", "parameters": role = .arguments
        case "function": role = .function
        case "id", "type", "index", "description", "tool_call_id": role = .other
        default:
            role = .other
            return names == nil || hasStarted
        }
        return true
    }

    private mutating func read(_ byte: UInt8, _ sink: inout CallSink, _ found: inout DeltaList) -> CallState {
        let place = end.push(byte)
        if place != .after { value.append(byte) }
        if role == .arguments, hasStarted, !hasArguments, place != .after, value.first == UInt8(ascii: "{") {
            sink.arguments(CollectionOfOne(byte), &found)
        }
        guard place != .inside else { return .more }
        state = .afterValue
        switch role {
        case .name:
            guard let text = (try? JSON(parsing: value))?.string, !text.isEmpty, names?.contains(text) ?? true else {
                return .failed
            }
            guard name == nil else { return .failed }
            name = Array(text.utf8)
            start(&sink, &found)
            if let early { sink.arguments(early, &found) }
            hasArguments = early != nil
        case .arguments where name == nil: early = Self.object(value)
        case .arguments where hasArguments: break
        case .arguments:
            if value.first != UInt8(ascii: "{") { sink.arguments(Self.object(value), &found) }
            hasArguments = true
        default: break
        }
        return place == .after ? push(byte, &sink, &found) : .more
    }

    private mutating func start(_ sink: inout CallSink, _ found: inout DeltaList) {
        guard let name else { return }
        sink.start(name, &found)
        hasStarted = true
    }

    /// Arguments that are no object: a text that spells one, or nothing.
    private static func object(_ value: [UInt8]) -> [UInt8] {
        guard value.first != UInt8(ascii: "{") else { return value }
        let text = (try? JSON(parsing: value))?.string.map { Array($0.utf8) } ?? []
        return text.first { !$0.isSpace } == UInt8(ascii: "{") ? text : Array("{}".utf8)
    }

    private mutating func endObject(_ sink: inout CallSink, _ found: inout DeltaList) -> CallState {
        if nested > 0 {
            nested -= 1
            state = .afterValue
            return .more
        }
        guard name != nil else { return .failed }
        if !hasArguments { sink.arguments("{}".utf8, &found) }
        sink.end()
        isFirst = false
        state = .between
        // A single object that is the whole reply may be followed by another or by nothing.
        return .more
    }

    mutating func finish(_ sink: inout CallSink, _ found: inout DeltaList) -> Bool {
        switch state {
        case .between, .closing: !isFirst
        default: false
        }
    }
}
