/// Products of vectors, matrices and batches of matrices.
extension Tensor {
    /// Matrix product over the last two axes; leading axes broadcast. A one-dimensional operand is a row on the left
    /// and a column on the right, and the axis added for this is removed from the result (PyTorch's `matmul`).
    ///
    /// ```swift
    /// let y = try x.matmul(w.transposed())   // x [tokens, in], w [out, in] -> y [tokens, out]
    /// ```
    ///
    /// Floats give their promoted type; 16-bit floats accumulate in float32, integers exactly in int64.
    /// - Throws: `TensorError` of kind `.shape` when the inner extents differ or leading axes do not broadcast.
    public func matmul(_ other: Tensor) throws(TensorError) -> Tensor {
        func mismatch(_ why: String) -> TensorError {
            TensorError(.shape, "matmul", "shapes \(shape) and \(other.shape): \(why)")
        }
        guard rank > 0, other.rank > 0 else { throw mismatch("both operands need at least one dimension") }
        let dtype = try Tensor.promoted(self, other, "matmul")
        let computed: DType = dtype.isFloatingPoint ? dtype.computed : .int64
        let a = rank == 1 ? try unsqueeze(0) : self
        let b = other.rank == 1 ? try other.unsqueeze(1) : other
        let m = a.shape[a.rank - 2], depth = a.shape[a.rank - 1], n = b.shape[b.rank - 1]
        guard depth == b.shape[b.rank - 2] else {
            throw mismatch("\(depth) columns on the left, \(b.shape[b.rank - 2]) rows on the right")
        }
        guard let batch = Shape.broadcast(Shape(a.shape.dropLast(2)), Shape(b.shape.dropLast(2))) else {
            throw mismatch("the leading dimensions do not broadcast")
        }
        var extents = Array(batch)
        if rank > 1 { extents.append(m) }
        if other.rank > 1 { extents.append(n) }
        let left = try a.withoutOrigin.to(computed), right = try b.withoutOrigin.to(computed)
        let result: Tensor
        if right.rank == 2 && left.rank > 2 {
            // One matrix on the right: the batch becomes additional rows.
            let rows = batch.elementCount * m
            let flat = try left.reshape(rows, depth)
            result = try Tensor.allocated([1, rows, n], computed, "matmul")
            try primitives.matmul(flat.unsqueeze(0), right.unsqueeze(0), into: result)
        } else {
            let count = batch.elementCount
            result = try Tensor.allocated([count, m, n], computed, "matmul")
            let leftBatch = try left.expand(Array(batch) + [m, depth]).reshape(count, m, depth)
            let rightBatch = try right.expand(Array(batch) + [depth, n]).reshape(count, depth, n)
            try primitives.matmul(leftBatch, rightBatch, into: result)
        }
        return Tensor.recordMatrixProduct(self, other, try result.reshape(extents).to(dtype))
    }

    /// The inner product of two vectors of equal length.
    public func dot(_ other: Tensor) throws(TensorError) -> Tensor {
        guard rank == 1, shape == other.shape else {
            throw TensorError(.shape, "dot", "shapes \(shape) and \(other.shape) are no vectors of equal length")
        }
        return try matmul(other)
    }

    /// `result[i, j] = self[i] other[j]`.
    public func outer(_ other: Tensor) throws(TensorError) -> Tensor {
        guard rank == 1, other.rank == 1 else {
            throw TensorError(.shape, "outer", "shapes \(shape) and \(other.shape) are not two vectors")
        }
        return try unsqueeze(1) * other
    }
}
