extension FileField {
    func pieceSteps() throws(TokenizerError) -> [PieceStages.Step] {
        let type = try type()
        switch type {
        case "Sequence":
            var steps: [PieceStages.Step] = []
            for field in try required("pretokenizers").elements() { steps += try field.pieceSteps() }
            return steps
        case "Metaspace":
            let replacement = Array(try string("replacement", or: "▁").utf8)
            let rewriter = MetaspaceRewriter(replacement: replacement, scheme: try prependScheme())
            guard try bool("split", or: true) else { return [.rewrite(rewriter)] }
            return [.rewrite(rewriter), .cut(MetaspaceSplitter(replacement: replacement))]
        case "WhitespaceSplit": return [.cut(TemporaryCutter(bert: false))]
        case "BertPreTokenizer": return [.cut(TemporaryCutter(bert: true))]
        default: throw try required("type").unsupported(type, known: [])
        }
    }
}
extension PieceStages.Step {
    var isByteAlphabet: Bool { if case .rewrite(let r) = self { r is ByteAlphabetRewriter } else { false } }
}
extension PieceStages { static var bert: [Step] { [.cut(TemporaryCutter(bert: true))] } }
struct RegexReplaceNormalizer: Normalizer {
    init(_ field: FileField, with: String) throws(TokenizerError) {}
    func normalize(_ text: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        var i = 0
        while i < text.count {
            out.append(text[i])
            if text[i] == 32 { while i + 1 < text.count, text[i + 1] == 32 { i += 1 } }
            i += 1
        }
        return out
    }
}
extension Tokenizer {
    static func cuts(named: String, file: String) throws(TokenizerError) -> any PreTokenizer {
        throw .unsupported(file: file, field: "pre", found: named, known: [])
    }
}

struct TemporaryCutter: PreTokenizer {
    let bert: Bool
    func split(_ text: UnsafeBufferPointer<UInt8>, _ emit: (Range<Int>) throws -> Void) rethrows {
        var scalars = UTF8Scalars(text)
        var start = 0
        var at = 0
        while let s = scalars.next() {
            if WhiteSpace.contains(s) {
                if start < at { try emit(start..<at) }
                start = scalars.position
            } else if bert {
                var punct = false
                switch ScalarClass.category(s) {
                case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
                    .finalPunctuation, .otherPunctuation:
                    punct = true
                default: punct = s < 127 && s > 32 && !ScalarClass.isWord(s)
                }
                if punct {
                    if start < at { try emit(start..<at) }
                    try emit(at..<scalars.position)
                    start = scalars.position
                }
            }
            at = scalars.position
        }
        if start < at { try emit(start..<at) }
    }
}
