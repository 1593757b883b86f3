/// Parses calls after `[TOOL_CALLS]`: a list of JSON objects, or `name[ARGS]{…}`, optionally with `[CALL_ID]id` in
/// between.
struct MistralCall: CallBody {
    private enum State { case start, list, name, tag, identifier, arguments }
    private var state = State.start
    private var list = JSONCalls(closing: nil, names: nil)
    private var name: [UInt8] = []
    private var tag = MarkerChoice(["[ARGS]", "[CALL_ID]"])
    private var arguments = ArgumentText()

    mutating func push(_ byte: UInt8, _ sink: inout CallSink, _ found: inout DeltaList) -> CallState {
        switch state {
        case .start:
            if byte.isSpace { return .more }
            if byte == UInt8(ascii: "[") || byte == UInt8(ascii: "{") {
                state = .list
                return list.push(byte, &sink, &found)
            }
            name.append(byte)
            state = .name
        case .list: return list.push(byte, &sink, &found)
        case .name:
            if byte == UInt8(ascii: "{") { return begin(byte, &sink, &found) }
            if byte == UInt8(ascii: "[") {
                state = .tag
                return push(byte, &sink, &found)
            }
            guard !byte.isSpace, name.count < 256 else { return .failed }
            name.append(byte)
        case .tag:
            switch tag.push(byte) {
            case .more: break
            case .found(0): state = .arguments
            case .found: state = .identifier
            case .failed: return .failed
            }
        case .identifier:
            guard byte == UInt8(ascii: "[") else { return .more }
            state = .tag
            return push(byte, &sink, &found)
        case .arguments: return read(byte, &sink, &found)
        }
        return .more
    }

    private mutating func begin(_ byte: UInt8, _ sink: inout CallSink, _ found: inout DeltaList) -> CallState {
        state = .arguments
        return read(byte, &sink, &found)
    }

    private mutating func read(_ byte: UInt8, _ sink: inout CallSink, _ found: inout DeltaList) -> CallState {
        let result = arguments.push(byte)
        if result == .done { sink.call(name, arguments: arguments.bytes, &found) }
        return result
    }

    mutating func finish(_ sink: inout CallSink, _ found: inout DeltaList) -> Bool {
        state == .list && list.finish(&sink, &found)
    }
}
