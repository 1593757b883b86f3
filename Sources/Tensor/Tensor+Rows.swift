extension Tensor {
    /// The view of `count` slices along the first dimension from `first` on; also of quantised tensors, whose rows are
    /// whole blocks.
    /// - Precision: the tensor is contiguous and the range lies inside it.
    package func leadingRows(_ first: Int, count: Int) -> Tensor {
        precondition(rank > 0 && first >= 0 && first + count <= shape[0] && isContiguous)
        let rowElements = shape[0] == 0 ? 0 : elementCount / shape[0]
        let rowBytes = rowElements / dtype.blockLength * dtype.blockByteCount
        var part = shape
        part[0] = count
        return Tensor(storage: storage, byteOffset: byteOffset + first * rowBytes, dtype: dtype, shape: part)
    }
}
