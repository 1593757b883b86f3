import CKernels

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension CPU {
    static func attention(
        _ q: Tensor, _ k: Tensor, _ v: Tensor, mask: AttentionMask, _ shape: AttentionShape, sinks: Tensor?,
        dropout: AttentionDropout?
    ) throws(TensorError) -> Tensor {
        try Fused.check("attention", q, k, v)
        for other in [sinks, shape.positions?.keys, shape.positions?.queries] {
            if let other { try Fused.check("attention", other) }
        }
        let inputs: [Tensor?] = [q, k, v, sinks, shape.positions?.keys, shape.positions?.queries]
        let records = Tensor.isRecording(inputs)
        let logSums = Tensor(uninitialized: records ? [shape.heads, q.shape[0]] : [0])
        let (q0, k0, v0, s0) = (q.withoutOrigin, k.withoutOrigin, v.withoutOrigin, sinks?.withoutOrigin)
        let positions = shape.positions?.withoutOrigin
        // Over a cache nothing is dropped, and no vectors of distances are added.
        let isInPages = shape.isInPages && dropout == nil && positions == nil
        let output =
            isInPages
            ? try attentionInPages(q0, k0, v0, mask: mask, shape, sinks: s0, logSums: records ? logSums : nil)
            : Tensor(uninitialized: [q.shape[0], shape.heads * shape.valueDimension])
        let call = SequenceAttention(
            q: q0, k: k0, v: v0, sinks: s0, output: output, logSums: logSums, mask: mask, shape: shape,
            positions: positions, dropout: dropout)
        if isInPages {
            OperationSpan.count(operations: call.operations(backward: false))
        } else {
            call.run(gradients: nil)
        }
        guard records else { return output }
        let others = [s0, positions?.keys, positions?.queries].compactMap { $0 }
        return output.recorded("attention", inputs, saved: [q0, k0, v0, output] + others) { flow in
            let gradients = AttentionGradients(
                output: try flow.contiguousGradient(), q: Tensor(uninitialized: q0.shape),
                k: Tensor(uninitialized: k0.shape), v: Tensor(uninitialized: v0.shape),
                positionKeys: try positions?.keys.map { try Tensor.zeros($0.shape) },
                positionQueries: try positions?.queries.map { try Tensor.zeros($0.shape) })
            let gradient = gradients.output
            call.run(gradients: gradients)
            try flow.give(0, gradients.q)
            try flow.give(1, gradients.k)
            try flow.give(2, gradients.v)
            if let found = gradients.positionKeys { try flow.give(4, found) }
            if let found = gradients.positionQueries { try flow.give(5, found) }
            if let s0 { try flow.give(3, call.sinkGradient(s0, gradient)) }
        }
    }
}

/// The gradient of a call's output, and those of its inputs, which are computed from it.
private struct AttentionGradients {
    let output, q, k, v: Tensor
    let positionKeys, positionQueries: Tensor?
}

/// The tensors of one call, and their addresses for the kernel.
private struct SequenceAttention {
    let q, k, v: Tensor
    let sinks: Tensor?
    let output, logSums: Tensor
    let mask: AttentionMask
    let shape: AttentionShape
    let positions: DisentangledPositions?
    let dropout: AttentionDropout?

    private typealias Block = (reach: AttentionMask.Reach, queries: Range<Int>, keys: Range<Int>)

    /// Every key/value head of every block of the mask is a task; the longest blocks are started first. Blocks share the
    /// vectors of distances: where these have gradients, a head is a task, and its blocks follow each other.
    func run(gradients: AttentionGradients?) {
        OperationSpan.count(operations: operations(backward: gradients != nil))
        let order = mask.blocks.filter { !$0.keys.isEmpty }.sorted { $0.keys.count > $1.keys.count }
        let heads = shape.keyValueHeads
        (positions?.buckets ?? []).withUnsafeBufferPointer { buckets in
            if positions != nil, gradients != nil {
                ThreadPool.shared.run(heads) { head in
                    for block in order { run(block, head: head, buckets, gradients) }
                }
            } else {
                ThreadPool.shared.run(order.count * heads) { index in
                    run(order[index / heads], head: index % heads, buckets, gradients)
                }
            }
        }
        withExtendedLifetime((self, gradients)) {}
    }

    private func run(
        _ block: Block, head: Int, _ buckets: UnsafeBufferPointer<Int32>, _ gradients: AttentionGradients?
    ) {
        let kernels = martlet_kernels_active()
        var arguments = arguments(block, buckets, gradients)
        withUnsafePointer(to: kernels.pointee.gemm) { gemm in
            withUnsafePointer(to: kernels.pointee.training) { training in
                let byteCount = martlet_sequence_attention_scratch(
                    gemm, block.keys.count, shape.headDimension, shape.valueDimension, arguments.bucket_count,
                    gradients != nil)
                let scratch = Storage(byteCount: byteCount)
                if gradients == nil {
                    martlet_sequence_attend(gemm, training, &arguments, head, scratch.pointer)
                } else {
                    martlet_sequence_attend_gradient(gemm, training, &arguments, head, scratch.pointer)
                }
            }
        }
    }

