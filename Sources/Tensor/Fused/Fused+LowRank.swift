/// A low-rank term beside a matrix product: s · (x Aᵀ) Bᵀ with A `[rank, in]` and B `[out, rank]` (LoRA, Hu et al.
/// 2021).
public struct LowRankTerm: Sendable {
    public var down, up: Tensor
    public var scale: Float
    /// Whether they lie the other way round, A as `[in, rank]` and B as `[rank, out]`, which products of a few rows read
    /// faster. For `addLowRank`.
    package private(set) var isTurned = false

    /// - Parameters:
    ///   - down: A, `[rank, in]`.
    ///   - up: B, `[out, rank]`.
    ///   - scale: s.
    public init(down: Tensor, up: Tensor, scale: Float) {
        (self.down, self.up, self.scale) = (down, up, scale)
    }

    /// - Parameters:
    ///   - down: A, `[in, rank]`.
    ///   - up: B, `[rank, out]`.
    package init(turned down: Tensor, up: Tensor, scale: Float) {
        self.init(down: down, up: up, scale: scale)
        isTurned = true
    }

    var rank: Int { (isTurned ? down.shape.last : down.shape.first) ?? 0 }
    var inputSize: Int { (isTurned ? down.shape.first : down.shape.last) ?? 0 }
    /// Of B as it lies.
    func upShape(outputs: Int) -> Shape { isTurned ? [rank, outputs] : [outputs, rank] }
}

/// A low-rank term that is added to some rows of one of several results.
package struct LowRankPart {
    package var rows: Range<Int>
    /// The index of the result.
    package var output: Int
    package var term: LowRankTerm

    package init(rows: Range<Int>, output: Int, term: LowRankTerm) {
        (self.rows, self.output, self.term) = (rows, output, term)
    }
}

extension Fused {
    /// Y = X Wᵀ + s (X Aᵀ) Bᵀ + b for several weights over one X `[tokens, in]`: the results `[tokens, out]`.
    ///
    /// The matrices A of all terms are multiplied with X in one product, and the products with B are added to those
    /// with W, so that X Aᵀ `[tokens, Σ rank]` is the only memory beside the results.
    ///
    /// Gradients: with G = s dY B, dX = Σ dY W + G A, dA = Gᵀ X, dB = s dYᵀ (X Aᵀ); a frozen W gets none and is not
    /// copied.
    /// - Parameter terms: one for each weight; nil for a weight without a term.
    /// - Throws: `TensorError` when shapes do not fit each other or there is not one term for each weight.
    public static func linear(
        _ x: Tensor, _ layers: [(weight: any WeightMatrix, bias: Tensor?)], terms: [LowRankTerm?]
    ) throws(TensorError) -> [Tensor] {
        try linear(x, layers, terms: terms, values: true)
    }

    /// - Parameter values: false where the results are wanted for their gradients alone, see `linear(_:_:values:)`.
    package static func linear(
        _ x: Tensor, _ layers: [(weight: any WeightMatrix, bias: Tensor?)], terms: [LowRankTerm?], values: Bool
    ) throws(TensorError) -> [Tensor] {
        try check(terms, x, outputs: layers.map { $0.weight.shape.first ?? 0 })
        guard !terms.contains(where: { $0?.isTurned ?? false }) else {
            throw TensorError(.argument, "linear", "a term whose matrices are turned belongs to addLowRank")
        }
        let span = OperationSpan("linear")
        defer { span.end() }
        return try backend(of: x).adaptedLinear(x, layers, terms, values: values)
    }

    /// Adds low-rank terms to some rows of results, in place: how requests with different adapters are computed in one
    /// batch. Each row has the bits that it would have alone. Nothing is recorded for gradients, so nothing else may
    /// hold the results.
    /// - Parameter outputs: `[tokens, out]` each, written in place.
    /// - Throws: `TensorError` when rows lie outside `x` or shapes do not fit each other.
    package static func addLowRank(
        _ x: Tensor, _ parts: [LowRankPart], to outputs: [Tensor]
    ) throws(TensorError) {
        for part in parts {
            let output = outputs[part.output]
            try check([part.term], x, outputs: [output.shape.last ?? 0])
            guard part.rows.lowerBound >= 0, part.rows.upperBound <= x.shape[0], output.shape[0] == x.shape[0] else {
                throw TensorError(.shape, "addLowRank", "rows \(part.rows) are outside of \(x.shape)")
            }
        }
        let span = OperationSpan("addLowRank")
        defer { span.end() }
        try backend(of: x).addLowRank(x, parts, to: outputs)
    }

    private static func check(_ terms: [LowRankTerm?], _ x: Tensor, outputs: [Int]) throws(TensorError) {
        guard terms.count == outputs.count else {
            throw TensorError(.argument, "linear", "\(terms.count) terms do not fit \(outputs.count) weights")
        }
        for case let (term?, out) in zip(terms, outputs) {
            guard x.rank == 2, term.down.rank == 2, term.up.shape == term.upShape(outputs: out),
                term.inputSize == x.shape[1]
            else {
                throw TensorError(
                    .shape, "linear",
                    "a term of \(term.down.shape) and \(term.up.shape) does not fit \(x.shape) and \(out) outputs")
            }
        }
    }
}
