import MartletChat
import MartletTokenizers

extension DocumentEncoder {
    /// Pairs as they are, for models that read one text and write another: the prompt's tokens, which are not trained on,
    /// then the response's, which are. What ends a document ends the response, and the prompt where the tokenizer puts it behind
    /// every text. Of a conversation the last reply is the response, and
    /// what stands before it, a message to a line, the prompt.
    ///
    /// ```swift
    /// let encoder = DocumentEncoder.pairs(tokenizer: tokenizer, separator: tokenizer.documentEnd)
    /// ```
    ///
    /// - Parameter longest: the most tokens of a pair; longer ones are left out and counted.
    public static func pairs(tokenizer: Tokenizer, separator: Int32?, longest: Int? = nil) -> DocumentEncoder {
        let ends = separator.map { [$0] } ?? []
        return DocumentEncoder(
            tokenizer: tokenizer, separator: separator,
            chats: .encoded { messages, _ in
                guard let last = messages.last, last.role == "assistant", let response = last.content,
                    !response.isEmpty
                else { throw DataError(.malformed, "is no pair: it does not end with a response") }
                guard last["weight"]?.double ?? 1 == 1, last["train_detail"] == nil else {
                    throw DataError(
                        .malformed, "is a pair, whose response counts as a whole, and it has another weight than 1")
                }
                let prompt = messages.dropLast().compactMap(\.content).filter { !$0.isEmpty }.joined(separator: "\n")
                guard !prompt.isEmpty else { throw DataError(.malformed, "is no pair: it has no prompt") }
                func tokens(_ text: String) throws -> [Int32] {
                    try tokenizer.encode(bytes: Array(text.utf8), addSpecialTokens: false, parseSpecial: false)
                }
                let source = try tokens(prompt) + (tokenizer.addsEOS ? ends : []), target = try tokens(response) + ends
                guard !source.isEmpty else {
                    throw DataError(.malformed, "is no pair: the tokenizer makes no token of its prompt")
                }
                if let longest, source.count + target.count > longest { return DocumentEncoding([], notes: [.tooLong]) }
                return DocumentEncoding([
                    EncodedDocument(
                        tokens: source + target,
                        isTrained: Array(repeating: false, count: source.count)
                            + Array(repeating: true, count: target.count),
                        sourceByteCount: prompt.utf8.count + response.utf8.count)
                ])
            })
    }
}
