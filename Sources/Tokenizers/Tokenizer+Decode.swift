extension Tokenizer {
    /// The text of ids. Bytes that are not UTF-8 become U+FFFD, one for each maximal subpart of a sequence; ids without a
    /// token, which models have where their weights are padded, are no text.
    /// - Throws: `unknownID` for an id below 0.
    public func decode(_ ids: some Sequence<Int32>, skipSpecialTokens: Bool = false) throws(TokenizerError) -> String {
        String(decoding: try decodeBytes(ids, skipSpecialTokens: skipSpecialTokens), as: UTF8.self)
    }

    /// The bytes of ids, which a character cut in two leaves incomplete.
    public func decodeBytes(
        _ ids: some Sequence<Int32>, skipSpecialTokens: Bool = false
    ) throws(TokenizerError) -> [UInt8] {
        if decoderSteps.isEmpty {
            // An array, so that the loop is compiled for one.
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

    /// A decoder to feed ids one at a time.
    public func streamingDecoder(skipSpecialTokens: Bool = true) -> StreamingDecoder {
        StreamingDecoder(self, skipSpecialTokens: skipSpecialTokens)
    }

    /// Adds a token to what a decoder puts together; an id without one adds nothing, not even a place between tokens.
    func push(_ id: Int32, to assembler: inout TokenAssembler) throws(TokenizerError) {
        let token = try spelling(of: id)
        if !token.isEmpty || hasToken(id) { assembler.push(token) }
    }
}
