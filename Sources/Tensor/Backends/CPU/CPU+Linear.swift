import CKernels

extension CPU {
    static func linear(
        _ x: Tensor, _ layers: [(weight: any WeightMatrix, bias: Tensor?)], values: Bool
    ) throws(TensorError) -> [Tensor] {
        try Fused.check("linear", x)
        var outputs: [Tensor] = []
        for (weight, bias) in layers {
            try checkWeight("linear", weight)
            guard x.rank == 2, weight.shape[1] == x.shape[1] else {
                throw TensorError(.shape, "linear", "a weight of \(weight.shape) does not fit \(x.shape)")
            }
            let output = Tensor(uninitialized: [x.shape[0], weight.shape[0]])
            if values {
                try product(x, weight, transposed: true, into: output, accumulate: false)
                if let bias { try Fused.addRow(bias.withoutOrigin, to: output) }
            }
            outputs.append(output)
        }
        let inputs: [Tensor?] = [x] + layers.flatMap { [$0.weight.dense, $0.bias] }
        guard Tensor.isRecording(inputs) else { return outputs }
        // Frozen weights need no activations.
        let x = layers.contains { $0.weight.isNoted } ? x.withoutOrigin : nil
        let weights = layers.map { $0.weight.untracked }
        let saved = [x].compactMap { $0 } + weights.flatMap(\.storedTensors)
        return Tensor.record("linear", inputs, outputs, saved: saved) { flow in
            for (index, weight) in weights.enumerated() {
                guard flow.gradient(index) != nil else { continue }
                let gradient = try flow.contiguousGradient(index)
                try flow.write(0) { try product(gradient, weight, transposed: false, into: $0, accumulate: $1) }
                if let x { try flow.write(1 + 2 * index) { outer(gradient, x, into: $0, accumulate: $1) } }
                try flow.write(2 + 2 * index) { sumRows(gradient, into: $0, accumulate: $1) }
            }
        }
    }

    /// Elements of a frozen weight decoded to float32 at a time: as many as stay in the level 3 cache.
    private static let stripElements = 1 << 20

    /// - Throws: `TensorError` when a weight is not a matrix, is strided, or requires a gradient that its type cannot
    ///   have.
    static func checkWeight(_ operation: String, _ weight: any WeightMatrix) throws(TensorError) {
        guard weight.shape.rank == 2 else {
            throw TensorError(.shape, operation, "a weight of \(weight.shape) is not a matrix")
        }
        guard weight.dense == nil, let tensor = weight as? Tensor else { return }
        guard tensor.isContiguous else {
            throw TensorError(.dtype, operation, "needs contiguous weights, got strided \(tensor.dtype.name)")
        }
        guard !Tensor.isRecording(tensor) else {
            throw TensorError(
                .gradient, operation,
                "a weight of \(tensor.dtype.name) has no gradient: train it as F32, or freeze it")
        }
    }

    /// C (+)= A B, or A Bᵀ; `then` is added after it.
    ///
    /// A matrix that is not float32 is decoded in strips of rows. Every element of C is still accumulated in ascending
    /// order of k: a strip is either a range of columns of C, or continues the sums in C.
    static func product(
        _ a: Tensor, _ b: any WeightMatrix, transposed: Bool, into c: Tensor, accumulate: Bool,
        then: GEMM.Addend? = nil
    ) throws(TensorError) {
        if let dense = b.dense {
            return product(a, dense, transposed: transposed, into: c, accumulate: accumulate, then: then)
        }
        let rows = b.shape[0], columns = b.shape[1]
        OperationSpan.count(operations: 2 * Double(a.elementCount) * Double(transposed ? rows : columns))
        let strip = max(64, stripElements / max(columns, 1) / 64 * 64)
        var first = 0
        repeat {
            let range = first..<min(first + strip, rows)
            let part = try b.float32Rows(range)
            if transposed {
                GEMM.multiply(
                    m: a.shape[0], n: range.count, k: columns, a: a.floats, aStride: columns, b: part.floats,
                    bStride: columns, transposeB: true, beta: accumulate ? 1 : 0, c: c.floats + first, cStride: rows,
                    then: then?.ofColumns(from: first))
            } else {
                GEMM.multiply(
                    m: a.shape[0], n: columns, k: range.count, a: a.floats + first, aStride: rows, b: part.floats,
                    bStride: columns, beta: accumulate || first > 0 ? 1 : 0, c: c.floats, cStride: columns,
                    then: first + strip < rows ? nil : then)
            }
            withExtendedLifetime(part) {}
            first += strip
        } while first < rows
    }

    /// C (+)= A B, or A Bᵀ, in float32; `then` is added after it.
    static func product(
        _ a: Tensor, _ b: Tensor, transposed: Bool, into c: Tensor, accumulate: Bool, then: GEMM.Addend? = nil
    ) {
        let n = transposed ? b.shape[0] : b.shape[1]
        OperationSpan.count(operations: 2 * Double(a.elementCount) * Double(n))
        GEMM.multiply(
            m: a.shape[0], n: n, k: a.shape[1], a: a.floats, aStride: a.shape[1], b: b.floats, bStride: b.shape[1],
            transposeB: transposed, beta: accumulate ? 1 : 0, c: c.floats, cStride: n, then: then)
    }

    /// C (+)= Aᵀ B.
    static func outer(_ a: Tensor, _ b: Tensor, into c: Tensor, accumulate: Bool) {
        OperationSpan.count(operations: 2 * Double(a.elementCount) * Double(b.shape[1]))
        GEMM.multiply(
            m: a.shape[1], n: b.shape[1], k: a.shape[0], a: a.floats, aStride: a.shape[1], transposeA: true,
            b: b.floats, bStride: b.shape[1], beta: accumulate ? 1 : 0, c: c.floats, cStride: b.shape[1])
    }

    /// The sum of the rows of a matrix, in an order that does not depend on the number of threads.
    static func sumRows(_ x: Tensor, into row: Tensor, accumulate: Bool) {
        let width = x.shape[1], source = x.floats
        let add = martlet_kernels_active().pointee.vector.add
        inChunks(x.shape[0], width: width, into: row.floats, accumulate: accumulate) { range, partial in
            for index in range { add(partial, source + index * width, partial, width) }
        }
    }

    /// Sums over rows in chunks of fixed size: `body` adds its rows to a partial sum that starts from zero, and the
    /// partial sums are added in order.
    static func inChunks(
        _ rows: Int, width: Int, parts: Int = 1, into target: UnsafeMutablePointer<Float>, accumulate: Bool,
        _ body: (Range<Int>, UnsafeMutablePointer<Float>) -> Void
    ) {
        let chunks = max(1, min(16, rows / 32)), size = (rows + chunks - 1) / chunks, length = width * parts
        let partial = Tensor(uninitialized: [chunks, length])
        let sums = partial.floats
        ThreadPool.shared.run(chunks) { chunk in
            let mine = sums + chunk * length
            mine.update(repeating: 0, count: length)
            body(min(chunk * size, rows)..<min((chunk + 1) * size, rows), mine)
        }
        let add = martlet_kernels_active().pointee.vector.add
        for chunk in 0..<chunks {
            if chunk == 0, !accumulate {
                target.update(from: sums, count: length)
            } else {
                add(target, sums + chunk * length, target, length)
            }
        }
        withExtendedLifetime(partial) {}
    }
}
