/// Elements selected, written and masked by other tensors. Indices are int64 or int32; negative ones count from the end
/// in `indexSelect` and throw in `gather` and `scatter`, as in PyTorch.
extension Tensor {
    /// The indices as int64, each checked against `extent`.
    private static func checked(
        _ index: Tensor, below extent: Int, wrapping: Bool, _ operation: String
    ) throws(TensorError) -> Tensor {
        guard !index.dtype.isFloatingPoint, !index.dtype.isQuantized, index.dtype != .bool else {
            throw TensorError(
                .dtype, operation, "indices of shape \(index.shape) are \(index.dtype.name), not integers")
        }
        var plain = try index.to(.int64).contiguous()
        if wrapping && plain.storage === index.storage { plain = plain.copied() }
        let values = plain.pointer(as: Int64.self)
        for place in 0..<plain.elementCount {
            let value = values[place]
            if value >= 0 && value < extent { continue }
            guard wrapping, value < 0, value >= -extent else {
                throw TensorError(
                    .index, operation, "index \(value) is out of range for an axis of \(extent) elements")
            }
            values[place] = value + Int64(extent)
        }
        return plain
    }

    /// `result[.., i, ..] = self[.., indices[i], ..]` along `axis`, for example rows of an embedding table. `indices`
    /// has one dimension. Quantised rows are copied as stored.
    public func indexSelect(_ axis: Int, _ indices: Tensor) throws(TensorError) -> Tensor {
        let axis = try checkedAxis(axis, "indexSelect")
        guard indices.rank == 1 else {
            throw TensorError(
                .shape, "indexSelect", "indices of shape \(indices.shape) for shape \(shape); one dimension is needed")
        }
        if dtype.isQuantized && axis == rank - 1 { try requirePlain("indexSelect") }
        let places = try Tensor.checked(indices, below: shape[axis], wrapping: true, "indexSelect")
        var extents = shape
        extents[axis] = indices.elementCount
        let result = try Tensor.allocated(extents, dtype, "indexSelect")
        if result.elementCount > 0 {
            try primitives.gatherSlices(withoutOrigin.contiguous(), axis, places, into: result)
        }
        guard Tensor.isRecording(self) else { return result }
        let before = shape
        return result.recorded("indexSelect", [self], saved: [places]) { flow in
            let gradient = try flow.gradient
            try flow.give(0, Tensor.zeros(before, dtype: gradient.dtype).indexAdd(axis, places, gradient))
        }
    }

    /// Rows selected by indices of any shape; the result has shape `indices.shape + shape[1...]` (PyTorch's
    /// `embedding`, `x[indices]`).
    public func take(rows indices: Tensor) throws(TensorError) -> Tensor {
        _ = try checkedAxis(0, "take")
        let rows = try indexSelect(0, indices.reshape(-1))
        return try rows.reshape(Array(indices.shape) + Array(shape.dropFirst()))
    }

    private func checkedIndex(
        _ axis: Int, _ index: Tensor, source: Tensor?, _ operation: String
    ) throws(TensorError) -> (axis: Int, index: Tensor) {
        try requirePlain(operation)
        let axis = try checkedAxis(axis, operation)
        guard index.rank == rank, (0..<rank).allSatisfy({ $0 == axis || index.shape[$0] <= shape[$0] }) else {
            throw TensorError(.shape, operation, "indices of shape \(index.shape) do not fit shape \(shape)")
        }
        if let source {
            guard source.rank == rank, (0..<rank).allSatisfy({ index.shape[$0] <= source.shape[$0] }) else {
                throw TensorError(
                    .shape, operation, "indices of shape \(index.shape) do not fit the source's \(source.shape)")
            }
            guard source.dtype == dtype else {
                throw TensorError(.dtype, operation, "source is \(source.dtype.name), destination \(dtype.name)")
            }
        }
        return (axis, try Tensor.checked(index, below: shape[axis], wrapping: false, operation))
    }

