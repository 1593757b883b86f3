/// Rows of one sequence in a layer with a recurrent state.
public struct RecurrentRows: Sendable {
    public var rows: Range<Int>
    /// The state that the rows go on from and leave behind; nil for a whole sequence, which begins with zeros.
    package var state: RecurrentState?

    public init(rows: Range<Int>) {
        self.rows = rows
    }

    package init(rows: Range<Int>, state: RecurrentState?) {
        (self.rows, self.state) = (rows, state)
    }
}

/// A part of a block of a cache that holds the state of one operation.
package struct RecurrentState: Sendable {
    package let block: KVBlock
    /// In floats.
    package let offset: Int

    package init(_ block: KVBlock, at offset: Int) {
        (self.block, self.offset) = (block, offset)
    }
}

/// The heads of a recurrence, whose state is a matrix `[rows, lanes]` in each.
public struct RecurrenceShape: Sendable, Equatable {
    public var heads: Int
    /// Heads of B and C, or of keys and queries; each serves `heads / groups` neighbouring heads.
    public var groups: Int
    /// The state size of a state space, or the width of a key.
    public var rows: Int
    /// The width of a head's inputs and results.
    public var lanes: Int

    public init(heads: Int, groups: Int, rows: Int, lanes: Int) {
        (self.heads, self.groups, self.rows, self.lanes) = (heads, groups, rows, lanes)
    }

    package var stateCount: Int { heads * rows * lanes }
    var width: Int { heads * lanes }
    var groupWidth: Int { groups * rows }
}

/// Layers with a recurrent state. Tokens are computed in order, each by the same arithmetic wherever a call begins, so a
/// sequence in one call equals token by token, bit for bit. With a state there is no gradient.
extension Fused {
    /// Causal convolution of each channel on its own: y[t] = bias + Σ_j w[j] · x[t − width + 1 + j]. x `[tokens,
    /// channels]`, weight `[channels, 1, width]`, bias `[channels]` -> `[tokens, channels]`. The state is the last
    /// `width − 1` inputs, `[width − 1, channels]`.
    public static func causalConvolution(
        _ x: Tensor, _ weight: Tensor, _ bias: Tensor?, _ sequences: [RecurrentRows]
    ) throws(TensorError) -> Tensor {
        let span = OperationSpan("causalConvolution")
        defer { span.end() }
        guard x.rank == 2, weight.rank == 3, weight.shape == [x.shape[1], 1, weight.shape[2]],
            (1...maximumConvolutionWidth).contains(weight.shape[2]), bias.map({ $0.shape == [x.shape[1]] }) ?? true
        else {
            throw TensorError(
                .shape, "causalConvolution",
                "weights \(weight.shape) do not fit \(x.shape): expected [channels, 1, width up to "
                    + "\(maximumConvolutionWidth)]")
        }
        try check("causalConvolution", sequences, tokens: x.shape[0], [x, weight, bias])
        return try backend(of: x).causalConvolution(x, weight, bias, sequences)
    }

    /// The widest window of a causal convolution.
    package static let maximumConvolutionWidth = 64

    /// The selective scan of Mamba 1 (Gu and Dao 2023, algorithm 2), for each channel c: h ← exp(Δ_c A_c) h + Δ_c x_c B,
    /// y_c = C · h + D_c x_c. x and Δ `[tokens, channels]`, A `[rows, channels]`, B and C `[tokens, rows]`, D `[channels]`
    /// -> `[tokens, channels]`. The state is `[rows, channels]`.
    public static func selectiveScan(
        _ x: Tensor, step: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor, _ sequences: [RecurrentRows]
    ) throws(TensorError) -> Tensor {
        let span = OperationSpan("selectiveScan")
        defer { span.end() }
        guard x.rank == 2, step.shape == x.shape, a.rank == 2, a.shape[1] == x.shape[1], d.shape == [x.shape[1]],
            b.shape == [x.shape[0], a.shape[0]], c.shape == b.shape
        else {
            throw TensorError(
                .shape, "selectiveScan",
                "steps \(step.shape), A \(a.shape), B \(b.shape), C \(c.shape) and D \(d.shape) do not fit \(x.shape)")
        }
        try check("selectiveScan", sequences, tokens: x.shape[0], [x, step, a, b, c, d])
        return try backend(of: x).selectiveScan(x, step: step, a: a, b: b, c: c, d: d, sequences)
    }

