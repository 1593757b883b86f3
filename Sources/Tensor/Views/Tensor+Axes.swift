/// Views that reorder, expand or select axes. All share storage with the receiver.
extension Tensor {
    /// Axis `order[i]` of this tensor becomes axis `i`.
    public func permute(_ order: [Int]) throws(TensorError) -> Tensor {
        var seen: [Int] = []
        for axis in order { seen.append(try checkedAxis(axis, "permute")) }
        guard Set(seen).count == rank, seen.count == rank else {
            throw TensorError(.argument, "permute", "\(order) is not a permutation of the \(rank) axes of \(shape)")
        }
        if seen == Array(0..<rank) { return self }
        try requirePlain("permute")
        var back = seen
        for (place, axis) in seen.enumerated() { back[axis] = place }
        return view(Shape(seen.map { shape[$0] }), Shape(seen.map { strides[$0] }))
            .recordedView("permute", of: self) { [back] in try $0.permute(back) }
    }

    public func permute(_ order: Int...) throws(TensorError) -> Tensor { try permute(order) }

    /// Swaps two axes.
    public func transpose(_ a: Int, _ b: Int) throws(TensorError) -> Tensor {
        let a = try checkedAxis(a, "transpose"), b = try checkedAxis(b, "transpose")
        if a == b { return self }
        try requirePlain("transpose")
        var extents = shape, steps = strides
        (extents[a], extents[b]) = (shape[b], shape[a])
        (steps[a], steps[b]) = (strides[b], strides[a])
        return view(extents, steps).recordedView("transpose", of: self) { try $0.transpose(a, b) }
    }

    /// The last two axes swapped: PyTorch's `mT`.
    public func transposed() throws(TensorError) -> Tensor { try transpose(-2, -1) }

    /// Moves one axis to another position.
    public func moveAxis(_ from: Int, to: Int) throws(TensorError) -> Tensor {
        let from = try checkedAxis(from, "moveAxis"), to = try checkedAxis(to, "moveAxis")
        var order = Array(0..<rank)
        order.insert(order.remove(at: from), at: to)
        return try permute(order)
    }

    /// Expands axes of extent 1 and adds leading axes, without copying; -1 keeps an extent.
    public func expand(_ extents: [Int]) throws(TensorError) -> Tensor {
        let lead = extents.count - rank
        var filled = extents
        for place in extents.indices where extents[place] == -1 && place >= lead { filled[place] = shape[place - lead] }
        guard lead >= 0, let target = Shape(checking: filled), Shape.broadcast(shape, target) == target else {
            throw TensorError(.shape, "expand", "shape \(shape) cannot be expanded to \(extents)")
        }
        if target == shape { return self }
        try requirePlain("expand")
        let before = shape
        return view(target, stridesBroadcast(to: target))
            .recordedView("expand", of: self) { try $0.summed(to: before) }
    }

    public func expand(_ extents: Int...) throws(TensorError) -> Tensor { try expand(extents) }

    /// `expand` under NumPy's name.
    public func broadcast(to target: Shape) throws(TensorError) -> Tensor { try expand(Array(target)) }

    /// The slice at `index` along `axis`, without that axis. Negative indices count from the end.
    public func select(_ axis: Int, _ index: Int) throws(TensorError) -> Tensor {
        let axis = try checkedAxis(axis, "select")
        let position = index < 0 ? index + shape[axis] : index
        guard position >= 0, position < shape[axis] else {
            throw TensorError(.index, "select", "index \(index) is out of range for axis \(axis) of shape \(shape)")
        }
        var extents = Array(shape), steps = Array(strides)
        extents.remove(at: axis)
        let offset = try bytes(position * steps.remove(at: axis), Shape(extents), "select")
        return view(Shape(extents), Shape(steps), byteOffset: byteOffset + offset)
            .recordedPart("select", of: self) { try $0.select(axis, position) }
    }

    /// Elements `start`, `start + step`, … along `axis`, excluding `end`. As in Python, negative bounds count from the
    /// end and bounds outside the axis are clamped to it.
    public func slice(
        _ axis: Int, from start: Int? = nil, to end: Int? = nil, step: Int = 1
    ) throws(TensorError) -> Tensor {
        let axis = try checkedAxis(axis, "slice")
        guard step > 0 else { throw TensorError(.argument, "slice", "step \(step) is not positive") }
        let extent = shape[axis]
        func clamped(_ bound: Int) -> Int { Swift.min(Swift.max(bound < 0 ? bound + extent : bound, 0), extent) }
        let first = clamped(start ?? 0), past = Swift.max(first, clamped(end ?? extent))
        if first == 0 && past == extent && step == 1 { return self }
        var extents = shape, steps = strides
        extents[axis] = (past - first + step - 1) / step
        steps[axis] = strides[axis] * step
        if dtype.isQuantized && (axis != 0 || step != 1) { try requirePlain("slice") }
        // An empty result keeps the old offset, which is inside the storage.
        let offset = extents[axis] == 0 ? 0 : try bytes(first * strides[axis], extents, "slice")
        return view(extents, steps, byteOffset: byteOffset + offset)
            .recordedPart("slice", of: self) { try $0.slice(axis, from: first, to: past, step: step) }
    }

