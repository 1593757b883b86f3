import MartletJSON

extension Tokenizer {
    /// Reads the tokenizer of a model folder, or a single tokenizer file.
    ///
    /// ```swift
    /// let tokenizer = try Tokenizer(folder: "SmolLM2-135M-Instruct")
    /// let ids = try tokenizer.encode("Hello, world")
    /// let text = try tokenizer.decode(ids)
    /// ```
    ///
    /// Files are searched in this order: `tokenizer.json`; `tokenizer.model`, `spiece.model` or `spm.model`
    /// (sentencepiece, or tiktoken's ranks); `vocab.json` and `merges.txt`; `*.tiktoken`; `vocab.txt` (BERT). If present,
    /// `tokenizer_config.json`, `special_tokens_map.json`, `added_tokens.json`, `generation_config.json` and
    /// `chat_template.jinja` are read too. The folder needs no weights and no `config.json`.
    /// - Throws: `TokenizerError` with the file and the field.
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
            "tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "spm.model",
            "vocab.json",
        ]
        let all = TokenizerFile.names(in: folder)
        let isMarian = !all.contains("tokenizer.json") && all.contains("source.spm") && all.contains("vocab.json")
        let known = isMarian ? "source.spm" : names.first { TokenizerFile.exists(path($0)) }
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

    /// The files beside a vocabulary.
    private struct Companions {
        var configuration: FileField?
        var special: FileField?
        var added: FileField?
        var className: String?

        init(folder: String, configuration: FileField?) throws(TokenizerError) {
            func field(_ name: String) throws(TokenizerError) -> FileField? {
                let path = "\(folder)/\(name)"
                return TokenizerFile.exists(path) ? FileField(try TokenizerFile.json(path), file: name) : nil
            }
            self.configuration = configuration
            special = try field("special_tokens_map.json")
            added = try field("added_tokens.json")
            let model = configuration?["tokenizer_class"] == nil ? try field("config.json") : nil
            className = try TokenizerClass.name(configuration, model: model)
        }

        /// The special token of this role: `"bos_token": "<s>"` or `"bos_token": {"content": "<s>"}`.
        func token(_ key: String) throws(TokenizerError) -> String? {
            for file in [configuration, special] {
                guard let field = file?[key] else { continue }
                return try field.value.object == nil ? field.string() : field.required("content").string()
            }
            return nil
        }
    }

    /// Marian's files: the pieces of the source's sentencepiece model, with the ids of `vocab.json`, which the target's
    /// pieces share; `</s>` behind every text. Tokens such as `>>fr<<` name the target language.
    private static func marianParts(_ bytes: [UInt8], folder: String) throws(TokenizerError) -> Parts {
        let source = try SentencePieceModel(bytes, file: "source.spm")
        let listed = try FileField(TokenizerFile.json("\(folder)/vocab.json"), file: "vocab.json")
        var ids: [String: Int] = [:]
        for (token, id) in try listed.object() {
            ids[token] = Int(try FileField(id, file: "vocab.json", path: token).id())
        }
        guard let end = ids["</s>"], let unknown = ids["<unk>"] else {
            throw .malformed(file: "vocab.json", field: "the whole file", reason: "no </s> or no <unk>")
        }
        let model = source.renumbered(ids, unknown: unknown, end: end, pad: ids["<pad>"])
        var result = try parts(model, file: "source.spm", Surroundings(addsEOS: true))
        for (token, id) in ids where token.hasPrefix(">>") && token.hasSuffix("<<") {
            result.addedTokens.append(AddedToken(id: Int32(id), content: token, isSpecial: true))
        }
        result.addedTokens.sort { $0.id < $1.id }
        return result
    }

    /// - Parameter folder: the folder of the companion files.
    private static func parts(
        file path: String, folder: String, configuration: FileField?
    ) throws(TokenizerError) -> Parts {
        let name = TokenizerFile.name(of: path)
        if name.hasSuffix(".json"), name != "vocab.json" {
            return try parts(json: try TokenizerFile.json(path), configuration: configuration?.value, file: name)
        }
        let companions = try Companions(folder: folder, configuration: configuration)
        var result: Parts
        if name == "vocab.json" {
            result = try mergedParts(path, folder: folder, companions)
        } else if name == "source.spm" {
            result = try marianParts(try TokenizerFile.bytes(path), folder: folder)
        } else if name == "vocab.txt" {
            result = try bertParts(try TokenizerFile.text(path), companions)
        } else {
            let bytes = try TokenizerFile.bytes(path)
            if name.hasSuffix(".tiktoken") || bytes.looksLikeRanks {
                result = try rankedParts(
                    tokens: try tokens(tiktoken: bytes, file: name), pattern: pattern(of: name, configuration),
                    file: name)
            } else {
                result = try sentencePieceParts(bytes, name, folder: folder, companions)
            }
        }
        try result.readAddedTokens(configuration, list: companions.added, special: companions.special)
        if companions.className?.contains("T5") ?? (name == "spiece.model"), result.details.kind == "Unigram" {
            try result.addExtraIDs(configuration)
        }
        try result.readConfiguration(configuration)
        return result
    }

    private static func sentencePieceParts(
        _ bytes: [UInt8], _ name: String, folder: String, _ companions: Companions
    ) throws(TokenizerError) -> Parts {
        let source = try SentencePieceModel(bytes, file: name)
        let configuration = companions.configuration
        let className = companions.className ?? (name == "sentencepiece.bpe.model" ? "XLMRobertaTokenizer" : nil)
        if let className, TokenizerClass.fairseqSentencePiece.contains(className) {
            var result = try parts(source.withFairseqIDs(), file: name, Surroundings())
            result.surroundAsRoberta(start: 0, end: 2)
            let mask = Int32(source.tokens.count + 1)
            for index in result.addedTokens.indices where result.addedTokens[index].id == mask {
                result.addedTokens[index].stripsLeft = true
            }
            result.details.maskToken = mask
            return result
        }
        if className == "DebertaV2Tokenizer" || className == nil && name == "spm.model" {
            return try debertaParts(source, name, configuration)
        }
        if let className, Parts.translatingClasses.contains(className) {
            return try .translating(source, className, file: name, configuration) { () throws(TokenizerError) in
                FileField(try TokenizerFile.json("\(folder)/vocab.json"), file: "vocab.json")
            }
        }
        try TokenizerClass.check(
            className, TokenizerClass.plainSentencePiece.union(Parts.translatingClasses), configuration)
        let isT5 = className?.contains("T5") ?? (name == "spiece.model")
        var surroundings = Surroundings(
            addsBOS: try configuration?.bool("add_bos_token", or: !isT5) ?? !isT5,
            addsEOS: try configuration?.bool("add_eos_token", or: isT5) ?? isT5)
        // If the file does not specify it: the behaviour of transformers 5.
        let isLegacy = className != "LlamaTokenizer" && className != "CodeLlamaTokenizer"
        surroundings.prefixesFirstOnly = try !(configuration?.bool("legacy", or: isLegacy) ?? isLegacy)
        surroundings.addsNoPrefix = try configuration?.bool("add_prefix_space", or: true) == false
        return try parts(source, file: name, surroundings)
    }

    /// DeBERTa's file: `[CLS]` and `[SEP]` around a text, the second text of a pair in a segment of its own, and `[MASK]`
    /// behind the pieces where it is none of them.
    private static func debertaParts(
        _ source: SentencePieceModel, _ name: String, _ configuration: FileField?
    ) throws(TokenizerError) -> Parts {
        for key in ["do_lower_case", "split_by_punct"] {
            if let field = configuration?[key], try field.bool() { throw field.unsupported("true", known: ["false"]) }
        }
        var result = try parts(source, file: name, Surroundings())
        if result.id(of: "[MASK]") == nil {
            result.addedTokens.append(
                AddedToken(id: Int32(source.tokens.count), content: "[MASK]", isSpecial: true, stripsLeft: true))
        }
        guard let start = result.id(of: "[CLS]"), let end = result.id(of: "[SEP]") else {
            throw .malformed(file: name, field: "the pieces", reason: "no [CLS] or no [SEP], as DeBERTa's have")
        }
        result.template = .bert(start: start, end: end)
        (result.details.classToken, result.details.separatorToken) = (start, end)
        result.details.maskToken = result.id(of: "[MASK]")
        result.details.padToken = result.id(of: "[PAD]")
        return result
    }

    /// GPT-2's two files, `vocab.json` and `merges.txt`.
    private static func mergedParts(
        _ path: String, folder: String, _ companions: Companions
    ) throws(TokenizerError) -> Parts {
        let (className, configuration) = (companions.className, companions.configuration)
        let known = TokenizerClass.plainPairs.union(TokenizerClass.robertaPairs).union(TokenizerClass.qwenPairs)
            .union(TokenizerClass.debertaPairs)
        try TokenizerClass.check(className, known, configuration)
        let isQwen = className.map(TokenizerClass.qwenPairs.contains) ?? false
        var result = try parts(
            vocabulary: try TokenizerFile.json(path), merges: try TokenizerFile.text("\(folder)/merges.txt"),
            pattern: isQwen ? "qwen2" : "gpt2")
        if isQwen {
            result.normalizer = FormNormalizer(.nfc)
        }
        if try configuration?.bool("add_prefix_space", or: false) == true {
            result.stages.steps.insert(.rewrite(PrefixSpaceRewriter()), at: 0)
        }
        if let className, TokenizerClass.robertaPairs.contains(className) {
            let (start, end) = try result.takeSpecials("<s>", "</s>", pad: "<pad>", unknown: "<unk>", mask: "<mask>")
            result.surroundAsRoberta(start: start, end: end)
        } else if let className, TokenizerClass.debertaPairs.contains(className) {
            let (start, end) = try result.takeSpecials("[CLS]", "[SEP]", pad: "[PAD]", unknown: "[UNK]", mask: "[MASK]")
            // One separator between the texts of a pair, as the models were trained; transformers 5 puts two.
            result.template = .bert(start: start, end: end)
        } else {
            // OPT's are "</s>" and "<pad>" of the vocabulary.
            for key in ["bos_token", "eos_token", "unk_token", "pad_token"] {
                guard let name = try companions.token(key), let id = result.id(of: name) else { continue }
                if key == "bos_token" { result.details.bosToken = id }
                if !result.addedTokens.contains(where: { $0.id == id }) {
                    result.addedTokens.append(AddedToken(id: id, content: name, isSpecial: true))
                }
            }
            result.addedTokens.sort { $0.id < $1.id }
            if try configuration?.bool("add_bos_token", or: false) == true, let start = result.details.bosToken {
                result.template = .around(before: [start], after: [])
            }
        }
        return result
    }

    private static func pattern(of name: String, _ configuration: FileField?) -> String {
        for known in ["o200k", "cl100k", "p50k", "r50k"] where name.hasPrefix(known) { return "\(known)_base" }
        if name.hasPrefix("qwen") { return "qwen2" }
        return "llama3"
    }

    /// BERT's `vocab.txt`: one token per line.
    private static func bertParts(_ text: String, _ companions: Companions) throws(TokenizerError) -> Parts {
        let configuration = companions.configuration
        try TokenizerClass.check(companions.className, TokenizerClass.wordPieces, configuration)
        if let field = configuration?["do_basic_tokenize"], try !field.bool() {
            throw field.unsupported("false", known: ["true"])
        }
        var tokens: [[UInt8]?] = text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false).map { line in
            line.last == 0x0D ? Array(line.dropLast()) : Array(line)
        }
        if tokens.last == [] { tokens.removeLast() }
        guard !tokens.isEmpty, tokens.count <= TokenList.largestID else {
            throw .malformed(file: "vocab.txt", field: "the whole file", reason: "\(tokens.count) tokens")
        }
        /// The name of a special token, which the configuration may override.
        func special(_ key: String, _ usual: String) throws(TokenizerError) -> String {
            try companions.token(key) ?? usual
        }
        let vocabulary = Vocabulary(tokens)
        let unknown = vocabulary.id(of: try special("unk_token", "[UNK]").utf8)
        var parts = Parts(
            model: WordPiece(
                vocabulary: vocabulary, unknown: unknown, continuingPrefix: [0x23, 0x23], longestWord: 100))
        parts.details.kind = "WordPiece"
        parts.normalizer = BertNormalizer(
            cleansText: true, separatesChinese: try configuration?.bool("tokenize_chinese_chars", or: true) ?? true,
            stripsAccents: try configuration?["strip_accents"]?.bool(),
            lowercases: try configuration?.bool("do_lower_case", or: true) ?? true)
        parts.stages = PieceStages(PieceStages.bert)
        parts.decoderSteps = [.wordPiece(prefix: [0x23, 0x23], cleansUp: true)]
        let (start, end) = (try special("cls_token", "[CLS]"), try special("sep_token", "[SEP]"))
        let names = [
            try special("pad_token", "[PAD]"), try special("unk_token", "[UNK]"), start, end,
            try special("mask_token", "[MASK]"),
        ]
        for (index, name) in names.enumerated() where !names[..<index].contains(name) {
            guard let id = vocabulary.id(of: name.utf8) else { continue }
            parts.addedTokens.append(AddedToken(id: id, content: name, isSpecial: true))
        }
        parts.details.unknownToken = unknown
        if let start = vocabulary.id(of: start.utf8), let end = vocabulary.id(of: end.utf8) {
            parts.template = .bert(start: start, end: end)
        }
        return parts
    }
}

extension SequenceTemplate {
    /// `start A end` and `start A end B end`, the second text and what ends it in a segment of their own.
    static func bert(start: Int32, end: Int32) -> SequenceTemplate {
        SequenceTemplate(
            single: [.token(start, type: 0), .first(type: 0), .token(end, type: 0)],
            pair: [
                .token(start, type: 0), .first(type: 0), .token(end, type: 0), .second(type: 1), .token(end, type: 1),
            ])
    }
}

extension Tokenizer.Details {
    /// Fills in values that are still missing.
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
    /// Whether the first line is base64, a space and a number. A sentencepiece protocol buffer starts with a line feed.
    fileprivate var looksLikeRanks: Bool {
        let line = prefix(512).prefix { $0 != 0x0A }
        guard let space = line.firstIndex(of: 0x20), space > 0 else { return false }
        return line[..<space].withContiguousStorageIfAvailable { Base64.decode($0) } ?? nil != nil
            && line[(space + 1)...].allSatisfy { $0 >= 0x30 && $0 <= 0x39 || $0 == 0x0D }
    }
}
