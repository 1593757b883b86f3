/// `destination[b] = a[b] b[b]` for a batch of matrices with any strides.
extension Tensor {
    /// - Precondition: `a [batch, m, k]`, `b [batch, k, n]` (batch strides may be 0), `destination [batch, m, n]`
    ///   contiguous; all have the same type: float32, float64 or int64.
    static func multiplyOnCPU(_ a: Tensor, _ b: Tensor, into destination: Tensor) {
        let span = OperationSpan("matrixProduct")
        defer { span.end() }
        OperationSpan.count(bytes: a.elementBytes + b.elementBytes + destination.elementBytes)
        OperationSpan.count(operations: 2 * Double(destination.elementCount) * Double(a.shape.last ?? 1))
        switch destination.dtype {
        case .float32: multiplySingle(a, b, destination)
        case .float64: multiply(Double.self, a, b, destination)
        default: multiply(Int64.self, a, b, destination)
        }
    }
}

/// Through `GEMM`, which takes matrices with contiguous rows or columns; other layouts are copied first.
private func multiplySingle(_ a: Tensor, _ b: Tensor, _ c: Tensor) {
    let (left, leftStride, leftIsTransposed) = a.rowsOrColumns()
    let (right, rightStride, rightIsTransposed) = b.rowsOrColumns()
    withExtendedLifetime((left, right)) {
        GEMM.multiply(
            m: c.shape[1], n: c.shape[2], k: a.shape[2],
            a: left.floats, aStride: leftStride, transposeA: leftIsTransposed,
            b: right.floats, bStride: rightStride, transposeB: rightIsTransposed,
            c: c.floats, cStride: c.shape[2], batch: c.shape[0], aBatchStride: left.strides[0],
            bBatchStride: right.strides[0], cBatchStride: c.shape[1] * c.shape[2])
    }
}

extension Tensor {
    /// The matrices with contiguous rows, or else contiguous columns, and the stride between those.
    fileprivate func rowsOrColumns() -> (matrices: Tensor, stride: Int, isTransposed: Bool) {
        let (rows, columns) = (shape[1], shape[2])
        if strides[2] == 1 || columns == 1, strides[1] >= columns || rows == 1 { return (self, strides[1], false) }
        if strides[1] == 1 || rows == 1, strides[2] >= rows || columns == 1 { return (self, strides[2], true) }
        return (copied(), columns, false)
    }
}

/// One row of the result at a time: `c[i, :] += a[i, k] b[k, :]`, so every element is accumulated in order of `k`.
@inline(__always)
private func multiply<T: ComputeElement>(_ type: T.Type, _ a: Tensor, _ b: Tensor, _ c: Tensor) {
    let batch = c.shape[0], m = c.shape[1], n = c.shape[2], depth = a.shape[2]
    // The inner loop runs along rows of `b`; other layouts are copied once.
    let right = b.strides[2] == 1 || n == 1 ? b : b.copied()
    let x = a.pointer(as: type), y = right.pointer(as: type), z = c.pointer(as: type)
    let (aBatch, aRow, aStep) = (a.strides[0], a.strides[1], a.strides[2])
    let (bBatch, bRow) = (right.strides[0], right.strides[1])
    parallelRanges(batch * m, grain: max(1, elementGrain / max(n * depth, 1))) { range in
        for place in range {
            let (layer, row) = place.quotientAndRemainder(dividingBy: m)
            let to = z + place * n, left = x + layer * aBatch + row * aRow
            for j in 0..<n { to[j] = T.zero }
            for k in 0..<depth {
                let factor = left[k &* aStep], from = y + layer * bBatch + k * bRow
                for j in 0..<n { to[j] = T.plus(to[j], T.times(factor, from[j])) }
            }
        }
    }
    withExtendedLifetime(right) {}
}
