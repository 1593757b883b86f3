/// A low-rank term beside a matrix product: s · (x Aᵀ) Bᵀ with A `[rank, in]` and B `[out, rank]` (LoRA, Hu et al.
/// 2021).
public struct LowRankTerm: Sendable {
    public var down, up: Tensor
    public var scale: Float

    /// - Parameters:
    ///   - down: A, `[rank, in]`.
    ///   - up: B, `[out, rank]`.
    ///   - scale: s.
    public init(down: Tensor, up: Tensor, scale: Float) {
        (self.down, self.up, self.scale) = (down, up, scale)
    }

    var rank: Int { down.shape.first ?? 0 }
    var inputSize: Int { down.shape.last ?? 0 }
}

/// A low-rank term that is added to some rows of one of several results.
package struct LowRankPart {
    package enum Form {
        case plain(LowRankTerm)
        /// One of packed terms.
        case packed(PackedLowRankTerms, Int)
    }

    package var rows: Range<Int>
    /// The index of the result.
    package var output: Int
    package var form: Form

    package init(rows: Range<Int>, output: Int, _ form: Form) {
        (self.rows, self.output, self.form) = (rows, output, form)
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
        for output in outputs where x.rank != 2 || output.rank != 2 || output.shape[0] != x.shape[0] {
            throw TensorError(.shape, "addLowRank", "\(output.shape) are no results of \(x.shape)")
        }
        for part in parts {
            let output = outputs[part.output]
            switch part.form {
            case .plain(let term): try check([term], x, outputs: [output.shape[1]])
            // For every term of every layer of every token, so without lists.
            case .packed(let terms, let index):
                let term = terms.entries[index]
                guard term.inputSize == x.shape[1], term.outputSize == output.shape[1] else {
                    throw TensorError(
                        .shape, "addLowRank",
                        "a term of \(term.inputSize) inputs and \(term.outputSize) outputs does not fit \(x.shape) and "
                            + "\(output.shape)")
                }
            }
            guard part.rows.lowerBound >= 0, part.rows.upperBound <= x.shape[0] else {
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
            guard x.rank == 2, term.down.rank == 2, term.up.shape == [out, term.rank],
                term.inputSize == x.shape[1]
            else {
                throw TensorError(
                    .shape, "linear",
                    "a term of \(term.down.shape) and \(term.up.shape) does not fit \(x.shape) and \(out) outputs")
            }
        }
    }
}