    /// `result[i][j] = self[index[i][j]][j]` for axis 0; correspondingly for other axes. The result has `index`'s
    /// shape.
    public func gather(_ axis: Int, _ index: Tensor) throws(TensorError) -> Tensor {
        let (axis, places) = try checkedIndex(axis, index, source: nil, "gather")
        let result = Tensor(uninitialized: index.shape, dtype: dtype)
        try primitives.gather(self, axis, places, into: result)
        guard Tensor.isRecording(self) else { return result }
        let before = shape
        return result.recorded("gather", [self], saved: [places]) { flow in
            let gradient = try flow.gradient
            try flow.give(0, Tensor.zeros(before, dtype: gradient.dtype).scatterAdd(axis, places, gradient))
        }
    }

    /// A copy with `copy[index[i][j]][j] = source[i][j]` for axis 0; correspondingly for other axes. If an index occurs
    /// twice, the last one wins.
    public func scatter(_ axis: Int, _ index: Tensor, _ source: Tensor) throws(TensorError) -> Tensor {
        let (axis, places) = try checkedIndex(axis, index, source: source, "scatter")
        let result = withoutOrigin.copied()
        try primitives.scatter(.scatter, source, axis, places, into: result)
        guard Tensor.isRecording(self, source) else { return result }
        let sourceShape = source.shape
        return result.recorded("scatter", [self, source], saved: [places]) { flow in
            let gradient = try flow.gradient
            let nothing = try Tensor.zeros(places.shape, dtype: gradient.dtype)
            try flow.give(0, gradient.scatter(axis, places, nothing))
            try flow.give(1, gradient.gathered(axis, places, padded: sourceShape))
        }
    }

    public func scatter(_ axis: Int, _ index: Tensor, value: some TensorScalar) throws(TensorError) -> Tensor {
        try scatter(axis, index, Tensor(value.scalar, dtype: dtype).expand(Array(index.shape)))
    }

    /// `scatter` that adds instead of assigning. Repeated indices are added in row-major order.
    public func scatterAdd(_ axis: Int, _ index: Tensor, _ source: Tensor) throws(TensorError) -> Tensor {
        let (axis, places) = try checkedIndex(axis, index, source: source, "scatterAdd")
        let wide = try withoutOrigin.to(dtype.computed)
        let result = wide.storage === storage ? wide.copied() : wide
        try primitives.scatter(
            .scatterAdd, source.withoutOrigin.to(dtype.computed), axis, places, into: result)
        let converted = try result.to(dtype)
        guard Tensor.isRecording(self, source) else { return converted }
        let sourceShape = source.shape
        return converted.recorded("scatterAdd", [self, source], saved: [places]) { flow in
            let gradient = try flow.gradient
            try flow.give(0, gradient)
            try flow.give(1, gradient.gathered(axis, places, padded: sourceShape))
        }
    }

    /// A copy with `copy[.., indices[i], ..] += source[.., i, ..]` along `axis`.
    public func indexAdd(_ axis: Int, _ indices: Tensor, _ source: Tensor) throws(TensorError) -> Tensor {
        let resolved = try checkedAxis(axis, "indexAdd")
        guard indices.rank == 1, source.rank == rank, source.shape[resolved] == indices.elementCount else {
            throw TensorError(
                .shape, "indexAdd",
                "indices of shape \(indices.shape) and source of \(source.shape) do not fit shape \(shape)")
        }
        var spread = Array(repeating: 1, count: rank)
        spread[resolved] = indices.elementCount
        return try scatterAdd(resolved, indices.reshape(spread).expand(Array(source.shape)), source)
    }

    /// A copy with `value` where `mask` is true. The mask broadcasts.
    public func maskedFill(_ mask: Tensor, _ value: some TensorScalar) throws(TensorError) -> Tensor {
        try requirePlain("maskedFill")
        guard mask.dtype == .bool, Shape.broadcast(shape, mask.shape) == shape else {
            throw TensorError(
                .shape, "maskedFill", "a \(mask.dtype.name) mask of shape \(mask.shape) does not fit shape \(shape)")
        }
        let result = Tensor(uninitialized: shape, dtype: dtype)
        try primitives.select(mask, Tensor(value.scalar, dtype: dtype), self, into: result)
        return result.recordedView("maskedFill", of: self) { try Tensor.where(mask, 0.0, $0) }
    }

