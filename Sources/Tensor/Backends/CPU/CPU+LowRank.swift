extension CPU {
    static func adaptedLinear(
        _ x: Tensor, _ layers: [(weight: any WeightMatrix, bias: Tensor?)], _ terms: [LowRankTerm?]
    ) throws(TensorError) -> [Tensor] {
        try Fused.check("linear", x)
        let stack = try StackedTerms(terms)
        let inner = Tensor(uninitialized: [x.shape[0], stack.width])  // [tokens, Σ rank]
        if let down = stack.down { product(x, down, transposed: true, into: inner, accumulate: false) }
        var outputs: [Tensor] = []
        for (index, (weight, bias)) in layers.enumerated() {
            try checkWeight("linear", weight)
            guard x.rank == 2, weight.shape[1] == x.shape[1] else {
                throw TensorError(.shape, "linear", "a weight of \(weight.shape) does not fit \(x.shape)")
            }
            let output = Tensor(uninitialized: [x.shape[0], weight.shape[0]])
            try product(x, weight, transposed: true, into: output, accumulate: false)
            // Always in this order, so that a term of some rows of a batch gives the same bits.
            if let bias { try Fused.addRow(bias.withoutOrigin, to: output) }
            stack.addUp(index, inner, to: output)
            outputs.append(output)
        }
        var inputs: [Tensor?] = [x] + layers.flatMap { [$0.weight.dense, $0.bias] }
        let firstTerm = inputs.count
        inputs += terms.flatMap { [$0?.down, $0?.up] }
        guard Tensor.isRecording(inputs) else { return outputs }
        let x = x.withoutOrigin, weights = layers.map { $0.weight.untracked }
        let saved = [x, inner] + weights.flatMap(\.storedTensors) + stack.tensors
        return Tensor.record("linear", inputs, outputs, saved: saved) { flow in
            // s dY B of every term, [tokens, Σ rank].
            let towards = try Tensor.zeros(inner.shape)
            for (index, weight) in weights.enumerated() {
                guard flow.gradient(index) != nil else { continue }
                let gradient = try flow.contiguousGradient(index)
                try flow.write(0) { try product(gradient, weight, transposed: false, into: $0, accumulate: $1) }
                try flow.write(1 + 2 * index) { outer(gradient, x, into: $0, accumulate: $1) }
                try flow.write(2 + 2 * index) { sumRows(gradient, into: $0, accumulate: $1) }
                stack.addTowards(index, gradient, to: towards)
                try flow.write(firstTerm + 2 * index + 1) {
                    stack.addUpGradient(index, gradient, inner, to: $0, accumulate: $1)
                }
            }
            guard let down = stack.down else { return }
            try flow.write(0) { product(towards, down, transposed: false, into: $0, accumulate: $1) }
            for index in weights.indices {
                try flow.write(firstTerm + 2 * index) {
                    stack.addDownGradient(index, towards, x, to: $0, accumulate: $1)
                }
            }
        }
    }

    static func addLowRank(_ x: Tensor, _ parts: [LowRankPart], to outputs: [Tensor]) throws(TensorError) {
        try Fused.check("addLowRank", x)
        for part in parts { try Fused.check("addLowRank", part.term.down, part.term.up, outputs[part.output]) }
        let width = parts.map(\.term.rank).max() ?? 0
        let inners = parts.map { Tensor(uninitialized: [$0.rows.count, $0.term.rank]) }
        let source = x.floats, columns = x.shape[1]
        OperationSpan.count(
            operations: parts.reduce(0) {
                $0 + 2 * Double($1.rows.count * $1.term.rank) * Double(columns + $1.term.up.shape[0])
            })
        // Each part has few rows: one fork for all parts, and each product on one thread.
        ThreadPool.shared.run(parts.count) { index in
            let part = parts[index], term = part.term, rank = term.rank, inner = inners[index].floats
            GEMM.multiply(
                m: part.rows.count, n: rank, k: columns, a: source + part.rows.lowerBound * columns, aStride: columns,
                b: term.down.floats, bStride: columns, transposeB: true, c: inner, cStride: rank)
            let out = term.up.shape[0]
            GEMM.multiply(
                m: part.rows.count, n: out, k: rank, alpha: term.scale, a: inner, aStride: rank, b: term.up.floats,
                bStride: rank, transposeB: true, beta: 1,
                c: outputs[part.output].floats + part.rows.lowerBound * out, cStride: out)
        }
        withExtendedLifetime((inners, width)) {}
    }
}

