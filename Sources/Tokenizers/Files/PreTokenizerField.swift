import MartletJSON
import MartletPatterns

/// The `pre_tokenizer` of a `tokenizer.json`.
extension FileField {
    private static let preTokenizerKinds = [
        "Sequence", "ByteLevel", "Split", "Metaspace", "Whitespace", "WhitespaceSplit", "BertPreTokenizer",
        "Punctuation",
        "Digits", "CharDelimiterSplit",
    ]

    func pieceSteps(depth: Int = 0) throws(TokenizerError) -> [PieceStages.Step] {
        let type = try type()
        switch type {
        case "Sequence":
            guard depth < 16 else { throw malformed("sequences nested deeper than 16") }
            var steps: [PieceStages.Step] = []
            for field in try required("pretokenizers").elements() { steps += try field.pieceSteps(depth: depth + 1) }
            guard steps.count <= Growth.mostSteps else { throw malformed("more than \(Growth.mostSteps) steps") }
            return steps
        case "Metaspace":
            let replacement = Array(try string("replacement", or: "▁").utf8)
            guard !replacement.isEmpty else { throw malformed("an empty replacement") }
            let rewriter = MetaspaceRewriter(replacement: replacement, scheme: try prependScheme())
            guard try bool("split", or: true) else { return [.rewrite(rewriter)] }
            return [.rewrite(rewriter), .cut(MetaspaceSplitter(replacement: replacement))]
        case "ByteLevel":
            var steps: [PieceStages.Step] =
                try bool("add_prefix_space", or: true) ? [.rewrite(PrefixSpaceRewriter())] : []
            if try bool("use_regex", or: true) { steps.append(.cut(WordCutter.gpt2)) }
            return steps + [.rewrite(ByteAlphabetRewriter())]
        case "Split": return [.cut(try splitter())]
        case "Whitespace": return [.cut(ScalarCutter(.words))]
        case "WhitespaceSplit": return [.cut(ScalarCutter(.whitespace))]
        case "BertPreTokenizer": return PieceStages.bert
        case "Punctuation":
            return [.cut(ScalarCutter(.punctuation(try self["behavior"]?.splitBehavior() ?? .isolated)))]
        case "Digits": return [.cut(ScalarCutter(.digits(individual: try bool("individual_digits", or: false))))]
        case "CharDelimiterSplit":
            let field = try required("delimiter")
            let scalars = try field.string().unicodeScalars
            guard let scalar = scalars.first, scalars.count == 1 else {
                throw field.malformed("expected one character")
            }
            return [.cut(ScalarCutter(.delimiter(scalar.value)))]
        default: throw try required("type").unsupported(type, known: Self.preTokenizerKinds)
        }
    }

    private func splitter() throws(TokenizerError) -> any PreTokenizer {
        let field = try required("pattern")
        let behavior = try required("behavior").splitBehavior()
        let isInverted = try bool("invert", or: false)
        if let expression = field["Regex"],
            let scanner = KnownPatterns.scanner(for: try expression.string(), .oniguruma)
        {
            // The whole text matches these patterns, so only the matches are pieces.
            switch (behavior, isInverted) {
            case (.isolated, _), (.removed, true): return scanner
            default: break
            }
        }
        return PatternCutter(try field.pattern(), behavior: behavior, isInverted: isInverted)
    }

    /// `{"String": "…"}` or `{"Regex": "…"}`
    func pattern() throws(TokenizerError) -> Pattern {
        if let string = try self["String"]?.string() {
            guard !string.isEmpty else { throw malformed("an empty pattern") }
            return .string(Array(string.utf8))
        }
        let field = try required("Regex")
        let expression = try field.string()
        do {
            return .expression(try RegularExpression(expression, .oniguruma))
        } catch {
            throw field.malformed("\(error)")
        }
    }

    private func splitBehavior() throws(TokenizerError) -> SplitBehavior {
        let name = try string()
        guard let behavior = SplitBehavior(rawValue: name) else {
            throw unsupported(name, known: SplitBehavior.allCases.map(\.rawValue))
        }
        return behavior
    }
}

extension PieceStages.Step {
    var isByteAlphabet: Bool {
        if case .rewrite(let rewriter) = self { rewriter is ByteAlphabetRewriter } else { false }
    }
}

extension PieceStages {
    /// The `pre_tokenizer` of a `tokenizer.json`; pieces remain bytes.
    package init(tokenizerJSON json: JSON) throws(TokenizerError) {
        let steps = try FileField(json, file: "tokenizer.json", path: "pre_tokenizer").pieceSteps()
        self.init(steps.filter { !$0.isByteAlphabet })
    }
}
