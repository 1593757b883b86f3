/// Parts of a matrix `[out, in]`, as tensor parallelism over several ranks needs them.
///
/// Rows consist of whole blocks in every stored form, so a range of rows is a view and stays in its file. A range of
/// columns is copied; with a block format it must consist of whole blocks.
extension WeightMatrix {
    /// The number of adjacent columns that cannot be separated: the block length.
    package var columnUnit: Int { (self as? Tensor)?.dtype.blockLength ?? 1 }

    /// Rows `outputs`: `[outputs, in]`.
    /// - Throws: `TensorError` for rows outside the matrix, and for weights that are not tensors.
    public func part(outputs: Range<Int>) throws(TensorError) -> any WeightMatrix {
        let tensor = try divisible(outputs, of: shape.first ?? 0)
        return try tensor.withoutOrigin.leadingRows(outputs.lowerBound, count: outputs.count).leaf(as: tensor)
    }

    /// Columns `inputs`: `[out, inputs]`.
    /// - Throws: `TensorError` for columns outside the matrix, for a cut inside a block, and for weights that are not
    ///   tensors.
    public func part(inputs: Range<Int>) throws(TensorError) -> any WeightMatrix {
        let tensor = try divisible(inputs, of: shape.last ?? 0), type = tensor.dtype
        guard type.isQuantized else {
            return try tensor.withoutOrigin.narrow(1, from: inputs.lowerBound, length: inputs.count).contiguous()
                .leaf(as: tensor)
        }
        let unit = type.blockLength
        guard inputs.lowerBound % unit == 0, inputs.upperBound % unit == 0 else {
            throw TensorError(
                .shape, "part",
                "columns \(inputs) cut through blocks of \(unit) of \(type.name): cut at multiples of \(unit), or "
                    + "convert the matrix first")
        }
        let rowBytes = shape[1] / unit * type.blockByteCount, first = inputs.lowerBound / unit * type.blockByteCount
        let partBytes = inputs.count / unit * type.blockByteCount
        let result = Tensor(uninitialized: [shape[0], inputs.count], dtype: type)
        for row in 0..<shape[0] {
            (result.pointer + row * partBytes).copyMemory(
                from: tensor.pointer + row * rowBytes + first, byteCount: partBytes)
        }
        return result
    }

    private func divisible(_ range: Range<Int>, of count: Int) throws(TensorError) -> Tensor {
        guard let tensor = self as? Tensor, tensor.rank == 2, tensor.isContiguous else {
            throw TensorError(.dtype, "part", "a matrix held as \(storedType) \(shape) cannot be divided")
        }
        guard range.lowerBound >= 0, range.upperBound <= count else {
            throw TensorError(.shape, "part", "\(range) does not lie in \(shape)")
        }
        return tensor
    }
}

extension Tensor {
    /// A leaf of the tape with its own memory, if `whole` is a leaf.
    fileprivate func leaf(as whole: Tensor) throws(TensorError) -> Tensor {
        whole.requiresGrad ? try copied().requiringGrad() : self
    }
}
