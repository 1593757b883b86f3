import MartletJSON

extension Tokenizer {
    /// Reads the tokenizer of a model's folder, or one file of it.
    ///
    /// Looked for in this order: `tokenizer.json`; `tokenizer.model` or `spiece.model` (sentencepiece, or tiktoken's
    /// ranks); `vocab.json` and `merges.txt`; `*.tiktoken`; `vocab.txt` (BERT). Beside them `tokenizer_config.json`,
    /// `special_tokens_map.json`, `generation_config.json` and `chat_template.jinja` add what they know.
    public convenience init(folder path: String) throws(TokenizerError) {
        if TokenizerFile.isFolder(path) {
            self.init(try Self.parts(folder: path))
        } else {
            self.init(try Self.parts(file: path, folder: path.parentFolder, configuration: nil))
        }
    }

    private static func parts(folder: String) throws(TokenizerError) -> Parts {
        func path(_ name: String) -> String { folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)" }
        func field(_ name: String) throws(TokenizerError) -> FileField? {
            TokenizerFile.exists(path(name)) ? FileField(try TokenizerFile.json(path(name)), file: name) : nil
        }
        let configuration = try field("tokenizer_config.json")
        let names = [
            "tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "vocab.json",
        ]
        let all = TokenizerFile.names(in: folder)
        let known = names.first { TokenizerFile.exists(path($0)) }
        guard
            let name = known ?? all.first(where: { $0.hasSuffix(".tiktoken") })
                ?? all.first(where: { $0 == "vocab.txt" })
        else {
            throw .unreadable(
                file: folder,
                reason: "no tokenizer in it; looked for \(names.joined(separator: ", ")), *.tiktoken, vocab.txt")
        }
        var parts = try parts(file: path(name), folder: folder, configuration: configuration)
        if let map = try field("special_tokens_map.json") {
            let copy = parts
            var mapped = Details()
            try mapped.read(map) { copy.id(of: $0) }
            parts.details.fill(from: mapped)
        }
        if let generation = try field("generation_config.json") {
            let size = max(parts.model.vocabularySize, (parts.addedTokens.map { Int($0.id) + 1 }).max() ?? 0)
            try parts.details.readEnds(generation, vocabularySize: size)
        }
        for (suffix, location) in [("", folder), ("", path("additional_chat_templates"))] {
            for name in TokenizerFile.names(in: location) where name.hasSuffix(".jinja") {
                let isMain = name == "chat_template.jinja" && location == folder
                guard isMain || location != folder else { continue }
                let key = isMain ? "default" : String(name.dropLast(".jinja".count)) + suffix
                parts.details.chatTemplates[key] = try TokenizerFile.text("\(location)/\(name)")
            }
        }
        return parts
    }

    /// - Parameter folder: where a file's companions lie.
    private static func parts(
        file path: String, folder: String, configuration: FileField?
    ) throws(TokenizerError) -> Parts {
        let name = TokenizerFile.name(of: path)
        if name == "vocab.json" {
            var parts = try parts(
                vocabulary: try TokenizerFile.json(path), merges: try TokenizerFile.text("\(folder)/merges.txt"),
                pattern: "gpt2")
            try parts.readConfiguration(configuration)
            return parts
        }
        if name.hasSuffix(".json") {
            return try parts(json: try TokenizerFile.json(path), configuration: configuration?.value, file: name)
        }
        if name == "vocab.txt" { return try bertParts(try TokenizerFile.text(path), configuration: configuration) }
        let bytes = try TokenizerFile.bytes(path)
        var result: Parts
        if name.hasSuffix(".tiktoken") || bytes.looksLikeRanks {
            result = try rankedParts(
                tokens: try tokens(tiktoken: bytes, file: name), pattern: pattern(of: name, configuration), file: name)
            // Special tokens lie beyond the ranks; their ids are in the configuration.
            if let decoder = configuration?["added_tokens_decoder"] {
                for (id, value) in try decoder.object() {
                    let field = FileField(value, file: decoder.file, path: "\(decoder.path).\(id)")
                    guard let number = Int32(id), number >= 0, Int(number) <= TokenList.largestID else {
                        throw field.malformed("\"\(id)\" is no token id")
                    }
                    result.addedTokens.append(
                        AddedToken(
                            id: number, content: try field.required("content").string(),
                            isSpecial: try field.bool("special", or: false)))
                }
            }
        } else {
            let isT5 = try configuration?["tokenizer_class"]?.string().hasPrefix("T5") ?? (name == "spiece.model")
            let surroundings = Surroundings(
                addsBOS: try configuration?.bool("add_bos_token", or: !isT5) ?? !isT5,
                addsEOS: try configuration?.bool("add_eos_token", or: isT5) ?? isT5)
            result = try parts(SentencePieceModel(bytes, file: name), file: name, surroundings)
        }
        try result.readConfiguration(configuration)
        return result
    }

