import MartletJSON

/// `<function=NAME><parameter=KEY>VALUE</parameter>…</function>`, optionally followed by `</tool_call>`. Values are
/// text; the tool's schema determines which of them are JSON. A call is emitted at the end of its function.
struct XMLCall: CallBody {
    private enum State { case opening, name, inside, key, value, closing }
    private let tools: [Tool]
    private var tool: Tool?
    private var state = State.opening
    private var opening = MarkerChoice(["<function="])
    private var inside = MarkerChoice(["<parameter=", "</function>"])
    private var closing = MarkerChoice(["</tool_call>"])
    private var text = TextUntil(">")
    private var function: [UInt8] = []
    private var key = ""
    private var arguments = JSONObject()

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
            function = name.trimmed
            guard !function.isEmpty else { return .failed }
            tool = tools.first { $0.name.utf8.elementsEqual(function) }
            state = .inside
        case .inside:
            switch inside.push(byte) {
            case .more: break
            case .found(0):
                text = TextUntil(">")
                state = .key
            case .found:
                let members = arguments.map { JSON.string($0.key).text() + ": " + $0.value.text() }
                sink.call(function, arguments: "{\(members.joined(separator: ", "))}".utf8, &found)
                state = .closing
            case .failed: return .failed
            }
        case .key:
            guard let name = text.push(byte) else { break }
            key = String(decoding: name.trimmed, as: UTF8.self)
            guard !key.isEmpty, arguments[key] == nil else { return .failed }
            text = TextUntil("</parameter>")
            state = .value
        case .value:
            guard let value = text.push(byte) else { break }
            arguments[key] = json(value)
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

    /// The value without the line breaks around it, in the type that the schema requires.
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
