import MartletPatterns

/// Decodes ids to text incrementally. Every returned text consists of whole characters (Unicode scalars); concatenated
/// with the result of `finish()`, they equal `Tokenizer.decode` of all ids.
///
/// ```swift
/// var decoder = tokenizer.streamingDecoder()
/// for id in ids { print(try decoder.append(id), terminator: "") }
/// print(decoder.finish())
/// ```
public struct StreamingDecoder: Sendable {
    private let tokenizer: Tokenizer
    private let skipsSpecialTokens: Bool
    private var assembler: TokenAssembler

    init(_ tokenizer: Tokenizer, skipSpecialTokens: Bool) {
        self.tokenizer = tokenizer
        skipsSpecialTokens = skipSpecialTokens
        assembler = TokenAssembler(tokenizer.decoderSteps)
    }

    /// The text that is complete with this id; empty while a character is incomplete.
    public mutating func append(_ id: Int32) throws(TokenizerError) -> String {
        if skipsSpecialTokens, tokenizer.isSpecial(id) { return "" }
        try tokenizer.push(id, to: &assembler)
        let complete = Self.completePrefix(of: assembler.output)
        guard complete > 0 else { return "" }
        let text = String(decoding: assembler.output[..<complete], as: UTF8.self)
        assembler.output.removeFirst(complete)
        return text
    }

    /// The rest of the text; bytes that never became a character are U+FFFD.
    public mutating func finish() -> String {
        assembler.finish()
        let text = String(decoding: assembler.output, as: UTF8.self)
        assembler = TokenAssembler(tokenizer.decoderSteps)
        return text
    }

    /// The number of bytes before an incomplete sequence at the end.
    private static func completePrefix(of bytes: [UInt8]) -> Int {
        var start = bytes.count - 1
        while start >= 0, bytes.count - start < 4, bytes[start] & 0xC0 == 0x80 { start -= 1 }
        guard start >= 0, bytes[start] >= 0xC2, utf8Length(bytes[start]) > bytes.count - start else {
            return bytes.count
        }
        if start + 1 < bytes.count {
            // A second byte that the first one does not allow ends the sequence.
            let second = bytes[start + 1]
            switch bytes[start] {
            case 0xE0 where second < 0xA0, 0xED where second > 0x9F, 0xF0 where second < 0x90, 0xF4 where second > 0x8F:
                return bytes.count
            default: break
            }
        }
        return start
    }
}
