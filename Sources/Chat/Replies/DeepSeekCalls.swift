/// Parses calls after DeepSeek's opening. V3 and R1 write the name on its own line and the arguments in a code fence;
/// V3.1 writes name, separator, arguments.
struct DeepSeekCalls: CallBody {
    static let opening = "<｜tool▁calls▁begin｜>", closing = "<｜tool▁calls▁end｜>"
    static let begin = "<｜tool▁call▁begin｜>", end = "<｜tool▁call▁end｜>", separator = "<｜tool▁sep｜>"

    private enum State { case between, header, afterSeparator, line, fence, arguments, end }
    private var state = State.between
    private var choice = MarkerChoice([begin, closing])
    private var header = TextUntil(separator)
    private var name: [UInt8] = []
    private var line: [UInt8] = []
    private var arguments = ArgumentText()
    private var ending = MarkerChoice([end], skipping: "`")
    private var hasCalls = false

    mutating func push(_ byte: UInt8, _ sink: inout CallSink, _ found: inout DeltaList) -> CallState {
        switch state {
        case .between:
            switch choice.push(byte) {
            case .more: break
            case .found(0):
                header = TextUntil(Self.separator)
                line = []
                state = .header
            case .found: return .done
            case .failed: return .failed
            }
        case .header:
            guard let text = header.push(byte) else { break }
            name = text.trimmed
            state = .afterSeparator
        case .afterSeparator:
            if byte.isSpace { break }
            if byte == UInt8(ascii: "{") { return begin(byte, &sink, &found) }
            line = [byte]
            state = .line
        case .line:
            guard byte == UInt8(ascii: "\n") else {
                line.append(byte)
                break
            }
            name = line.trimmed
            state = .fence
        case .fence: if byte == UInt8(ascii: "{") { return begin(byte, &sink, &found) }
        case .arguments:
            switch arguments.push(byte) {
            case .more: break
            case .failed: return .failed
            case .done:
                sink.call(name, arguments: arguments.bytes, &found)
                hasCalls = true
                ending = MarkerChoice([Self.end], skipping: "`")
                state = .end
            }
        case .end:
            switch ending.push(byte) {
            case .more: break
            case .found:
                choice = MarkerChoice([Self.begin, Self.closing])
                state = .between
            case .failed: return .failed
            }
        }
        return .more
    }

    private mutating func begin(_ byte: UInt8, _ sink: inout CallSink, _ found: inout DeltaList) -> CallState {
        guard !name.isEmpty else { return .failed }
        arguments = ArgumentText()
        state = .arguments
        return push(byte, &sink, &found)
    }

    mutating func finish(_ sink: inout CallSink, _ found: inout DeltaList) -> Bool {
        hasCalls && (state == .between || state == .end)
    }
}