    /// `length` elements from `start` along `axis`; unlike `slice`, it throws for ranges outside the axis.
    public func narrow(_ axis: Int, from start: Int, length: Int) throws(TensorError) -> Tensor {
        let axis = try checkedAxis(axis, "narrow")
        guard start >= 0, length >= 0, start <= shape[axis] - length else {
            throw TensorError(
                .index, "narrow", "\(length) elements from \(start) leave axis \(axis) of shape \(shape)")
        }
        return try slice(axis, from: start, to: start + length)
    }

    /// Pieces of `size` along `axis`; the last one may be smaller.
    public func split(_ size: Int, axis: Int = 0) throws(TensorError) -> [Tensor] {
        let axis = try checkedAxis(axis, "split")
        guard size > 0 else { throw TensorError(.argument, "split", "size \(size) is not positive") }
        var pieces: [Tensor] = []
        var start = 0
        repeat {
            pieces.append(try slice(axis, from: start, to: Swift.min(start + size, shape[axis])))
            start += size
        } while start < shape[axis]
        return pieces
    }

    /// Pieces of the given sizes along `axis`; the sizes must add up to its extent.
    public func split(sizes: [Int], axis: Int = 0) throws(TensorError) -> [Tensor] {
        let axis = try checkedAxis(axis, "split")
        guard sizes.allSatisfy({ $0 >= 0 }), sizes.reduce(0, +) == shape[axis] else {
            throw TensorError(.shape, "split", "sizes \(sizes) do not add up to axis \(axis) of shape \(shape)")
        }
        var pieces: [Tensor] = []
        var start = 0
        for size in sizes {
            pieces.append(try narrow(axis, from: start, length: size))
            start += size
        }
        return pieces
    }

    /// At most `count` pieces of equal size along `axis`; the last one may be smaller.
    public func chunk(_ count: Int, axis: Int = 0) throws(TensorError) -> [Tensor] {
        let resolved = try checkedAxis(axis, "chunk")
        guard count > 0 else { throw TensorError(.argument, "chunk", "count \(count) is not positive") }
        return try split(Swift.max(1, (shape[resolved] + count - 1) / count), axis: resolved)
    }

    /// The elements whose indices along both axes are equal, as a new last axis.
    public func diagonal(_ a: Int = 0, _ b: Int = 1) throws(TensorError) -> Tensor {
        let a = try checkedAxis(a, "diagonal"), b = try checkedAxis(b, "diagonal")
        guard a != b else { throw TensorError(.argument, "diagonal", "needs two axes, found \(a) twice") }
        try requirePlain("diagonal")
        let kept = (0..<rank).filter { $0 != a && $0 != b }
        return view(
            Shape(kept.map { shape[$0] } + [Swift.min(shape[a], shape[b])]),
            Shape(kept.map { strides[$0] } + [strides[a] + strides[b]])
        ).recordedPart("diagonal", of: self) { try $0.diagonal(a, b) }
    }

    /// Sliding windows of `size`, one every `step` elements along `axis`, as a new last axis.
    public func unfold(_ axis: Int, size: Int, step: Int) throws(TensorError) -> Tensor {
        let axis = try checkedAxis(axis, "unfold")
        guard size >= 0, step > 0, size <= shape[axis], rank < Shape.maximumRank else {
            throw TensorError(
                .argument, "unfold", "no windows of \(size) every \(step) along axis \(axis) of shape \(shape)")
        }
        try requirePlain("unfold")
        var extents = Array(shape), steps = Array(strides)
        extents[axis] = (shape[axis] - size) / step + 1
        steps[axis] *= step
        let windows = extents[axis]
        return view(Shape(extents + [size]), Shape(steps + [strides[axis]]))
            .recordedSum("unfold", of: self) { destination, gradient in
                for place in 0..<size {
                    let part = try destination.slice(
                        axis, from: place, to: place + (windows - 1) * step + 1, step: step)
                    try part += gradient.select(-1, place)
                }
            }
    }

    /// The byte offset of an element; for quantised tensors only at the start of rows.
    private func bytes(_ elements: Int, _ remaining: Shape, _ operation: String) throws(TensorError) -> Int {
        let wholeRows = remaining.last.map { $0 % dtype.blockLength == 0 } ?? false
        guard !dtype.isQuantized || (wholeRows && elements % dtype.blockLength == 0) else {
            throw TensorError(
                .dtype, operation, "a \(dtype.name) tensor of shape \(shape) can be cut only between whole rows")
        }
        return elements / dtype.blockLength * dtype.blockByteCount
    }
}
