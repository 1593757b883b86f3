import MartletSystem

/// The `model` of a `tokenizer.json`, other than BPE.
extension FileField {
    static let modelKinds = ["BPE", "Unigram", "WordPiece", "WordLevel"]

    /// The model's type; the oldest files do not contain it, so it is inferred.
    func modelKind() throws(TokenizerError) -> String {
        if let type = self["type"] {
            let name = try type.string()
            guard Self.modelKinds.contains(name) else { throw type.unsupported(name, known: Self.modelKinds) }
            return name
        }
        if self["merges"] != nil { return "BPE" }
        let vocabulary = try required("vocab")
        if vocabulary.value.array != nil { return "Unigram" }
        return self["continuing_subword_prefix"] != nil ? "WordPiece" : "WordLevel"
    }

    /// `{"token": id}`
    func vocabularyTokens() throws(TokenizerError) -> [[UInt8]?] {
        let members = try object()
        var list = TokenList()
        for (token, value) in members {
            let field = FileField(value, file: file, path: "\(path).\(token)")
            if let problem = list.insert(Array(token.utf8), at: try field.id()) { throw field.malformed(problem) }
        }
        guard list.count > 0 else { throw malformed("an empty vocabulary") }
        guard list.tokens.count <= 8 * list.count + 65_536 else {
            throw malformed("ids go up to \(list.tokens.count - 1), but there are only \(list.count) tokens")
        }
        return list.tokens
    }

    /// The id of the token named by the member `key`, which must be in the vocabulary.
    func tokenID(_ key: String, in vocabulary: Vocabulary) throws(TokenizerError) -> Int32? {
        guard let field = self[key] else { return nil }
        let token = try field.string()
        guard let id = vocabulary.id(of: token.utf8) else {
            throw field.malformed("the token \(token.quoted()) is not in the vocabulary")
        }
        return id
    }

    func wordLevel() throws(TokenizerError) -> WordLevel {
        let vocabulary = Vocabulary(try required("vocab").vocabularyTokens())
        let unknown = try self["unk_token"]?.string()
        return WordLevel(vocabulary: vocabulary, unknown: unknown.flatMap { vocabulary.id(of: $0.utf8) })
    }

    func wordPiece() throws(TokenizerError) -> WordPiece {
        let vocabulary = Vocabulary(try required("vocab").vocabularyTokens())
        return WordPiece(
            vocabulary: vocabulary, unknown: try tokenID("unk_token", in: vocabulary),
            continuingPrefix: Array(try string("continuing_subword_prefix", or: "##").utf8),
            longestWord: try self["max_input_chars_per_word"]?.count() ?? 100)
    }

    /// `vocab` is a list of `[token, log-probability]`.
    func unigram() throws(TokenizerError) -> Unigram {
        let entries = try required("vocab").elements()
        guard !entries.isEmpty, entries.count <= TokenList.largestID else {
            throw try required("vocab").malformed("\(entries.count) tokens")
        }
        var tokens: [[UInt8]?] = []
        var scores: [Double?] = []
        tokens.reserveCapacity(entries.count)
        scores.reserveCapacity(entries.count)
        for entry in entries {
            guard let parts = entry.value.array, parts.count == 2 else {
                throw entry.malformed("expected [token, log-probability]")
            }
            tokens.append(Array(try entry.element(0, parts[0]).string().utf8))
            scores.append(try entry.element(1, parts[1]).double())
        }
        let vocabulary = Vocabulary(tokens)
        var unknown: Int32?
        if let field = self["unk_id"] {
            let id = try field.id()
            guard id < tokens.count else { throw field.malformed("\(id) is not an id of \(tokens.count) tokens") }
            unknown = id
        }
        var byteTokens: [Int32]?
        if try bool("byte_fallback", or: false) { byteTokens = vocabulary.byteTokens() }
        return Unigram(
            vocabulary: vocabulary, scores: scores, unknown: unknown, byteTokens: byteTokens, precision: .double)
    }
}

extension Vocabulary {
    /// The ids of the tokens `<0x00>` to `<0xFF>`, -1 for a missing one; nil if all are missing.
    package func byteTokens() -> [Int32]? {
        let ids = (UInt8.min...UInt8.max).map { id(of: ByteToken.token(of: $0)) ?? -1 }
        return ids.contains { $0 >= 0 } ? ids : nil
    }
}
