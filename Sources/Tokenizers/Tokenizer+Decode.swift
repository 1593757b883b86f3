extension Tokenizer {
    /// The text of ids. Invalid UTF-8 becomes U+FFFD, one for each maximal subpart of a sequence; ids without a token
    /// (models have them where their embedding is padded) produce no text.
    /// - Throws: `TokenizerError.unknownID` for an id below 0.
    public func decode(_ ids: some Sequence<Int32>, skipSpecialTokens: Bool = false) throws(TokenizerError) -> String {
        String(decoding: try decodeBytes(ids, skipSpecialTokens: skipSpecialTokens), as: UTF8.self)
    }

    /// The bytes of ids, which may end inside a character.
    public func decodeBytes(
        _ ids: some Sequence<Int32>, skipSpecialTokens: Bool = false
    ) throws(TokenizerError) -> [UInt8] {
        if decoderSteps.isEmpty {
            // An array, so that the loop is compiled for one type only.
            let ids = Array(ids)
            var bytes: [UInt8] = []
            bytes.reserveCapacity(ids.count * 4)
            for id in ids where !(skipSpecialTokens && isSpecial(id)) { try append(id, to: &bytes) }
            return bytes
        }
        var assembler = TokenAssembler(decoderSteps)
        for id in ids where !(skipSpecialTokens && isSpecial(id)) {
            try push(id, to: &assembler)
        }
        assembler.finish()
        return assembler.output
    }

    /// A decoder for ids that arrive one at a time.
    public func streamingDecoder(skipSpecialTokens: Bool = true) -> StreamingDecoder {
        StreamingDecoder(self, skipSpecialTokens: skipSpecialTokens)
    }

    /// Passes a token to the assembler; an id without a token adds nothing, not even a separator.
    func push(_ id: Int32, to assembler: inout TokenAssembler) throws(TokenizerError) {
        let token = try spelling(of: id)
        if !token.isEmpty || hasToken(id) { assembler.push(token) }
    }
}
