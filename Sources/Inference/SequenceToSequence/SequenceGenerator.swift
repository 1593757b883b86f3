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
        var beams = beams ?? rules.beams
        try beams.validate()
        // One beam is greedy decoding: the first end ends it.
        if beams.width == 1 { beams.stopping = .whenFull }
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
            guard rules.maximumTokens > 0 else {
                return [BeamHypothesis(tokens: [], score: 0, finishReason: .length)]
            }
            var search = BeamSearch(
                beams, Sampler(.greedy), endTokens: endTokens, maximum: rules.maximumTokens, rules: rules)
            return try search.run(cache, first, isCancelled: isCancelled, emit: emit, step: step)
        }
    }
}
