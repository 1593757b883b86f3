/// The `decoder` of a `tokenizer.json`.
extension FileField {
    private static let decoderKinds = [
        "Sequence", "ByteLevel", "ByteFallback", "Metaspace", "WordPiece", "BPEDecoder", "Fuse", "Strip", "Replace",
        "CTC",
    ]

    /// - Parameter modelKnowsBytes: whether the model's tokens are bytes already.
    func decoderSteps(modelKnowsBytes: Bool, depth: Int = 0) throws(TokenizerError) -> [DecoderStep] {
        func bytes(_ key: String, _ other: String) throws(TokenizerError) -> [UInt8] {
            Array(try string(key, or: other).utf8)
        }
        let type = try type()
        switch type {
        case "Sequence":
            guard depth < 16 else { throw malformed("sequences nested deeper than 16") }
            var steps: [DecoderStep] = []
            for field in try required("decoders").elements() {
                steps += try field.decoderSteps(modelKnowsBytes: modelKnowsBytes, depth: depth + 1)
            }
            return steps
        case "ByteLevel": return modelKnowsBytes ? [] : [.byteAlphabet]
        case "ByteFallback": return [.byteFallback]
        case "Fuse": return [.fuse]
        case "Metaspace":
            return [
                .metaspace(
                    replacement: try bytes("replacement", "▁"), dropsFirst: try prependScheme() != .never)
            ]
        case "WordPiece":
            return [.wordPiece(prefix: try bytes("prefix", "##"), cleansUp: try bool("cleanup", or: true))]
        case "BPEDecoder": return [.wordSuffix(try bytes("suffix", "</w>"))]
        case "CTC":
            return [
                .ctc(
                    padding: try bytes("pad_token", "<pad>"), delimiter: try bytes("word_delimiter_token", "|"),
                    cleansUp: try bool("cleanup", or: true))
            ]
        case "Strip":
            return [
                .strip(
                    content: try bytes("content", " "), start: try required("start").count(),
                    stop: try required("stop").count())
            ]
        case "Replace":
            let pattern = try required("pattern")
            guard let string = try pattern["String"]?.string() else {
                throw pattern.unsupported("a regular expression", known: ["String"])
            }
            guard !string.isEmpty else { throw pattern.malformed("an empty pattern") }
            return [.replace(Array(string.utf8), with: try bytes("content", ""))]
        default: throw try required("type").unsupported(type, known: Self.decoderKinds)
        }
    }

    /// The scheme of a Metaspace; older files have `add_prefix_space` instead.
    func prependScheme() throws(TokenizerError) -> PrependScheme {
        guard let field = self["prepend_scheme"] else {
            return try bool("add_prefix_space", or: true) ? .always : .never
        }
        let name = try field.string()
        guard let scheme = PrependScheme(rawValue: name) else {
            throw field.unsupported(name, known: PrependScheme.allCases.map(\.rawValue))
        }
        return scheme
    }
}
