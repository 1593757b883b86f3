import MartletModels
import MartletNN
import MartletTensor

/// Writes texts for texts with an encoder-decoder model: the encoder reads the source once, its keys and values are
/// kept, and the decoder writes token by token, greedily or by beam search.
public final class SequenceGenerator {
    public let model: EncoderDecoder
    public let rules: SequenceRules
    public let endTokens: Set<Int32>
    private let precision: Precision

    /// - Parameter model: prepared for this precision.
    public init(_ model: EncoderDecoder, _ rules: SequenceRules, endTokens: Set<Int32>, precision: Precision = .fast) {
        (self.model, self.rules, self.endTokens, self.precision) = (model, rules, endTokens, precision)
    }

    /// The most probable texts for a source, best first.
    /// - Parameters:
    ///   - beams: of width 1: the most probable token at each step.
    ///   - maximum: the most tokens to write; the model's own number by default.
    ///   - emit: gets each token as it is written, without beams.
    /// - Returns: the texts with their end tokens; nil where cancelled.
    public func generate(
        from source: [Int32], beams: BeamSearchOptions? = nil, maximum: Int? = nil, forcedFirst: Int32? = nil,
        isCancelled: () -> Bool = { false }, emit: (Int32) throws -> Void = { _ in }
    ) throws -> [BeamHypothesis]? {
        let beams = beams ?? rules.beams
        try beams.validate()
        var rules = rules
        if let maximum { rules.maximumTokens = maximum }
        if model.configuration.limitsLength {
            rules.maximumTokens = min(rules.maximumTokens, model.configuration.contextLength)
        }
        if let forcedFirst { rules.forcedFirst = forcedFirst }
        return try noGrad {
            let memory = try model.sourceCaches([source], precision: precision)[0]
            func step(_ tokens: [Int32], _ caches: [KVCache]) throws -> Tensor {
                let targets = caches.enumerated().map {
                    TargetSequence(rows: $0..<($0 + 1), cache: $1, source: memory)
                }
                return try model.logits(model.hiddenStates(tokens, targets))  // [texts, vocabulary]
            }
            let cache = model.targetCache(precision: precision)
            let first = try step([rules.start], [cache])
            guard beams.width > 1 else {
                return try greedy(first, cache, rules, isCancelled, emit, step).map { [$0] }
            }
            var search = BeamSearch(
                beams, Sampler(.greedy), endTokens: endTokens, maximum: max(rules.maximumTokens, 1), rules: rules)
            return try search.run(cache, first, isCancelled: isCancelled, step: step)
        }
    }

    private func greedy(
        _ first: Tensor, _ cache: KVCache, _ rules: SequenceRules, _ isCancelled: () -> Bool,
        _ emit: (Int32) throws -> Void, _ step: ([Int32], [KVCache]) throws -> Tensor
    ) throws -> BeamHypothesis? {
        var tokens: [Int32] = [], logits = first
        while tokens.count < rules.maximumTokens {
            let next = try logits.withMutableHostValues { row -> Int32 in
                rules.apply(to: row, after: tokens, ends: endTokens)
                var best = 0
                for index in row.indices where row[index] > row[best] || row[best].isNaN { best = index }
                return Int32(best)
            }
            tokens.append(next)
            try emit(next)
            if endTokens.contains(next) { return BeamHypothesis(tokens: tokens, score: 0, finishReason: .stop) }
            if isCancelled() { return nil }
            if tokens.count < rules.maximumTokens { logits = try step([next], [cache]) }
        }
        return BeamHypothesis(tokens: tokens, score: 0, finishReason: .length)
    }
}
