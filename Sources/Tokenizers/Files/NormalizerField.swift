/// The `normalizer` of a `tokenizer.json`.
extension FileField {
    private static let normalizerKinds = [
        "Sequence", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Strip", "Replace", "Prepend",
        "BertNormalizer", "Precompiled", "Nmt", "ByteLevel",
    ]

    /// Returns nil for a normaliser without effect.
    func normalizer(depth: Int = 0) throws(TokenizerError) -> (any Normalizer)? {
        let type = try type()
        switch type {
        case "Sequence":
            guard depth < 16 else { throw malformed("sequences nested deeper than 16") }
            var steps: [any Normalizer] = []
            for field in try required("normalizers").elements() {
                if let step = try field.normalizer(depth: depth + 1) { steps.append(step) }
            }
            guard steps.count <= Growth.mostSteps else { throw malformed("more than \(Growth.mostSteps) steps") }
            return steps.isEmpty ? nil : steps.count == 1 ? steps[0] : SequenceNormalizer(steps)
        case "NFC": return FormNormalizer(.nfc)
        case "NFD": return FormNormalizer(.nfd)
        case "NFKC": return FormNormalizer(.nfkc)
        case "NFKD": return FormNormalizer(.nfkd)
        case "Lowercase": return LowercaseNormalizer()
        case "StripAccents": return StripAccentsNormalizer()
        case "Nmt": return NmtNormalizer()
        case "ByteLevel": return ByteAlphabetNormalizer()
        case "Prepend": return PrependNormalizer(try required("prepend").string())
        case "Strip":
            return StripNormalizer(
                left: try bool("strip_left", or: true), right: try bool("strip_right", or: true))
        case "BertNormalizer":
            return BertNormalizer(
                cleansText: try bool("clean_text", or: true),
                separatesChinese: try bool("handle_chinese_chars", or: true),
                stripsAccents: try self["strip_accents"]?.bool(), lowercases: try bool("lowercase", or: true))
        case "Precompiled":
            let field = try required("precompiled_charsmap")
            guard let blob = Base64.decode(try field.string()) else { throw field.malformed("it is not base64") }
            return PrecompiledNormalizer(try CharsMap(blob, file: file, field: field.path))
        case "Replace": return try replaceNormalizer()
        default: throw try required("type").unsupported(type, known: Self.normalizerKinds)
        }
    }

    private func replaceNormalizer() throws(TokenizerError) -> any Normalizer {
        let pattern = try required("pattern")
        let content = try required("content").string()
        if let string = try pattern["String"]?.string() {
            guard !string.isEmpty else { throw pattern.malformed("an empty pattern") }
            return ReplaceNormalizer(string, with: content)
        }
        if let expression = pattern["Regex"]?.value.string, expression == " {2,}" {
            return RunReplaceNormalizer(byte: 0x20, shortest: 2, replacement: Array(content.utf8))
        }
        return PatternReplaceNormalizer(try pattern.pattern(), with: content)
    }
}