    /// The value of a sink is zero, so the gradient of its score is − Σ p (dO · O) over the queries.
    func sinkGradient(_ sinks: Tensor, _ gradient: Tensor) -> Tensor {
        let result = Tensor(uninitialized: sinks.shape), size = shape.valueDimension, tokens = q.shape[0]
        let dot = martlet_kernels_active().pointee.training.dot
        for head in 0..<shape.heads {
            var sum: Float = 0
            for token in 0..<tokens {
                let place = (token * shape.heads + head) * size
                let delta = dot(output.floats + place, gradient.floats + place, size)
                sum -= exp(sinks.floats[head] - logSums.floats[head * tokens + token]) * delta
            }
            result.floats[head] = sum
        }
        return result
    }

    /// Floating-point operations over the visible query-key pairs. Forward: the products q kᵀ and p v. Backward: q kᵀ
    /// again, and the products for dp, dq, dk and dv.
    func operations(backward: Bool) -> Double {
        let pairs = mask.blocks.reduce(0.0) { total, block in
            let tokens = Double(block.queries.count), keys = Double(block.keys.count)
            let window = min(Double(block.reach.window ?? block.keys.count), keys)
            let causal = window * (tokens - (window - 1) / 2), prefix = Double(block.reach.prefixLength)
            return total
                + {
                    switch block.reach {
                    case .causal, .window, .chunk: causal
                    // Half of the prefix's square is in the causal half.
                    case .prefix: causal + prefix * (prefix - 1) / 2
                    case .around(let size): tokens * min(Double(2 * size - 1), keys)
                    case .everything: tokens * keys
                    case .table(let table, _): Double(table.pairCount)
                    }
                }()
        }
        let keys = Double(shape.heads * shape.headDimension), values = Double(shape.heads * shape.valueDimension)
        // Every token with every bucket that its text reaches.
        let buckets = mask.keys.reduce(0.0) {
            $0 + Double($1.count * (positions?.reached(by: max($1.count, 1)).count ?? 0))
        }
        let terms = Double([positions?.keys, positions?.queries].compactMap { $0 }.count) * buckets * keys
        return 2 * (pairs * (backward ? 3 * keys + 2 * values : keys + values) + terms * (backward ? 3 : 1))
    }

    private func arguments(
        _ block: Block, _ buckets: UnsafeBufferPointer<Int32>, _ gradients: AttentionGradients?
    ) -> martlet_sequence_attention {
        let queryWidth = shape.heads * shape.headDimension, keyWidth = shape.keyValueHeads * shape.headDimension
        let outputWidth = shape.heads * shape.valueDimension, valueWidth = shape.keyValueHeads * shape.valueDimension
        let first = block.queries.lowerBound, firstKey = block.keys.lowerBound, dropped = dropout?.dropped ?? 0
        func queries(_ x: Tensor) -> UnsafeMutablePointer<Float> { x.floats + first * queryWidth }
        func outputs(_ x: Tensor) -> UnsafeMutablePointer<Float> { x.floats + first * outputWidth }
        func keys(_ x: Tensor) -> UnsafeMutablePointer<Float> { x.floats + firstKey * keyWidth }
        func values(_ x: Tensor) -> UnsafeMutablePointer<Float> { x.floats + firstKey * valueWidth }
        let reached = positions?.reached(by: block.keys.count) ?? 0..<0
        func distances(_ x: Tensor) -> UnsafeMutablePointer<Float> { x.floats + reached.lowerBound * queryWidth }
        return martlet_sequence_attention(
            queries: queries(q), keys: keys(k), values: values(v), query_stride: queryWidth, key_stride: keyWidth,
            value_stride: valueWidth, tokens: block.keys.count, query_tokens: block.queries.count,
            head_dimension: shape.headDimension, value_dimension: shape.valueDimension,
            group: shape.heads / shape.keyValueHeads,
            before: block.reach.keysBefore, after: block.reach.keysAfter, prefix: block.reach.prefixLength,
            seen: block.reach.table?.pointer, seen_stride: block.reach.table?.keys ?? 0, scale: shape.scale,
            soft_cap: shape.softCap ?? 0,
            position_keys: positions?.keys.map { UnsafePointer(distances($0)) },
            position_queries: positions?.queries.map { UnsafePointer(distances($0)) },
            buckets: positions.flatMap { positions in buckets.baseAddress.map { $0 + positions.reach } },
            position_stride: queryWidth, first_bucket: reached.lowerBound, bucket_count: reached.count,
            sinks: sinks.map { UnsafePointer($0.floats) }, dropped: dropped,
            kept_scale: 65536 / Float(65536 - dropped), dropout_key: dropout?.key ?? 0,
            first_token: UInt64((dropout?.firstToken ?? 0) + first), output: outputs(output),
            output_stride: outputWidth,
            log_sums: logSums.elementCount > 0 ? logSums.floats + first : nil, log_sum_stride: q.shape[0],
            output_gradient: gradients.map { UnsafePointer(outputs($0.output)) },
            query_gradient: gradients.map { queries($0.q) }, key_gradient: gradients.map { keys($0.k) },
            value_gradient: gradients.map { values($0.v) },
            position_key_gradient: gradients?.positionKeys.map(distances),
            position_query_gradient: gradients?.positionQueries.map(distances))
    }
}

extension AttentionMask {
    fileprivate var blocks: [(reach: Reach, queries: Range<Int>, keys: Range<Int>)] {
        zip(reaches, zip(queries, keys)).map { ($0, $1.0, $1.1) }
    }
}
