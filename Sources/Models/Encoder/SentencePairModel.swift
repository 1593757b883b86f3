import MartletNN
import MartletTensor

/// A masked language model that also tells from the first token's state whether the second of two texts follows the first
/// (BERT, Devlin et al. 2018, section 3.1), or whether they stand in their order (ALBERT, Lan et al. 2020, section 3.2):
///
///     logits = tanh(h₀ Wpᵀ + bp) Wᵀ + b, of class 0: they do, and of class 1: they do not
///
/// ```swift
/// let (model, parameters) = try checkpoint.trainableSentencePairModel()
/// let states = try model.masked.encoder([tokens], types: [segments])
/// let logits = try model.pairLogits(states, rows: [0])        // [1, 2]
/// ```
public final class SentencePairModel {
    public let masked: MaskedTokenModel
    /// The layers of encoder and heads, by path.
    public let tree: ModuleTree
    private let pooler, output: Linear

    public init(_ source: ParameterSource, _ spec: EncoderConfiguration) {
        let source = ModuleTree.Builder(source), width = spec.hiddenSize
        masked = MaskedTokenModel(source, spec)
        pooler = Linear(source, "pooler.dense", from: width, to: width, bias: true)
        output = Linear(source, "sentence_pair", from: width, to: 2, bias: true)
        tree = source.tree
    }

    /// The logits of pairs whose first tokens' states are the given rows: `[rows, 2]`.
    public func pairLogits(_ states: Tensor, rows: [Int32]) throws -> Tensor {
        let first = try Fused.embed(rows, states, scale: 1)  // [rows, hidden]
        return try output(pooler(first).tanh())  // [rows, 2]
    }
}
