/// The attention heads of a layer and the scaling of their scores.
public struct AttentionShape: Sendable, Equatable {
    public var heads, keyValueHeads: Int
    /// Dimension of each head's queries and keys, and of its values and outputs.
    public var headDimension, valueDimension: Int
    /// The factor on q · k, usually 1 / √headDimension.
    public var scale: Float
    /// Logit soft-capping: scores ← cap · tanh(scores / cap) (Gemma 2).
    public var softCap: Float?
    /// What is added to the scores for the distance of a key.
    public var relativeBias: RelativeBias?
    /// Vectors of the distance of a key that its score is computed with, in whole sequences.
    public var positions: DisentangledPositions?
    /// Whether whole sequences are summed page by page, as over a cache, and so have its bits: the weights are divided by
    /// their sum at the end, not before. Kernels alone tell the two apart; the formula is one.
    public var isInPages = false
    /// Over a cache of float32: whether scores, weights and sums are float64. The formula is the same.
    package var sumsInFloat64 = false

    /// - Parameter valueDimension: equal to `headDimension` by default.
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

/// Numbers that are added to the scores of each head for the distance of a key from its query, key position − query
/// position, which is limited to −span … span (T5, Raffel et al. 2020).
public struct RelativeBias: Sendable, Equatable {
    /// float32 `[heads, 2 · span + 1]`; in whole sequences it may be on the tape.
    public let table: Tensor
    /// The largest distance with a number of its own.
    public var span: Int { table.shape[1] / 2 }

    /// - Throws: `TensorError` unless the table is a contiguous matrix with an odd number of columns.
    public init(_ table: Tensor) throws(TensorError) {
        guard table.rank == 2, table.shape[1] % 2 == 1, table.isContiguous else {
            throw TensorError(.shape, "attention", "biases of \(table.shape) are not [heads, 2 * span + 1]")
        }
        self.table = table
    }

    public static func == (a: Self, b: Self) -> Bool { a.table.storage === b.table.storage && a.span == b.span }
}

/// Dropout of the attention probabilities in one layer of one pass. No mask is stored: what is dropped is a function of
/// the key, the index of the query's token, the head and the position of the attention key in its sequence.
public struct AttentionDropout: Sendable, Equatable {
    /// The probability of being dropped, rounded to a multiple of 1/65536.
    public var probability: Double
    public var key: UInt64
    /// The index of the first token of this pass, when several passes form one step.
    public var firstToken: Int

    public init(probability: Double, key: UInt64, firstToken: Int = 0) {
        self.probability = probability
        self.key = key
        self.firstToken = firstToken
    }

    /// The probability in units of 1/65536.
    var dropped: UInt32 { UInt32(min(max(probability, 0), 0.999) * 65536) }
}

extension Fused {
    /// softmax(scale · q kᵀ) v for every head, within the blocks of the mask: whole sequences, or documents packed into
    /// one.
    ///
    /// Memory is proportional to the number of tokens, not to its square (FlashAttention, Dao et al. 2022).
    ///
    /// - Parameters:
    ///   - q: queries `[queries, heads · headDimension]`.
    ///   - k: keys `[keys, keyValueHeads · headDimension]`.
    ///   - v: values `[keys, keyValueHeads · valueDimension]`.
    ///   - sinks: one logit per head that takes part in the softmax and has no value, `[heads]` (Xiao et al. 2023).
    ///   - dropout: dropout of the probabilities, for training.
    /// - Returns: `[queries, heads · valueDimension]`.
    /// - Throws: `TensorError` when shapes, mask and heads do not fit.
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
        let mask = mask.withoutChunks
        if let bias = shape.relativeBias {
            guard bias.table.shape[0] == shape.heads else {
                throw TensorError(
                    .shape, "attention", "biases of \(bias.table.shape) do not fit \(shape.heads) heads")
            }
            return try composed(q, k, v, mask, shape, sinks, dropout)
        }
        try shape.positions?.check(shape, mask)
        return try backend(of: q).attention(q, k, v, mask: mask, shape, sinks: sinks, dropout: dropout)
    }

    /// Whole sequences with biases have no kernel. They are composed block by block of the mask, since all scores of what is
    /// composed are in memory at once: rows that are packed together do not see each other.
    private static func composed(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, _ mask: AttentionMask, _ shape: AttentionShape, _ sinks: Tensor?,
        _ dropout: AttentionDropout?
    ) throws(TensorError) -> Tensor {
        let blocks = mask.queries.indices.filter { !mask.queries[$0].isEmpty }
            .sorted { mask.queries[$0].lowerBound < mask.queries[$1].lowerBound }
        var end = 0, results: [Tensor] = []
        for block in blocks where mask.queries[block].lowerBound == end { end = mask.queries[block].upperBound }
        guard blocks.count > 1, end == q.shape[0] else {
            return try Reference.attention(q, k, v, mask: mask, shape, sinks: sinks, dropout: dropout)
        }
        for block in blocks {
            let own = mask.queries[block], seen = mask.keys[block]
            var part = AttentionMask([mask.reaches[block]], within: [0..<own.count]), ownDropout = dropout
            part.keys = [0..<seen.count]
            ownDropout?.firstToken += own.lowerBound
            results.append(
                try Reference.attention(
                    q.narrow(0, from: own.lowerBound, length: own.count),
                    k.narrow(0, from: seen.lowerBound, length: seen.count),
                    v.narrow(0, from: seen.lowerBound, length: seen.count), mask: part, shape, sinks: sinks,
                    dropout: ownDropout))
        }
        return try Tensor.concatenate(results)
    }
}