    private static func pattern(of name: String, _ configuration: FileField?) -> String {
        for known in ["o200k", "cl100k", "p50k", "r50k"] where name.hasPrefix(known) { return "\(known)_base" }
        if name.hasPrefix("qwen") { return "qwen2" }
        return "llama3"
    }

    /// BERT's `vocab.txt`: a token a line.
    private static func bertParts(_ text: String, configuration: FileField?) throws(TokenizerError) -> Parts {
        var tokens: [[UInt8]?] = text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false).map { line in
            line.last == 0x0D ? Array(line.dropLast()) : Array(line)
        }
        if tokens.last == [] { tokens.removeLast() }
        guard !tokens.isEmpty, tokens.count <= TokenList.largestID else {
            throw .malformed(file: "vocab.txt", field: "the whole file", reason: "\(tokens.count) tokens")
        }
        let vocabulary = Vocabulary(tokens)
        let unknown = vocabulary.id(of: "[UNK]".utf8)
        var parts = Parts(
            model: WordPiece(
                vocabulary: vocabulary, unknown: unknown, continuingPrefix: [0x23, 0x23], longestWord: 100))
        parts.details.kind = "WordPiece"
        parts.normalizer = BertNormalizer(
            cleansText: true, separatesChinese: true, stripsAccents: nil,
            lowercases: try configuration?.bool("do_lower_case", or: true) ?? true)
        parts.stages = PieceStages(PieceStages.bert)
        parts.decoderSteps = [.wordPiece(prefix: [0x23, 0x23], cleansUp: true)]
        for name in ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] {
            guard let id = vocabulary.id(of: name.utf8) else { continue }
            parts.addedTokens.append(AddedToken(id: id, content: name, isSpecial: true))
        }
        parts.details.unknownToken = unknown
        if let start = vocabulary.id(of: "[CLS]".utf8), let end = vocabulary.id(of: "[SEP]".utf8) {
            parts.template = SequenceTemplate(
                single: [.token(start, type: 0), .first(type: 0), .token(end, type: 0)],
                pair: [
                    .token(start, type: 0), .first(type: 0), .token(end, type: 0), .second(type: 1),
                    .token(end, type: 1),
                ])
        }
        try parts.readConfiguration(configuration)
        return parts
    }
}

extension Tokenizer.Details {
    /// Takes what is still unknown here.
    mutating func fill(from other: Self) {
        bosToken = bosToken ?? other.bosToken
        padToken = padToken ?? other.padToken
        unknownToken = unknownToken ?? other.unknownToken
        separatorToken = separatorToken ?? other.separatorToken
        classToken = classToken ?? other.classToken
        maskToken = maskToken ?? other.maskToken
        if eosTokens.isEmpty { eosTokens = other.eosTokens }
    }
}

extension String {
    fileprivate var parentFolder: String {
        utf8.lastIndex(of: UInt8(ascii: "/")).map { String(self[..<$0]) } ?? "."
    }
}

extension [UInt8] {
    /// Whether the first line is base64, a space and a number. A protocol buffer of pieces begins with a line feed.
    fileprivate var looksLikeRanks: Bool {
        let line = prefix(512).prefix { $0 != 0x0A }
        guard let space = line.firstIndex(of: 0x20), space > 0 else { return false }
        return line[..<space].withContiguousStorageIfAvailable { Base64.decode($0) } ?? nil != nil
            && line[(space + 1)...].allSatisfy { $0 >= 0x30 && $0 <= 0x39 || $0 == 0x0D }
    }
}