/// The low-rank terms of several weights, with their matrices A stacked into one.
private struct StackedTerms {
    private let terms: [LowRankTerm?]
    private let offsets: [Int]
    let width: Int
    /// `[Σ rank, in]`; nil where there are none.
    let down: Tensor?

    init(_ given: [LowRankTerm?]) throws(TensorError) {
        terms = given.map { term in
            term.map { LowRankTerm(down: $0.down.withoutOrigin, up: $0.up.withoutOrigin, scale: $0.scale) }
        }
        var offsets: [Int] = [], width = 0
        for term in terms {
            offsets.append(width)
            width += term?.rank ?? 0
        }
        (self.offsets, self.width) = (offsets, width)
        let present = terms.compactMap { $0 }
        for term in present { try Fused.check("linear", term.down, term.up) }
        guard width > 0 else {
            down = nil
            return
        }
        guard present.count > 1 else {
            down = present[0].down
            return
        }
        let stacked = Tensor(uninitialized: [width, present[0].down.shape[1]])
        var target = stacked.floats
        for term in present {
            target.update(from: term.down.floats, count: term.down.elementCount)
            target += term.down.elementCount
        }
        down = stacked
    }

    var tensors: [Tensor] { terms.compactMap { $0 }.flatMap { [$0.down, $0.up] } }

    private func count(_ a: Tensor, _ term: LowRankTerm) {
        OperationSpan.count(operations: 2 * Double(a.elementCount) * Double(term.rank))
    }

    /// Y += s (X Aᵀ) Bᵀ.
    func addUp(_ index: Int, _ inner: Tensor, to output: Tensor) {
        guard let term = terms[index] else { return }
        count(output, term)
        GEMM.multiply(
            m: output.shape[0], n: output.shape[1], k: term.rank, alpha: term.scale, a: inner.floats + offsets[index],
            aStride: width, b: term.up.floats, bStride: term.rank, transposeB: true, beta: 1, c: output.floats,
            cStride: output.shape[1])
    }

    /// s dY B, in the term's columns.
    func addTowards(_ index: Int, _ gradient: Tensor, to towards: Tensor) {
        guard let term = terms[index] else { return }
        count(gradient, term)
        GEMM.multiply(
            m: gradient.shape[0], n: term.rank, k: gradient.shape[1], alpha: term.scale, a: gradient.floats,
            aStride: gradient.shape[1], b: term.up.floats, bStride: term.rank, c: towards.floats + offsets[index],
            cStride: width)
    }

    /// s dYᵀ (X Aᵀ).
    func addUpGradient(_ index: Int, _ gradient: Tensor, _ inner: Tensor, to target: Tensor, accumulate: Bool) {
        guard let term = terms[index] else { return }
        count(gradient, term)
        GEMM.multiply(
            m: gradient.shape[1], n: term.rank, k: gradient.shape[0], alpha: term.scale, a: gradient.floats,
            aStride: gradient.shape[1], transposeA: true, b: inner.floats + offsets[index], bStride: width,
            beta: accumulate ? 1 : 0, c: target.floats, cStride: term.rank)
    }

    /// Gᵀ X.
    func addDownGradient(_ index: Int, _ towards: Tensor, _ x: Tensor, to target: Tensor, accumulate: Bool) {
        guard let term = terms[index] else { return }
        count(x, term)
        GEMM.multiply(
            m: term.rank, n: x.shape[1], k: x.shape[0], a: towards.floats + offsets[index], aStride: width,
            transposeA: true, b: x.floats, bStride: x.shape[1], beta: accumulate ? 1 : 0, c: target.floats,
            cStride: x.shape[1])
    }
}
