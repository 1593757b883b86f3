import CKernels

/// What attention sees and how it scales.
public struct AttentionShape: Sendable, Equatable {
    public var heads, keyValueHeads, headDimension: Int
    /// Factor on q·k.
    public var scale: Float
    /// scores ← cap · tanh(scores / cap), Gemma 2.
    public var softCap: Float?
    /// The number of latest positions seen, or nil for all.
    public var window: Int?
    public var isCausal = true

    public init(
        heads: Int, keyValueHeads: Int, headDimension: Int, scale: Float, softCap: Float? = nil, window: Int? = nil,
        isCausal: Bool = true
    ) {
        self.heads = heads
        self.keyValueHeads = keyValueHeads
        self.headDimension = headDimension
        self.scale = scale
        self.softCap = softCap
        self.window = window
        self.isCausal = isCausal
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
    /// softmax(scale · q kᵀ) v within each of `segments`, ranges of rows that see only themselves: whole sequences,
    /// or the documents packed into one.
    ///
    /// - Shapes: q `[tokens, heads · headDimension]`, k and v `[tokens, keyValueHeads · headDimension]` -> as q.
    ///   Memory grows with the tokens, not with their square (Dao et al. 2022).
    /// - Parameter dropout: what is dropped of the probabilities, in training.
    public static func attention(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, segments: [Range<Int>], _ shape: AttentionShape,
        dropout: AttentionDropout? = nil
    ) throws(TensorError) -> Tensor {
        let span = OperationSpan("attention")
        defer { span.end() }
        if Reference.takes(q) {
            return try Reference.attention(q, k, v, segments: segments, shape, dropout: dropout)
        }
        try check("attention", q, k, v)
        let tokens = q.shape[0], width = shape.keyValueHeads * shape.headDimension
        guard q.rank == 2, k.shape == [tokens, width], v.shape == k.shape,
            q.shape[1] == shape.heads * shape.headDimension, shape.heads % max(shape.keyValueHeads, 1) == 0
        else {
            throw TensorError(
                .shape, "attention",
                "queries \(q.shape), keys \(k.shape) and values \(v.shape) do not fit "
                    + "\(shape.heads) and \(shape.keyValueHeads) heads of \(shape.headDimension)")
        }
        guard segments.allSatisfy({ $0.lowerBound >= 0 && $0.upperBound <= tokens }),
            segments.reduce(0, { $0 + $1.count }) == tokens
        else { throw TensorError(.argument, "attention", "the segments do not cover \(tokens) tokens") }
        let output = Tensor(uninitialized: q.shape)
        let records = Tensor.isRecording([q, k, v])
        let logSums = Tensor(uninitialized: records ? [shape.heads, tokens] : [0])
        let call = SequenceAttention(
            q: q, k: k, v: v, output: output, logSums: logSums, shape: shape, dropout: dropout)
        call.run(segments, gradients: nil)
        guard records else { return output }
        let (q0, k0, v0) = (q.withoutOrigin, k.withoutOrigin, v.withoutOrigin)
        return output.recorded("attention", [q, k, v], saved: [q0, k0, v0, output]) { flow in
            let gradient = try flow.contiguousGradient()
            let (dq, dk, dv) = (
                Tensor(uninitialized: q0.shape), Tensor(uninitialized: k0.shape), Tensor(uninitialized: v0.shape)
            )
            let call = SequenceAttention(
                q: q0, k: k0, v: v0, output: output, logSums: logSums, shape: shape, dropout: dropout)
            call.run(segments, gradients: (gradient, dq, dk, dv))
            try flow.give(0, dq)
            try flow.give(1, dk)
            try flow.give(2, dv)
        }
    }
}

/// The tensors of one call, and their addresses for the kernel.
private struct SequenceAttention {
    let q, k, v, output, logSums: Tensor
    let shape: AttentionShape
    let dropout: AttentionDropout?

    /// Every key/value head of every segment is a task of its own; the longest segments go first.
    func run(_ segments: [Range<Int>], gradients: (output: Tensor, q: Tensor, k: Tensor, v: Tensor)?) {
        OperationSpan.count(operations: operations(segments, backward: gradients != nil))
        let kernels = martlet_kernels_active()
        let order = segments.filter { !$0.isEmpty }.sorted { $0.count > $1.count }
        let heads = shape.keyValueHeads
        ThreadPool.shared.run(order.count * heads) { index in
            let segment = order[index / heads]
            var arguments = arguments(segment, gradients)
            withUnsafePointer(to: kernels.pointee.gemm) { gemm in
                withUnsafePointer(to: kernels.pointee.training) { training in
                    let byteCount = martlet_sequence_attention_scratch(
                        gemm, segment.count, shape.headDimension, gradients != nil)
                    let scratch = Storage(byteCount: byteCount)
                    if gradients == nil {
                        martlet_sequence_attend(gemm, training, &arguments, index % heads, scratch.pointer)
                    } else {
                        martlet_sequence_attend_gradient(gemm, training, &arguments, index % heads, scratch.pointer)
                    }
                }
            }
        }
        withExtendedLifetime((self, gradients)) {}
    }

    /// Multiplications and additions: two products forward, q kᵀ and p v, over the pairs that are seen; backward those
    /// of q kᵀ again, p and the three gradients.
    private func operations(_ segments: [Range<Int>], backward: Bool) -> Double {
        let pairs = segments.reduce(0.0) { total, segment in
            let tokens = Double(segment.count), window = Double(min(shape.window ?? segment.count, segment.count))
            return total + (shape.isCausal ? window * (tokens - (window - 1) / 2) : tokens * tokens)
        }
        return (backward ? 5 : 2) * 2 * pairs * Double(shape.heads * shape.headDimension)
    }

    private func arguments(
        _ segment: Range<Int>, _ gradients: (output: Tensor, q: Tensor, k: Tensor, v: Tensor)?
    ) -> martlet_sequence_attention {
        let queryWidth = shape.heads * shape.headDimension, keyWidth = shape.keyValueHeads * shape.headDimension
        let first = segment.lowerBound, dropped = dropout?.dropped ?? 0
        func queries(_ x: Tensor) -> UnsafeMutablePointer<Float> { x.floats + first * queryWidth }
        func keys(_ x: Tensor) -> UnsafeMutablePointer<Float> { x.floats + first * keyWidth }
        return martlet_sequence_attention(
            queries: queries(q), keys: keys(k), values: keys(v), query_stride: queryWidth, key_stride: keyWidth,
            value_stride: keyWidth, tokens: segment.count, head_dimension: shape.headDimension,
            group: shape.heads / shape.keyValueHeads, before: shape.window.map { $0 - 1 } ?? 1 << 40,
            causal: shape.isCausal, scale: shape.scale, soft_cap: shape.softCap ?? 0,
            dropped: dropped, kept_scale: 65536 / Float(65536 - dropped), dropout_key: dropout?.key ?? 0,
            first_token: UInt64((dropout?.firstToken ?? 0) + first), output: queries(output),
            log_sums: logSums.elementCount > 0 ? logSums.floats + first : nil, log_sum_stride: q.shape[0],
            output_gradient: gradients.map { UnsafePointer(queries($0.output)) },
            query_gradient: gradients.map { queries($0.q) }, key_gradient: gradients.map { keys($0.k) },
            value_gradient: gradients.map { keys($0.v) })
    }
}
