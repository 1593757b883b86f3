extension Fused {
    /// Rows of a table `[vocabulary, width]` of any type, times `scale`: `[ids, width]`.
    public static func embed(_ ids: [Int32], _ table: Tensor, scale: Float) throws(TensorError) -> Tensor {
        guard table.rank == 2, table.isContiguous else {
            throw TensorError(.shape, "embed", "needs a contiguous table [vocabulary, width], got \(table.shape)")
        }
        let width = table.shape[1], vocabulary = table.shape[0]
        let result = Tensor(uninitialized: [ids.count, width])
        let rowBytes = width / table.dtype.blockLength * table.dtype.blockByteCount
        for (row, id) in ids.enumerated() {
            guard (0..<vocabulary).contains(Int(id)) else {
                throw TensorError(.index, "embed", "id \(id) is outside the table of \(vocabulary) rows")
            }
            let target = result.floats + row * width
            try Dequantize.row(table.dtype, table.pointer + Int(id) * rowBytes, count: width, into: target)
            if scale != 1 { for i in 0..<width { target[i] *= scale } }
        }
        return result
    }
}

extension Tensor {
    /// The same values as contiguous float32; itself when it is that already.
    package func float32() throws(TensorError) -> Tensor {
        if dtype == .float32, isContiguous { return self }
        guard isContiguous else { throw TensorError(.storage, "float32", "needs a contiguous tensor") }
        let result = Tensor(uninitialized: shape)
        try Dequantize.row(dtype, pointer, count: elementCount, into: result.floats)
        return result
    }
}
