import MartletJSON

/// `<function=NAME><parameter=KEY>VALUE</parameter>…</function>`, perhaps followed by `</tool_call>`. Values are text; the
/// tool's schema says which of them are JSON. Each parameter is passed on when it is complete.
struct XMLCall: CallBody {
    private enum State { case opening, name, inside, key, value, closing }
    private let tools: [Tool]
    private var tool: Tool?
    private var state = State.opening
    private var opening = MarkerChoice(["<function="])
    private var inside = MarkerChoice(["<parameter=", "</function>"])
    private var closing = MarkerChoice(["</tool_call>"])
    private var text = TextUntil(">")
    private var key = ""
    private var count = 0

    init(tools: [Tool]) { self.tools = tools }

    mutating func push(_ byte: UInt8, _ sink: inout CallSink, _ found: inout DeltaList) -> CallState {
        switch state {
        case .opening:
            switch opening.push(byte) {
            case .more: break
            case .found:
                text = TextUntil(">")
                state = .name
            case .failed: return .failed
            }
        case .name:
            guard let name = text.push(byte) else { break }
            let function = String(decoding: name.trimmed, as: UTF8.self)
            guard !function.isEmpty else { return .failed }
            tool = tools.first { $0.name == function }
            sink.start(function.utf8, &found)
            state = .inside
        case .inside:
            switch inside.push(byte) {
            case .more: break
            case .found(0):
                text = TextUntil(">")
                state = .key
            case .found:
                sink.arguments((count == 0 ? "{}" : "}").utf8, &found)
                sink.end()
                state = .closing
            case .failed: return .failed
            }
        case .key:
            guard let name = text.push(byte) else { break }
            key = String(decoding: name.trimmed, as: UTF8.self)
            text = TextUntil("</parameter>")
            state = .value
        case .value:
            guard let value = text.push(byte) else { break }
            sink.arguments((count == 0 ? "{" : ", ").utf8, &found)
            let member = JSON.string(key).text() + ": " + json(value).text()
            sink.arguments(member.utf8, &found)
            count += 1
            state = .inside
        case .closing:
            switch closing.push(byte) {
            case .more: break
            case .found: return .done
            case .failed: return .failed
            }
        }
        return .more
    }

    /// The value without the line breaks around it, as the schema wants it.
    private func json(_ bytes: [UInt8]) -> JSON {
        var bytes = bytes[...]
        if bytes.first == UInt8(ascii: "\n") { bytes = bytes.dropFirst() }
        if bytes.last == UInt8(ascii: "\n") { bytes = bytes.dropLast() }
        let text = String(decoding: bytes, as: UTF8.self)
        let type = tool?.parameters["properties"]?[key]?["type"]
        if type?.string == "string" { return .string(text) }
        switch text {
        case "True": return true
        case "False": return false
        case "None": return nil
        default: break
        }
        guard let value = try? JSON(parsing: text) else { return .string(text) }
        return type == nil && value.double != nil ? .string(text) : value
    }

    mutating func finish(_ sink: inout CallSink, _ found: inout DeltaList) -> Bool { state == .closing }
}
