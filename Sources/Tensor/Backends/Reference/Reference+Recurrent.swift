extension Reference {
    /// y[t] = bias + Σ_j w[j] · x[t − width + 1 + j], each channel on its own, with zeros before each sequence. x
    /// `[tokens, channels]`, weight `[channels, 1, width]` -> `[tokens, channels]`.
    public static func causalConvolution(
        _ x: Tensor, _ weight: Tensor, _ bias: Tensor?, _ sequences: [RecurrentRows]
    ) throws(TensorError) -> Tensor {
        let width = weight.shape[2], channels = x.shape[1]
        let taps = try weight.reshape(channels, width).transposed()  // [width, channels]
        return try overSequences(sequences, channels, x.dtype) { (rows) throws(TensorError) in
            let before = try Tensor.zeros([width - 1, channels], dtype: x.dtype)
            let own = try x.narrow(0, from: rows.lowerBound, length: rows.count)
            let padded = try Tensor.concatenate([before, own])  // [width - 1 + tokens, channels]
            var sum = try Tensor.zeros([rows.count, channels], dtype: x.dtype)
            if let bias { sum = try sum + bias }
            for j in 0..<width { sum = try sum + padded.narrow(0, from: j, length: rows.count) * taps.select(0, j) }
            return sum
        }
    }

    /// h ← exp(Δ ⊙ A) ⊙ h + (Δ ⊙ x) Bᵀ, y = h C + D ⊙ x, with h `[channels, rows]` (Gu and Dao 2023, algorithm 2).
    public static func selectiveScan(
        _ x: Tensor, step: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor, _ sequences: [RecurrentRows]
    ) throws(TensorError) -> Tensor {
        let channels = x.shape[1], size = a.shape[0], a = try a.transposed()  // [channels, rows]
        return try overTokens(sequences, channels, x.dtype, state: [channels, size]) { (h, t) throws(TensorError) in
            let delta = try step.select(0, t).unsqueeze(1), input = try x.select(0, t).unsqueeze(1)  // [channels, 1]
            let next = try (delta * a).exp() * h + delta * input * b.select(0, t)  // [channels, rows]
            let y = try (next * c.select(0, t)).sum(axes: [1]) + d * x.select(0, t)  // [channels]
            return (next, y)
        }
    }

    /// h ← exp(Δ A) h + Δ x Bᵀ, y = h C + D x in every head, with h `[heads, lanes, rows]` (Dao and Gu 2024, section 7).
    public static func stateSpace(
        _ x: Tensor, step: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor, _ shape: RecurrenceShape,
        _ sequences: [RecurrentRows]
    ) throws(TensorError) -> Tensor {
        let heads = shape.heads, state: Shape = [heads, shape.lanes, shape.rows]
        return try overTokens(sequences, shape.width, x.dtype, state: state) { (h, t) throws(TensorError) in
            let delta = try step.select(0, t)  // [heads]
            let input = try x.select(0, t).reshape(heads, shape.lanes, 1)
            let written = try repeated(b.select(0, t), shape).unsqueeze(1)  // [heads, 1, rows]
            let read = try repeated(c.select(0, t), shape).unsqueeze(1)
            let decay = try (delta * a).exp().reshape(heads, 1, 1)
            let next = try decay * h + delta.reshape(heads, 1, 1) * input * written  // [heads, lanes, rows]
            let y = try (next * read).sum(axes: [2], keepDimensions: true) + d.reshape(heads, 1, 1) * input
            return (next, try y.reshape(shape.width))
        }
    }

    /// S ← e^g S, S ← S + k (β (v − Sᵀ k))ᵀ, y = Sᵀ q in every head, with S `[heads, rows, lanes]` (Yang et al. 2024,
    /// eq. 10).
    public static func gatedDelta(
        queries: Tensor, keys: Tensor, values: Tensor, decay: Tensor, beta: Tensor, _ shape: RecurrenceShape,
        _ sequences: [RecurrentRows]
    ) throws(TensorError) -> Tensor {
        let heads = shape.heads, state: Shape = [heads, shape.rows, shape.lanes]
        return try overTokens(sequences, shape.width, values.dtype, state: state) { (before, t) throws(TensorError) in
            let q = try repeated(queries.select(0, t), shape).unsqueeze(2)  // [heads, rows, 1]
            let k = try repeated(keys.select(0, t), shape).unsqueeze(2)
            let v = try values.select(0, t).reshape(heads, 1, shape.lanes)
            let s = try decay.select(0, t).exp().reshape(heads, 1, 1) * before
            let known = try (s * k).sum(axes: [1], keepDimensions: true)  // [heads, 1, lanes]
            let next = try s + k * (beta.select(0, t).reshape(heads, 1, 1) * (v - known))
            return (next, try (next * q).sum(axes: [1]).reshape(shape.width))
        }
    }

    /// `[groups · rows]` -> `[heads, rows]`, each group for all of its heads.
    private static func repeated(_ x: Tensor, _ shape: RecurrenceShape) throws(TensorError) -> Tensor {
        let each = shape.heads / shape.groups
        return try x.reshape(shape.groups, 1, shape.rows).expand(shape.groups, each, shape.rows)
            .reshape(shape.heads, shape.rows)
    }

    /// `[tokens, width]` of sequences that are computed one by one.
    private static func overSequences(
        _ sequences: [RecurrentRows], _ width: Int, _ dtype: DType,
        _ body: (Range<Int>) throws(TensorError) -> Tensor
    ) throws(TensorError) -> Tensor {
        var parts: [Tensor] = []
        for sequence in sequences where !sequence.rows.isEmpty {
            guard sequence.state == nil else {
                throw TensorError(.missing, "recurrence", "this backend keeps no states: compute whole sequences")
            }
            parts.append(try body(sequence.rows))
        }
        return parts.isEmpty ? try Tensor.zeros([0, width], dtype: dtype) : try Tensor.concatenate(parts)
    }

    /// The same, token by token: `body` makes the next state and the token's result `[width]` of a state and a row.
    private static func overTokens(
        _ sequences: [RecurrentRows], _ width: Int, _ dtype: DType, state: Shape,
        _ body: (Tensor, Int) throws(TensorError) -> (Tensor, Tensor)
    ) throws(TensorError) -> Tensor {
        try overSequences(sequences, width, dtype) { (rows) throws(TensorError) in
            var h = try Tensor.zeros(state, dtype: dtype), results: [Tensor] = []
            for t in rows {
                let (next, y) = try body(h, t)
                h = next
                results.append(y)
            }
            return try Tensor.stack(results)  // [tokens, width]
        }
    }
}
