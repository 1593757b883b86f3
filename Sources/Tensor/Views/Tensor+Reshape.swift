/// The same elements with other shapes. Results share storage with the receiver unless noted otherwise.
extension Tensor {
    /// The same elements in row-major order with another shape; one extent may be -1 and is inferred. Copies only if
    /// the strides allow no view.
    public func reshape(_ extents: [Int]) throws(TensorError) -> Tensor {
        let target = try resolved(extents, "reshape")
        if let strides = viewStrides(target) { return view(target, strides).recordedReshape(of: self) }
        try requirePlain("reshape")
        return Tensor(storage: copied().storage, dtype: dtype, shape: target).recordedReshape(of: self)
    }

    public func reshape(_ extents: Int...) throws(TensorError) -> Tensor { try reshape(extents) }
    public func reshape(_ shape: Shape) throws(TensorError) -> Tensor { try reshape(Array(shape)) }

    /// Like `reshape`, but throws instead of copying.
    public func view(_ extents: [Int]) throws(TensorError) -> Tensor {
        let target = try resolved(extents, "view")
        guard let strides = viewStrides(target) else {
            throw TensorError(
                .shape, "view",
                "shape \(shape) with strides \(strides) cannot be seen as \(target) without a copy; use reshape")
        }
        return view(target, strides).recordedReshape(of: self)
    }

    public func view(_ extents: Int...) throws(TensorError) -> Tensor { try view(extents) }

    /// Merges the axes `start ... end` into one.
    public func flatten(from start: Int = 0, to end: Int = -1) throws(TensorError) -> Tensor {
        if rank == 0 { return try reshape([1]) }
        let first = try checkedAxis(start, "flatten"), last = try checkedAxis(end, "flatten")
        guard first <= last else {
            throw TensorError(.argument, "flatten", "axis \(start) comes after axis \(end) in shape \(shape)")
        }
        var joined = 1
        for axis in first...last { joined *= shape[axis] }
        return try reshape(Array(shape[..<first]) + [joined] + Array(shape[(last + 1)...]))
    }

    /// Splits one axis into several; one extent may be -1.
    public func unflatten(_ axis: Int, into extents: [Int]) throws(TensorError) -> Tensor {
        let axis = try checkedAxis(axis, "unflatten")
        var known = 1
        for extent in extents where extent >= 0 { known *= extent }
        let filled = extents.map { $0 == -1 && known > 0 ? shape[axis] / known : $0 }
        guard Shape(checking: filled)?.elementCount == shape[axis] else {
            throw TensorError(.shape, "unflatten", "axis \(axis) of shape \(shape) does not split into \(extents)")
        }
        return try reshape(Array(shape[..<axis]) + filled + Array(shape[(axis + 1)...]))
    }

    /// Removes all axes of extent 1, or only the given ones if their extent is 1.
    public func squeeze(_ axes: Int...) throws(TensorError) -> Tensor {
        var dropped: Set<Int> = []
        for axis in axes { dropped.insert(try checkedAxis(axis, "squeeze")) }
        let kept = (0..<rank).filter { shape[$0] != 1 || !(axes.isEmpty || dropped.contains($0)) }
        if kept.count == rank { return self }
        return view(Shape(kept.map { shape[$0] }), Shape(kept.map { strides[$0] })).recordedReshape(of: self)
    }

    /// Inserts an axis of extent 1 at index `axis` of the result.
    public func unsqueeze(_ axis: Int) throws(TensorError) -> Tensor {
        let position = axis < 0 ? axis + rank + 1 : axis
        guard position >= 0, position <= rank, rank < Shape.maximumRank else {
            throw TensorError(.index, "unsqueeze", "no place \(axis) for a new axis in shape \(shape)")
        }
        var extents = Array(shape), steps = Array(strides)
        let step = position < rank ? shape[position] * strides[position] : 1
        extents.insert(1, at: position)
        steps.insert(step, at: position)
        return view(Shape(extents), Shape(steps)).recordedReshape(of: self)
    }

    func view(_ shape: Shape, _ strides: Shape, byteOffset: Int? = nil) -> Tensor {
        Tensor(
            storage: storage, byteOffset: byteOffset ?? self.byteOffset, dtype: dtype, shape: shape, strides: strides)
    }

    private func resolved(_ extents: [Int], _ operation: String) throws(TensorError) -> Shape {
        var filled = extents
        if let inferred = extents.firstIndex(of: -1) {
            var known = 1
            var overflow = false
            for (place, extent) in extents.enumerated() where place != inferred {
                let (product, over) = known.multipliedReportingOverflow(by: extent)
                known = product
                overflow = overflow || over
            }
            guard !overflow, known > 0, elementCount % known == 0 else {
                throw TensorError(
                    .shape, operation, "shape \(shape) (\(elementCount) elements) does not fit \(extents)")
            }
            filled[inferred] = elementCount / known
        }
        guard let target = Shape(checking: filled), target.elementCount == elementCount else {
            throw TensorError(.shape, operation, "shape \(shape) (\(elementCount) elements) does not fit \(extents)")
        }
        if dtype.isQuantized, target.last.map({ $0 % dtype.blockLength != 0 }) ?? true {
            throw TensorError(
                .shape, operation, "\(dtype.name) rows of \(target) do not divide into \(dtype.blockLength)-blocks")
        }
        return target
    }

    /// The strides under which the elements have the shape `target` without a copy, or nil. Each maximal group of axes
    /// that is evenly spaced in memory must correspond to whole axes of the target.
    private func viewStrides(_ target: Shape) -> Shape? {
        if isContiguous { return target.contiguousStrides }
        if elementCount == 0 { return target.contiguousStrides }
        var result = target
        var place = target.rank - 1
        var groupCount = 1
        var base = strides[rank - 1]
        for axis in stride(from: rank - 1, through: 0, by: -1) {
            groupCount *= shape[axis]
            let ends = axis == 0 || (shape[axis - 1] != 1 && strides[axis - 1] != groupCount * base)
            guard ends else { continue }
            var covered = 1
            while place >= 0, covered < groupCount || target[place] == 1 {
                result[place] = covered * base
                covered *= target[place]
                place -= 1
            }
            guard covered == groupCount else { return nil }
            if axis > 0 {
                groupCount = 1
                base = strides[axis - 1]
            }
        }
        return place == -1 ? result : nil
    }
}
