import MartletJSON

/// A Python list of calls: `[name(key="value", other=1), …]`. They are emitted when the list ends.
struct PythonCalls: CallBody {
    private let names: Set<String>
    private var bytes: [UInt8] = []
    private var depth = 0
    private var quote: UInt8?
    private var isEscaped = false
    private var hasName = false

    init(names: Set<String>) { self.names = names }

    mutating func push(_ byte: UInt8, _ sink: inout CallSink, _ found: inout DeltaList) -> CallState {
        if bytes.isEmpty {
            if byte.isSpace { return .more }
            guard byte == UInt8(ascii: "[") else { return .failed }
        }
        bytes.append(byte)
        if let quote {
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == quote {
                self.quote = nil
            }
            return .more
        }
        switch byte {
        case UInt8(ascii: "'"), UInt8(ascii: "\""):
            guard hasName else { return .failed }
            quote = byte
        case UInt8(ascii: "("):
            depth += 1
            if !hasName {
                guard names.contains(String(decoding: Array(bytes[1..<(bytes.count - 1)]).trimmed, as: UTF8.self))
                else {
                    return .failed
                }
                hasName = true
            }
        case UInt8(ascii: "["), UInt8(ascii: "{"):
            guard hasName || bytes.count == 1 else { return .failed }
            depth += 1
        case UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: "}"):
            depth -= 1
            if depth == 0 { return tell(&sink, &found) }
        default: if !hasName, bytes.count > 256 { return .failed }
        }
        return .more
    }

    private func tell(_ sink: inout CallSink, _ found: inout DeltaList) -> CallState {
        var reader = LiteralReader(bytes)
        guard reader.take("["), let calls = calls(&reader), !calls.isEmpty else { return .failed }
        for call in calls { sink.call(call.name.utf8, arguments: JSON.object(call.arguments).bytes(), &found) }
        return .done
    }

    private func calls(_ reader: inout LiteralReader) -> [(name: String, arguments: JSONObject)]? {
        var calls: [(name: String, arguments: JSONObject)] = []
        while !reader.take("]") {
            guard let name = reader.identifier(), names.contains(name), reader.take("(") else { return nil }
            var arguments = JSONObject()
            while !reader.take(")") {
                guard let key = reader.identifier(), arguments[key] == nil, reader.take("="),
                    let value = reader.value()
                else { return nil }
                arguments[key] = value
                guard reader.take(",") || reader.next == UInt8(ascii: ")") else { return nil }
            }
            calls.append((name, arguments))
            guard reader.take(",") || reader.next == UInt8(ascii: "]") else { return nil }
        }
        return calls
    }

    mutating func finish(_ sink: inout CallSink, _ found: inout DeltaList) -> Bool { false }
}
