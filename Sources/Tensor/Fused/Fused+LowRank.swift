/// A product of low rank beside a matrix: s · (x Aᵀ) Bᵀ with A `[rank, in]` and B `[out, rank]` (LoRA, Hu et al. 2021).
public struct LowRankTerm: Sendable {
    public var down, up: Tensor
    public var scale: Float

    /// - Parameters: down: A. - up: B. - scale: s.
    public init(down: Tensor, up: Tensor, scale: Float) {
        (self.down, self.up, self.scale) = (down, up, scale)
    }

    var rank: Int { down.shape.first ?? 0 }
}

/// A term of some rows of a batch, added to one of several results.
package struct LowRankPart {
    package var rows: Range<Int>
    /// Which of the results.
    package var output: Int
    package var term: LowRankTerm

    package init(rows: Range<Int>, output: Int, term: LowRankTerm) {
        (self.rows, self.output, self.term) = (rows, output, term)
    }
}

extension Fused {
    /// Y = X Wᵀ + s (X Aᵀ) Bᵀ + b for several weights over one X `[tokens, in]`: the results `[tokens, out]`.
    ///
    /// The A of all terms are one product with X, and B's products are added where those with W stand, so that beside
    /// the results X Aᵀ `[tokens, Σ rank]` is all that is made and kept.
    ///
    /// Gradients: with G = s dY B, dX = Σ dY W + G A, dA = Gᵀ X, dB = s dYᵀ (X Aᵀ); a frozen W gets none and is not
    /// copied.
    /// - Parameter terms: one for each weight; nil where it has none.
    public static func linear(
        _ x: Tensor, _ layers: [(weight: any WeightMatrix, bias: Tensor?)], terms: [LowRankTerm?]
    ) throws(TensorError) -> [Tensor] {
        try check(terms, x, outputs: layers.map { $0.weight.shape.first ?? 0 })
        let span = OperationSpan("linear")
        defer { span.end() }
        return try backend(of: x).adaptedLinear(x, layers, terms)
    }

    /// Adds terms of some rows to results that nothing else sees: what requests of different adapters in one batch are
    /// computed with. Each row's bits are those it would have alone. Nothing is noted for gradients.
    /// - Parameter outputs: `[tokens, out]` each, written in place.
    package static func addLowRank(
        _ x: Tensor, _ parts: [LowRankPart], to outputs: [Tensor]
    ) throws(TensorError) {
        for part in parts {
            let output = outputs[part.output]
            try check([part.term], x, outputs: [output.shape.last ?? 0])
            guard part.rows.lowerBound >= 0, part.rows.upperBound <= x.shape[0], output.shape[0] == x.shape[0] else {
                throw TensorError(.shape, "addLowRank", "rows \(part.rows) do not lie in \(x.shape)")
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
            guard x.rank == 2, term.down.rank == 2, term.up.shape == [out, term.rank], term.down.shape[1] == x.shape[1]
            else {
                throw TensorError(
                    .shape, "linear",
                    "a term of \(term.down.shape) and \(term.up.shape) does not fit \(x.shape) and \(out) outputs")
            }
        }
    }
}
