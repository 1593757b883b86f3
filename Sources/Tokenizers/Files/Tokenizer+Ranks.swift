import MartletJSON

extension Tokenizer {
    /// Reads tiktoken's ranks: one line per token with its base64 bytes and its rank, which is the id.
    /// - Parameters:
    ///   - pattern: the pre-tokenizer: a name ("cl100k_base", "o200k_base", "gpt2", …) or a regular expression.
    ///   - specialTokens: ids by content, above the ranks.
    public convenience init(
        tiktoken bytes: some Sequence<UInt8>, pattern: String, specialTokens: [String: Int32] = [:]
    ) throws(TokenizerError) {
        let file = "tiktoken ranks"
        let tokens = try Self.tokens(tiktoken: Array(bytes), file: file)
        var parts = try Self.rankedParts(tokens: tokens, pattern: pattern, file: file)
        for (content, id) in specialTokens.sorted(by: { ($0.value, $0.key) < ($1.value, $1.key) }) {
            guard id >= 0, Int(id) <= TokenList.largestID else {
                throw .malformed(file: file, field: "special token \"\(content)\"", reason: "id \(id)")
            }
            if let other = parts.addedTokens.last, other.id == id {
                throw .malformed(
                    file: file, field: "special token \"\(content)\"", reason: "id \(id) is also \"\(other.content)\"")
            }
            parts.addedTokens.append(AddedToken(id: id, content: content, isSpecial: true))
        }
        parts.details.addTurnEnds(parts.addedTokens)
        self.init(parts)
    }

    static func tokens(tiktoken bytes: [UInt8], file: String) throws(TokenizerError) -> [[UInt8]?] {
        var list = TokenList()
        var problem: TokenizerError?
        bytes.withUnsafeBufferPointer { all in
            var line = 0
            var start = 0
            while start < all.count, problem == nil {
                let end = all[start...].firstIndex(of: 0x0A) ?? all.count
                line += 1
                defer { start = end + 1 }
                var text = all[start..<end]
                if text.last == 0x0D { text.removeLast() }
                if text.isEmpty { continue }
                guard let space = text.firstIndex(of: 0x20),
                    let token = Base64.decode(UnsafeBufferPointer(rebasing: text[..<space])), !token.isEmpty,
                    let rank = Int32(String(decoding: text[(space + 1)...], as: UTF8.self))
                else {
                    problem = .malformed(
                        file: file, field: "line \(line)", reason: "expected a base64 token and its rank")
                    return
                }
                if let reason = list.insert(token, at: rank) {
                    problem = .malformed(file: file, field: "line \(line)", reason: reason)
                }
            }
        }
        if let problem { throw problem }
        guard list.count > 0, list.tokens.count <= 8 * list.count + 65_536 else {
            throw .malformed(
                file: file, field: "ranks", reason: "\(list.count) tokens, ids up to \(list.tokens.count - 1)")
        }
        return list.tokens
    }

    /// Reads GPT-2's two files: `vocab.json` and `merges.txt`.
    /// - Parameter pattern: the pre-tokenizer, as above.
    public convenience init(
        vocabulary: JSON, merges: String, pattern: String = "gpt2"
    ) throws(TokenizerError) {
        self.init(try Self.parts(vocabulary: vocabulary, merges: merges, pattern: pattern))
    }

    static func parts(vocabulary: JSON, merges: String, pattern: String) throws(TokenizerError) -> Parts {
        let tokens = try FileField(vocabulary, file: "vocab.json").vocabularyTokens()
        var lines = merges.utf8.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }).map { String(Substring($0)) }
        if let first = lines.first, first.hasPrefix("#version") { lines.removeFirst() }
        var parts = try byteLevelParts(
            spelledTokens: tokens.map { $0 ?? [] }, merges: lines, pre: pattern, file: "merges.txt")
        // GPT-2's end-of-text token is part of the vocabulary.
        for content in ["<|endoftext|>"] {
            guard let id = tokens.firstIndex(where: { $0.map { $0.elementsEqual(content.utf8) } ?? false }) else {
                continue
            }
            parts.addedTokens.append(AddedToken(id: Int32(id), content: content, isSpecial: true))
            parts.details.bosToken = Int32(id)
            parts.details.eosTokens = [Int32(id)]
        }
        return parts
    }
}
