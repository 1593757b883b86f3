import MartletJSON

/// `call:name{key:value,…}` up to its closing token. Strings stand between tokens of their own.
struct GemmaCall: CallBody {
    private var bytes: [UInt8] = []
    private let closings = ["<end_function_call>", "<tool_call|>"].map { Array($0.utf8) }

    mutating func push(_ byte: UInt8, _ sink: inout CallSink, _ found: inout DeltaList) -> CallState {
        bytes.append(byte)
        if bytes.count <= 5 { return "call:".utf8.starts(with: bytes) ? .more : .failed }
        guard byte == UInt8(ascii: ">"),
            let closing = closings.first(where: { bytes.suffix($0.count).elementsEqual($0) })
        else { return .more }
        var reader = LiteralReader(
            Array(bytes.dropFirst(5).dropLast(closing.count)), quotes: ["<escape>", "<|\"|>"], hasBareWords: true)
        guard let name = reader.identifier(), let arguments = reader.value(), arguments.object != nil else {
            return .failed
        }
        sink.call(name.utf8, arguments: arguments.bytes(), &found)
        return .done
    }

    mutating func finish(_ sink: inout CallSink, _ found: inout DeltaList) -> Bool { false }
}
