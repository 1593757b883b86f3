/// Tokenizers of llama2.c and llm.c as a GGUF file says them, and the other way round.
extension GGUFTokenizerMetadata {
    private static let space = Array("▁".utf8)

    /// llama2.c's: the pieces of a sentencepiece model with spaces for ▁, and the markers between line feeds.
    package init(llama2c tokens: [[UInt8]], scores: [Float]) {
        let markers: [String: String] = ["\n<s>\n": "<s>", "\n</s>\n": "</s>"]
        var spelled: [[UInt8]] = [], types: [Int32] = [], begin: Int32?, end: Int32?
        for (id, token) in tokens.enumerated() {
            if id < 8, let marker = markers[String(decoding: token, as: UTF8.self)] {
                spelled.append(Array(marker.utf8))
                types.append(TokenType.control.rawValue)
                if marker == "<s>" { begin = Int32(id) } else { end = Int32(id) }
                continue
            }
            spelled.append(token.flatMap { $0 == 0x20 ? Self.space : [$0] })
            let isByte = token.count == 6 && token.starts(with: Array("<0x".utf8)) && token[5] == 0x3E
            types.append((id == 0 ? TokenType.unknown : isByte ? .byte : .normal).rawValue)
        }
        self.init(model: "llama", tokens: spelled)
        self.scores = scores
        tokenTypes = types
        bosID = begin ?? 1
        eosID = end ?? 2
        unknownID = 0
        addsBOS = true
        addsEOS = false
        addsSpacePrefix = true
    }

    /// llm.c's: the bytes of GPT-2's tokens by their ids, which are the order in which pairs are merged.
    /// - Throws: `TokenizerError` where a token is no pair of tokens before it.
    package init(llmc tokens: [[UInt8]], endOfText: Int, file: String) throws(TokenizerError) {
        var ranks: [[UInt8]: Int] = [:], merges: [String] = []
        for (id, token) in tokens.enumerated() where id != endOfText {
            guard ranks[token] == nil else {
                throw .malformed(
                    file: file, field: "token \(id)", reason: "has the bytes of token \(ranks[token] ?? 0)")
            }
            if token.count > 1 {
                let parts = Self.merged(token, ranks)
                guard parts.count == 2 else {
                    throw .malformed(file: file, field: "token \(id)", reason: "is no pair of tokens before it")
                }
                merges.append(
                    parts.map { String(decoding: ByteAlphabet.spelling(of: $0), as: UTF8.self) }.joined(separator: " "))
            }
            ranks[token] = id
        }
        var spelled = tokens.map { ByteAlphabet.spelling(of: $0) }
        spelled[endOfText] = tokens[endOfText]
        self.init(model: "gpt2", tokens: spelled)
        pre = "gpt-2"
        self.merges = merges
        tokenTypes = tokens.indices.map { ($0 == endOfText ? TokenType.control : .normal).rawValue }
        bosID = Int32(endOfText)
        eosID = Int32(endOfText)
        addsBOS = false
    }

    /// What byte pairs make of some bytes, the pair of the lowest rank merged first.
    private static func merged(_ bytes: [UInt8], _ ranks: [[UInt8]: Int]) -> [[UInt8]] {
        var parts = bytes.map { [$0] }
        while parts.count > 1 {
            var best: (rank: Int, place: Int)?
            for place in 0..<parts.count - 1 {
                guard let rank = ranks[parts[place] + parts[place + 1]], rank < best?.rank ?? .max else { continue }
                best = (rank, place)
            }
            guard let best else { break }
            parts[best.place] += parts.remove(at: best.place + 1)
        }
        return parts
    }

    /// The bytes of every token as llama2.c has them, with scores; nil for a tokenizer that is no sentencepiece model or
    /// byte-level BPE.
    ///
    /// run.c merges by scores over the whole text. A byte-level BPE cuts a text first, so that its ids for a prompt may
    /// differ there (`isExact` is false); what is generated reads the same.
    package func llama2cTokens() -> (tokens: [[UInt8]], scores: [Float], isExact: Bool)? {
        switch model {
        case "llama":
            guard scores.count == tokens.count else { return nil }
            let bytes = tokens.enumerated().map { id, token -> [UInt8] in
                if Int32(id) == bosID ?? 1 { return Array("\n<s>\n".utf8) }
                if Int32(id) == eosID ?? 2 { return Array("\n</s>\n".utf8) }
                return Array(String(decoding: token, as: UTF8.self).replacing("▁", with: " ").utf8)
            }
            // run.c has 256 byte tokens from 3 on, and puts a space before every text.
            let hasBytes = tokens.count > 258 && tokens[3] == Array("<0x00>".utf8)
            return (bytes, scores, hasBytes && (bosID ?? 1) == 1 && addsSpacePrefix != false)
        case "gpt2":
            guard let bytes = rawTokens() else { return nil }
            var scores = [Float](repeating: -1e9, count: bytes.count), places: [[UInt8]: Int] = [:]
            for (id, token) in tokens.enumerated() { places[token] = id }
            for (rank, merge) in merges.enumerated() {
                let joined = Array(merge.utf8).filter { $0 != 0x20 }
                if let id = places[joined], scores[id] == -1e9 { scores[id] = -Float(rank) - 1 }
            }
            return (bytes, scores, false)
        default: return nil
        }
    }

    /// The bytes of every token of a byte-level BPE.
    package func rawTokens() -> [[UInt8]]? {
        guard model == "gpt2" else { return nil }
        return tokens.enumerated().map { id, token in
            let isMarker = tokenTypes.indices.contains(id) && tokenTypes[id] != TokenType.normal.rawValue
            return isMarker ? token : ByteAlphabet.bytes(spelledBy: token) ?? token
        }
    }
}