    /// The elements where `mask` is true, in row-major order, as a one-dimensional tensor. Both broadcast.
    public func maskedSelect(_ mask: Tensor) throws(TensorError) -> Tensor {
        try requirePlain("maskedSelect")
        guard mask.dtype == .bool, let common = Shape.broadcast(shape, mask.shape) else {
            throw TensorError(
                .shape, "maskedSelect", "a \(mask.dtype.name) mask of shape \(mask.shape) does not fit shape \(shape)")
        }
        let chosen = try mask.broadcast(to: common).truePositions()
        let places = try Tensor(chosen)
        return try broadcast(to: common).reshape(-1).indexSelect(0, places)
    }

    /// The indices of the non-zero elements, one row each: `[count, rank]`, int64.
    public func nonzero() throws(TensorError) -> Tensor {
        try requirePlain("nonzero")
        let positions = try to(.bool).truePositions()
        let strides = shape.contiguousStrides
        var indices: [Int64] = []
        indices.reserveCapacity(positions.count * rank)
        for position in positions {
            var rest = position
            for axis in 0..<rank {
                indices.append(rest / Int64(strides[axis]))
                rest %= Int64(strides[axis])
            }
        }
        return try Tensor(indices, shape: [positions.count, rank])
    }

    /// `gather`, with zeros for source elements that have no index in `places`.
    private func gathered(_ axis: Int, _ places: Tensor, padded target: Shape) throws(TensorError) -> Tensor {
        let found = try gather(axis, places)
        if found.shape == target { return found }
        let result = try Tensor.zeros(target, dtype: found.dtype)
        var part = result
        for axis in 0..<target.rank { part = try part.slice(axis, to: found.shape[axis]) }
        try part.copy(from: found)
        return result
    }

    private func truePositions() throws(TensorError) -> [Int64] {
        let flags = try toArray(as: Bool.self)
        return flags.indices.lazy.filter { flags[$0] }.map { Int64($0) }
    }

    /// One-hot encoding: 1 at the index, 0 elsewhere, along a new last axis of `classes` elements; int64.
    public func oneHot(_ classes: Int) throws(TensorError) -> Tensor {
        guard !dtype.isFloatingPoint, dtype != .bool, !dtype.isQuantized else {
            throw TensorError(.dtype, "oneHot", "indices of shape \(shape) are \(dtype.name), not integers")
        }
        guard classes > 0 else { throw TensorError(.argument, "oneHot", "\(classes) classes") }
        let zeros = try Tensor.zeros(Shape(Array(shape) + [classes]), dtype: .int64)
        return try zeros.scatter(-1, to(.int64).unsqueeze(-1), value: 1)
    }

    /// The lower triangle of the last two axes, up to the `diagonal`-th diagonal above the main one; zero elsewhere.
    public func tril(_ diagonal: Int = 0) throws(TensorError) -> Tensor {
        try triangle("tril") { column, row throws(TensorError) in try column .> (row + diagonal) }
    }

    /// The upper triangle of the last two axes, from the `diagonal`-th diagonal above the main one on; zero elsewhere.
    public func triu(_ diagonal: Int = 0) throws(TensorError) -> Tensor {
        try triangle("triu") { column, row throws(TensorError) in try column .< (row + diagonal) }
    }

    private func triangle(
        _ operation: String, _ outside: (Tensor, Tensor) throws(TensorError) -> Tensor
    ) throws(TensorError) -> Tensor {
        guard rank >= 2 else { throw TensorError(.shape, operation, "shape \(shape) has fewer than two dimensions") }
        let rows = try Tensor.arange(shape[rank - 2]).unsqueeze(1), columns = try Tensor.arange(shape[rank - 1])
        return try maskedFill(outside(columns, rows), 0)
    }
}