    /// The state space of Mamba 2 (Dao and Gu 2024, section 7), for each head: h ← exp(Δ A) h + Δ B xᵀ, y = hᵀ C + D x,
    /// with one Δ, A and D of a head. x `[tokens, heads · lanes]`, Δ `[tokens, heads]`, A and D `[heads]`, B and C
    /// `[tokens, groups · rows]` -> `[tokens, heads · lanes]`. The state is `[heads, rows, lanes]`.
    public static func stateSpace(
        _ x: Tensor, step: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor, _ shape: RecurrenceShape,
        _ sequences: [RecurrentRows]
    ) throws(TensorError) -> Tensor {
        let span = OperationSpan("stateSpace")
        defer { span.end() }
        let tokens = x.shape.first ?? 0
        guard x.shape == [tokens, shape.width], step.shape == [tokens, shape.heads], a.shape == [shape.heads],
            d.shape == a.shape, b.shape == [tokens, shape.groupWidth], c.shape == b.shape,
            shape.groups > 0, shape.heads % shape.groups == 0
        else {
            throw TensorError(
                .shape, "stateSpace",
                "steps \(step.shape), A \(a.shape), B \(b.shape), C \(c.shape) and D \(d.shape) do not fit \(x.shape) "
                    + "in \(shape.heads) heads and \(shape.groups) groups")
        }
        try check("stateSpace", sequences, tokens: tokens, [x, step, a, b, c, d])
        return try backend(of: x).stateSpace(x, step: step, a: a, b: b, c: c, d: d, shape, sequences)
    }

    /// The gated delta rule (Yang et al. 2024, "Gated Delta Networks", eq. 10), for each head: S ← e^g S, then
    /// S ← S + k (β (v − Sᵀ k))ᵀ, y = Sᵀ q. Keys and queries `[tokens, groups · rows]`, values `[tokens, heads · lanes]`,
    /// g and β `[tokens, heads]` -> `[tokens, heads · lanes]`. The state is `[heads, rows, lanes]`.
    public static func gatedDelta(
        queries: Tensor, keys: Tensor, values: Tensor, decay: Tensor, beta: Tensor, _ shape: RecurrenceShape,
        _ sequences: [RecurrentRows]
    ) throws(TensorError) -> Tensor {
        let span = OperationSpan("gatedDelta")
        defer { span.end() }
        let tokens = values.shape.first ?? 0
        guard values.shape == [tokens, shape.width], keys.shape == [tokens, shape.groupWidth],
            queries.shape == keys.shape, decay.shape == [tokens, shape.heads], beta.shape == decay.shape,
            shape.groups > 0, shape.heads % shape.groups == 0
        else {
            throw TensorError(
                .shape, "gatedDelta",
                "queries \(queries.shape), keys \(keys.shape), decays \(decay.shape) and beta \(beta.shape) do not fit "
                    + "\(values.shape) in \(shape.heads) heads and \(shape.groups) groups")
        }
        try check("gatedDelta", sequences, tokens: tokens, [queries, keys, values, decay, beta])
        return try backend(of: values).gatedDelta(
            queries: queries, keys: keys, values: values, decay: decay, beta: beta, shape, sequences)
    }

    private static func check(
        _ operation: String, _ sequences: [RecurrentRows], tokens: Int, _ tensors: [Tensor?]
    ) throws(TensorError) {
        var end = 0
        for sequence in sequences {
            guard sequence.rows.lowerBound == end, sequence.rows.upperBound <= tokens else {
                throw TensorError(
                    .argument, operation, "the sequences do not cover row \(end) of \(tokens) rows once and in order")
            }
            end = sequence.rows.upperBound
        }
        guard end == tokens else {
            throw TensorError(.argument, operation, "sequences up to row \(end) do not cover \(tokens) rows")
        }
        guard sequences.contains(where: { $0.state != nil }) else { return }
        guard !Tensor.isRecording(tensors) else {
            throw TensorError(
                .gradient, operation,
                "a state that is kept has no gradient: compute whole sequences, or put the pass inside noGrad")
        }
        guard tensors.allSatisfy({ $0?.dtype != .float64 }) else {
            throw TensorError(.dtype, operation, "kept states are of F32, not F64: compute whole sequences")
        }
    }
}
