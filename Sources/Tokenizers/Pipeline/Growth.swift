/// The maximum growth of a text in the steps of a tokenizer file: output bytes per input byte.
///
/// A sequence of steps that each double the text could turn a kilobyte of file and a word of prompt into more than any
/// machine's memory. The product over all steps is checked when the file is read; published files are far below the
/// limit.
enum Growth {
    static let most = 1024
    static let mostSteps = 256

    static func product(_ factors: some Sequence<Int>) -> Int {
        factors.reduce(1) { product, factor in
            let (result, overflows) = product.multipliedReportingOverflow(by: factor)
            return overflows ? .max : result
        }
    }

    /// A replacement for a pattern of at least this many bytes.
    fileprivate static func exchange(_ pattern: Int, for replacement: Int) -> Int {
        max(1, (replacement + pattern - 1) / max(1, pattern))
    }
}

extension Normalizer {
    var growth: Int {
        switch self {
        case let sequence as SequenceNormalizer: Growth.product(sequence.steps.lazy.map(\.growth))
        case let step as ReplaceNormalizer: Growth.exchange(step.pattern.count, for: step.replacement.count)
        // Empty matches can occur before every byte and at the end.
        case let step as PatternReplaceNormalizer:
            step.pattern.canMatchNothing
                ? 1 + 2 * step.replacement.count : Growth.exchange(1, for: step.replacement.count)
        case let step as RunReplaceNormalizer: Growth.exchange(step.shortest, for: step.replacement.count)
        // The text between two added tokens may be a single byte.
        case let step as PrependNormalizer: 1 + step.prefix.count
        case let step as PrecompiledNormalizer: max(1, step.map.longestReplacement)
        // U+FDFA has 3 bytes, and 33 in compatibility form; U+1D160 has 4, and 12 in canonical form.
        case let step as FormNormalizer: step.form == .nfkc || step.form == .nfkd ? 11 : 3
        // A Chinese character of 3 bytes gets two spaces; the rest as for NFD.
        case let step as BertNormalizer: step.stripsAccents ? 6 : 2
        case is ByteAlphabetNormalizer: 2
        default: 1
        }
    }
}

extension PieceStages.Step {
    var growth: Int {
        switch self {
        case .rewrite(let step as MetaspaceRewriter): 1 + step.replacement.count
        case .rewrite: 2
        case .cut: 1
        }
    }
}

extension DecoderStep {
    var growth: Int {
        if case .replace(let pattern, let replacement) = self {
            return Growth.exchange(pattern.count, for: replacement.count)
        }
        return 1
    }
}

extension FileField {
    /// Refuses steps that could make a text more than `Growth.most` times longer.
    func checkGrowth(_ factors: some Collection<Int>) throws(TokenizerError) {
        guard factors.count <= Growth.mostSteps else { throw malformed("more than \(Growth.mostSteps) steps") }
        guard Growth.product(factors) <= Growth.most else {
            throw malformed("its steps can make a text more than \(Growth.most) times longer")
        }
    }
}
