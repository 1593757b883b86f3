/// Heads of attention and how scores are scaled.
public struct AttentionShape: Sendable, Equatable {
    public var heads, keyValueHeads: Int
    /// Numbers of a head's queries and keys, and of its values and results.
    public var headDimension, valueDimension: Int
    /// Factor on q·k.
    public var scale: Float
    /// scores ← cap · tanh(scores / cap), Gemma 2.
    public var softCap: Float?

    /// - Parameter valueDimension: as queries and keys where left out.
    public init(
        heads: Int, keyValueHeads: Int, headDimension: Int, valueDimension: Int? = nil, scale: Float,
        softCap: Float? = nil
    ) {
        self.valueDimension = valueDimension ?? headDimension
        self.heads = heads
        self.keyValueHeads = keyValueHeads
        self.headDimension = headDimension
        self.scale = scale
        self.softCap = softCap
    }
}

/// Dropout of attention's probabilities in one layer of one pass. Nothing is kept: what is dropped is a function of the
/// key, the number of the query's token, the head and the key's place in its sequence.
public struct AttentionDropout: Sendable, Equatable {
    /// The share that is dropped, in steps of 1/65536.
    public var probability: Double
    public var key: UInt64
    /// The number of the pass's first token, where several passes are one step.
    public var firstToken: Int

    public init(probability: Double, key: UInt64, firstToken: Int = 0) {
        self.probability = probability
        self.key = key
        self.firstToken = firstToken
    }

    /// Of 65536.
    var dropped: UInt32 { UInt32(min(max(probability, 0), 0.999) * 65536) }
}

extension Fused {
    /// softmax(scale · q kᵀ) v within the blocks of the mask: whole sequences, or the documents packed into one.
    ///
    /// - Shapes: q `[queries, heads · headDimension]`, k `[keys, keyValueHeads · headDimension]`,
    ///   v `[keys, keyValueHeads · valueDimension]` -> `[queries, heads · valueDimension]`. Memory grows with the tokens, not with their square (Dao et al. 2022).
    /// - Parameters:
    ///   - sinks: for each head a logit that takes part in the softmax and has no value, `[heads]` (Xiao et al. 2023).
    ///   - dropout: what is dropped of the probabilities, in training.
    public static func attention(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, mask: AttentionMask, _ shape: AttentionShape, sinks: Tensor? = nil,
        dropout: AttentionDropout? = nil
    ) throws(TensorError) -> Tensor {
        let span = OperationSpan("attention")
        defer { span.end() }
        guard q.rank == 2, k.rank == 2, k.shape[1] == shape.keyValueHeads * shape.headDimension,
            v.shape == [k.shape[0], shape.keyValueHeads * shape.valueDimension],
            q.shape[1] == shape.heads * shape.headDimension, shape.heads % max(shape.keyValueHeads, 1) == 0,
            sinks.map({ $0.shape == [shape.heads] }) ?? true
        else {
            throw TensorError(
                .shape, "attention",
                "queries \(q.shape), keys \(k.shape)\(sinks.map { ", sinks \($0.shape)" } ?? "") and values \(v.shape) "
                    + "do not fit \(shape.heads) and \(shape.keyValueHeads) heads of \(shape.headDimension)"
                    + (shape.valueDimension == shape.headDimension ? "" : " and \(shape.valueDimension)"))
        }
        try mask.check(queries: q.shape[0], keys: k.shape[0])
        return try backend(of: q).attention(q, k, v, mask: mask, shape, sinks: sinks, dropout: dropout)
    }
}
