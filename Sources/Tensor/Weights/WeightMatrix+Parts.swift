/// Parts of a matrix `[out, in]`: what one of several ranks holds.
///
/// Rows of any stored form are whole blocks, so they are a view and stay in their file. Columns are copied, in whole
/// blocks where the form has blocks.
extension WeightMatrix {
    /// How many neighbouring columns cannot be parted: the length of a block.
    package var columnUnit: Int { (self as? Tensor)?.dtype.blockLength ?? 1 }

    /// Rows `outputs`: `[outputs, in]`.
    /// - Throws: `TensorError` for rows outside the matrix, and for forms that are no tensor.
    public func part(outputs: Range<Int>) throws(TensorError) -> any WeightMatrix {
        let tensor = try divisible(outputs, of: shape.first ?? 0)
        return try tensor.withoutOrigin.leadingRows(outputs.lowerBound, count: outputs.count).leaf(as: tensor)
    }

    /// Columns `inputs`: `[out, inputs]`.
    /// - Throws: `TensorError` for columns outside the matrix, a cut within a block, and forms that are no tensor.
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
    /// A leaf of the tape of memory of its own, where `whole` is one.
    fileprivate func leaf(as whole: Tensor) throws(TensorError) -> Tensor {
        whole.requiresGrad ? try copied().requiringGrad() : self
    }
}
