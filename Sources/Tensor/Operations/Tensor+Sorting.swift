/// Sorting along an axis. Sorting is stable; NaN sorts as the largest.
extension Tensor {
    /// This tensor in its computed type with `axis` last, contiguous.
    private func rows(_ axis: Int) throws(TensorError) -> Tensor {
        try to(dtype.computed).moveAxis(axis, to: -1).contiguous()
    }

    /// The indices that sort `axis` in ascending (or descending) order; int64.
    public func argsort(axis: Int = -1, descending: Bool = false) throws(TensorError) -> Tensor {
        if rank == 0 { return Tensor(0) }
        let axis = try checkedAxis(axis, "argsort")
        return try topPlaces(shape[axis], axis: axis, largest: descending, "argsort")
    }

    /// The sorted elements, and their original indices.
    public func sort(
        axis: Int = -1, descending: Bool = false
    ) throws(TensorError) -> (values: Tensor, indices: Tensor) {
        if rank == 0 { return (self, Tensor(0)) }
        let indices = try argsort(axis: axis, descending: descending)
        return (try gather(axis, indices), indices)
    }

    /// The `count` largest (or smallest) elements along `axis` in sorted order, and their indices.
    public func topK(
        _ count: Int, axis: Int = -1, largest: Bool = true
    ) throws(TensorError) -> (values: Tensor, indices: Tensor) {
        let indices = try topPlaces(count, axis: axis, largest: largest, "topK")
        return (try gather(axis, indices), indices)
    }

    private func topPlaces(
        _ count: Int, axis: Int, largest: Bool, _ operation: String
    ) throws(TensorError) -> Tensor {
        try requirePlain(operation)
        let axis = try checkedAxis(axis, operation)
        guard count >= 0, count <= shape[axis], shape[axis] <= Int(Int32.max) else {
            throw TensorError(.argument, operation, "no \(count) of the elements along axis \(axis) of shape \(shape)")
        }
        let source = try rows(axis)
        var extents = source.shape
        extents[rank - 1] = count
        let places = Tensor(uninitialized: extents, dtype: .int64)
        try primitives.orderRows(source, descending: largest, count: count, into: places)
        return try places.moveAxis(-1, to: axis)
    }

    /// The index of the largest element along `axis`, the first among equals; without an axis, in the flattened tensor.
    public func argmax(_ axis: Int? = nil, keepDimensions: Bool = false) throws(TensorError) -> Tensor {
        try extreme(largest: true, axis, keepDimensions, "argmax")
    }

    public func argmin(_ axis: Int? = nil, keepDimensions: Bool = false) throws(TensorError) -> Tensor {
        try extreme(largest: false, axis, keepDimensions, "argmin")
    }

    private func extreme(
        largest: Bool, _ axis: Int?, _ keepDimensions: Bool, _ operation: String
    ) throws(TensorError) -> Tensor {
        try requirePlain(operation)
        guard let axis, rank > 0 else {
            let place = try reshape(-1).extreme(largest: largest, 0, false, operation)
            return keepDimensions ? try place.reshape(Array(repeating: 1, count: rank)) : place
        }
        let resolved = try checkedAxis(axis, operation)
        var extents = shape
        extents[resolved] = 1
        guard shape[resolved] > 0 || extents.elementCount == 0 else {
            throw TensorError(.shape, operation, "axis \(axis) of shape \(shape) has no elements")
        }
        let places = Tensor(uninitialized: extents, dtype: .int64)
        try primitives.extremeOfRows(rows(resolved), largest: largest, into: places)
        return keepDimensions ? places : try places.squeeze(resolved)
    }

    /// Running sums along `axis`; integers and bools as int64.
    public func cumulativeSum(_ axis: Int) throws(TensorError) -> Tensor { try scan(.sum, axis, "cumulativeSum") }
    /// Running products along `axis`; integers and bools as int64.
    public func cumulativeProduct(_ axis: Int) throws(TensorError) -> Tensor {
        try scan(.product, axis, "cumulativeProduct")
    }

    private func scan(_ operation: ScanOperation, _ axis: Int, _ name: String) throws(TensorError) -> Tensor {
        try requirePlain(name)
        let target: DType = dtype.isFloatingPoint ? dtype : .int64
        if rank == 0 { return try to(target) }
        let axis = try checkedAxis(axis, name)
        let source = try withoutOrigin.to(target).rows(axis)
        let result = Tensor(uninitialized: source.shape, dtype: source.dtype)
        try primitives.scanRows(operation, source, into: result)
        let scanned = try result.moveAxis(-1, to: axis).to(target).contiguous()
        guard Tensor.isRecording(self), target.isFloatingPoint else { return scanned }
        return scanned.recorded(name, [self], saved: operation == .product ? [source] : []) { flow in
            let gradient = try flow.gradient
            switch operation {
            case .sum: try flow.give(0, gradient.flip(axis).cumulativeSum(axis).flip(axis))
            case .product:
                let back = try gradient.moveAxis(axis, to: -1).to(source.dtype).scannedProductGradient(source)
                try flow.give(0, back.moveAxis(-1, to: axis))
            }
        }
    }

    /// The gradient of running products p over rows of x: dx_j = Σ over i ≥ j of g_i · (p_i without the factor x_j).
    /// Correct for zeros in x too, and therefore quadratic in the length.
    private func scannedProductGradient(_ x: Tensor) throws(TensorError) -> Tensor {
        let width = x.shape[x.rank - 1]
        let values = try x.to(.float64).contiguous(), gradient = try to(.float64).contiguous()
        let result = try Tensor.zeros(x.shape, dtype: .float64)
        let from = values.pointer(as: Double.self), g = gradient.pointer(as: Double.self)
        let to = result.pointer(as: Double.self)
        for row in stride(from: 0, to: x.elementCount, by: Swift.max(width, 1)) {
            var before = 1.0
            for j in 0..<width {
                var product = before
                for i in j..<width {
                    if i > j { product *= from[row + i] }
                    to[row + j] += g[row + i] * product
                }
                before *= from[row + j]
            }
        }
        return result
    }

    /// The distinct elements in ascending order; for each element the index of its value among them (in this tensor's
    /// shape); and how often each value occurs.
    public func unique() throws(TensorError) -> (values: Tensor, inverse: Tensor, counts: Tensor) {
        try requirePlain("unique")
        let flat = try reshape(-1)
        let (sorted, order) = try flat.sort()
        let count = flat.elementCount
        guard count > 0 else {
            return (flat.copied(), try .zeros(shape, dtype: .int64), try .zeros([0], dtype: .int64))
        }
        let starts = try Tensor.concatenate([
            Tensor([true]), sorted.slice(0, from: 1) .!= sorted.slice(0, to: count - 1),
        ])
        let values = try sorted.maskedSelect(starts)
        let group = try starts.cumulativeSum(0) - 1
        let inverse = try Tensor.zeros([count], dtype: .int64).scatter(0, order, group)
        let counts = try Tensor.zeros(values.shape, dtype: .int64)
            .scatterAdd(0, group, .ones([count], dtype: .int64))
        return (values, try inverse.reshape(shape), counts)
    }
}
