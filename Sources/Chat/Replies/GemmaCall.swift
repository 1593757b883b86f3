import MartletJSON

/// `call:name{key:value,…}` up to its closing token. Strings are between special tokens.
struct GemmaCall: CallBody {
    private var bytes: [UInt8] = []
    /// The mark that ends the open string; inside it, other bytes have no meaning.
    private var quote: [UInt8]?
    private static let quotes = ["<escape>", "<|\"|>"]
    private static let marks = quotes.map { Array($0.utf8) }
    private static let closings = ["<end_function_call>", "<tool_call|>"].map { Array($0.utf8) }

    mutating func push(_ byte: UInt8, _ sink: inout CallSink, _ found: inout DeltaList) -> CallState {
        bytes.append(byte)
        if bytes.count <= 5 { return "call:".utf8.starts(with: bytes) ? .more : .failed }
        guard byte == UInt8(ascii: ">") else { return .more }
        func ends(_ mark: [UInt8]) -> Bool { bytes.suffix(mark.count).elementsEqual(mark) }
        if let quote {
            if ends(quote) { self.quote = nil }
            return .more
        }
        quote = Self.marks.first(where: ends)
        guard quote == nil, let closing = Self.closings.first(where: ends) else { return .more }
        var reader = LiteralReader(
            Array(bytes.dropFirst(5).dropLast(closing.count)), quotes: Self.quotes, hasBareWords: true)
        guard let name = reader.identifier(), let arguments = reader.value(), arguments.object != nil else {
            return .failed
        }
        reader.skipSpace()
        guard reader.isAtEnd else { return .failed }
        sink.call(name.utf8, arguments: arguments.bytes(), &found)
        return .done
    }

    mutating func finish(_ sink: inout CallSink, _ found: inout DeltaList) -> Bool { false }
}
