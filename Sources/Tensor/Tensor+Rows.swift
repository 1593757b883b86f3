extension Tensor {
    /// A view of `count` slices along the first dimension, starting at `first`; also for quantised tensors, whose rows
    /// are whole blocks.
    /// - Precondition: the tensor is contiguous and the range lies inside it.
    package func leadingRows(_ first: Int, count: Int) -> Tensor {
        precondition(rank > 0 && first >= 0 && first + count <= shape[0] && isContiguous)
        let rowElements = shape[0] == 0 ? 0 : elementCount / shape[0]
        let rowBytes = rowElements / dtype.blockLength * dtype.blockByteCount
        var part = shape
        part[0] = count
        return Tensor(storage: storage, byteOffset: byteOffset + first * rowBytes, dtype: dtype, shape: part)
    }

    /// A new matrix of some rows of a float32 matrix, in the given order.
    /// - Precondition: the tensor is a contiguous matrix and the indices are in range.
    package func gatheredRows(_ rows: [Int]) -> Tensor {
        precondition(rank == 2 && isContiguous && dtype == .float32)
        let result = Tensor(uninitialized: [rows.count, shape[1]])
        for (index, row) in rows.enumerated() {
            precondition((0..<shape[0]).contains(row))
            (result.floats + index * shape[1]).update(from: floats + row * shape[1], count: shape[1])
        }
        return result
    }
}
