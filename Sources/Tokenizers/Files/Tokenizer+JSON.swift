import MartletJSON

extension Tokenizer {
    /// Reads a `tokenizer.json`, and what a `tokenizer_config.json` adds to it. `truncation` and `padding` are ignored:
    /// a text is never truncated without the caller's request.
    /// - Throws: `TokenizerError` with the file and the field.
    public convenience init(json: JSON, configuration: JSON? = nil) throws(TokenizerError) {
        self.init(try Self.parts(json: json, configuration: configuration))
    }

    static func parts(json: JSON, configuration: JSON?, file: String = "tokenizer.json") throws(TokenizerError) -> Parts
    {
        let root = FileField(json, file: file)
        guard json.object != nil else { throw root.malformed("expected object, found \(json.kind)") }
        let model = try root.required("model")
        var steps = try root["pre_tokenizer"]?.pieceSteps() ?? []
        try root["pre_tokenizer"]?.checkGrowth(steps.map(\.growth))
        let normalizer = try root["normalizer"]?.normalizer()
        try root["normalizer"]?.checkGrowth([normalizer?.growth ?? 1])
        // Byte-level BPE works on bytes; the alphabet of printable characters is only the spelling in the file.
        let kind = try model.modelKind()
        let isByteLevel =
            kind == "BPE" && steps.contains { $0.isByteAlphabet } && !(normalizer is ByteAlphabetNormalizer)
        if isByteLevel { steps.removeAll { $0.isByteAlphabet } }

        var parts: Parts
        switch kind {
        case "Unigram": parts = Parts(model: try model.unigram())
        case "WordPiece": parts = Parts(model: try model.wordPiece())
        case "WordLevel": parts = Parts(model: try model.wordLevel())
        default: parts = Parts(model: try model.bytePairs(spelledInByteAlphabet: isByteLevel))
        }
        parts.spellsBytesInAlphabet = isByteLevel
        if let name = try? model["unk_token"]?.string() { parts.details.unknownToken = parts.id(of: name) }
        if kind == "Unigram" { parts.details.unknownToken = try model["unk_id"]?.id() }
        parts.normalizer = normalizer
        parts.stages = PieceStages(steps)
        parts.takesAnyBytes = isByteLevel
        parts.details.kind = kind
        parts.template = try root["post_processor"]?.template() ?? .bare
        parts.decoderSteps = try root["decoder"]?.decoderSteps(modelKnowsBytes: isByteLevel) ?? [.spaced]
        try root["decoder"]?.checkGrowth(parts.decoderSteps.map(\.growth))
        parts.addedTokens = try root["added_tokens"]?.addedTokens() ?? []
        try parts.checkAddedTokens(root)
        try parts.checkTemplate(root)
        try parts.readConfiguration(configuration.map { FileField($0, file: "tokenizer_config.json") })
        return parts
    }
}

extension Tokenizer.Parts {
    func id(of token: String) -> Int32? {
        let bytes = Array(token.utf8)
        if let added = addedTokens.first(where: { $0.content.utf8.elementsEqual(bytes) }) { return added.id }
        guard spellsBytesInAlphabet else { return model.id(of: bytes) }
        return ByteAlphabet.bytes(spelledBy: bytes).flatMap { model.id(of: $0) }
    }

    /// An added token may repeat a token of the model with the same id, or its id comes after all of them.
    func checkAddedTokens(_ root: FileField) throws(TokenizerError) {
        for (index, token) in addedTokens.enumerated() {
            let path = "added_tokens[\(index)].id"
            guard Int(token.id) < 8 * (model.vocabularySize + addedTokens.count) + 65_536 else {
                throw .malformed(
                    file: root.file, field: path,
                    reason: "\(token.id) is far above the model's vocabulary size, \(model.vocabularySize)")
            }
        }
    }

    func checkTemplate(_ root: FileField) throws(TokenizerError) {
        let added = Set(addedTokens.map(\.id))
        for case .token(let id, _) in template.single + template.pair
        where !added.contains(id) && model.token(id) == nil {
            throw .malformed(file: root.file, field: "post_processor", reason: "\(id) is not the id of a token")
        }
    }

    mutating func readConfiguration(_ configuration: FileField?) throws(TokenizerError) {
        if let configuration {
            // If several tokens have the same name, `details.read` uses the last one.
            let parts = self
            try details.read(configuration) { parts.id(of: $0) }
        }
        details.addTurnEnds(addedTokens)
    }
}
