/// Concatenation, repetition and reversal of tensors. All results are contiguous copies.
extension Tensor {
    /// Joins tensors along `axis`; all other extents must be equal. Types are promoted.
    public static func concatenate(_ tensors: [Tensor], axis: Int = 0) throws(TensorError) -> Tensor {
        guard let first = tensors.first else { throw TensorError(.argument, "concatenate", "no tensors") }
        let axis = try first.checkedAxis(axis, "concatenate")
        var extents = first.shape
        var promotion = first.dtype
        extents[axis] = 0
        for tensor in tensors {
            var comparable = tensor.shape
            if tensor.rank == first.rank { comparable[axis] = first.shape[axis] }
            guard comparable == first.shape else {
                throw TensorError(
                    .shape, "concatenate", "shapes \(first.shape) and \(tensor.shape) differ outside axis \(axis)")
            }
            extents[axis] += tensor.shape[axis]
            if promotion != tensor.dtype {
                try tensor.requirePlain("concatenate")
                try first.requirePlain("concatenate")
                promotion = .promoted(promotion, tensor.dtype)
            }
        }
        if promotion.isQuantized {
            guard axis == 0, first.rank > 1 else {
                throw TensorError(.dtype, "concatenate", "\(promotion.name) tensors join only along axis 0")
            }
        }
        let result = Tensor(uninitialized: extents, dtype: promotion)
        var start = 0
        for tensor in tensors {
            let part = try result.narrow(axis, from: start, length: tensor.shape[axis])
            if promotion.isQuantized {
                let byteCount = promotion.byteCount(of: tensor.elementCount) ?? 0
                part.pointer.copyMemory(from: tensor.pointer, byteCount: byteCount)
            } else {
                part.primitives.cast(tensor, to: part)
            }
            start += tensor.shape[axis]
        }
        guard isRecording(tensors) else { return result }
        let sizes = tensors.map { $0.shape[axis] }
        return result.recorded("concatenate", tensors) { flow in
            var start = 0
            for (index, size) in sizes.enumerated() {
                let first = start
                try flow.give(index, flow.gradient.narrow(axis, from: first, length: size))
                start += size
            }
        }
    }

    /// Joins tensors of one shape along a new axis.
    public static func stack(_ tensors: [Tensor], axis: Int = 0) throws(TensorError) -> Tensor {
        guard let first = tensors.first else { throw TensorError(.argument, "stack", "no tensors") }
        var layers: [Tensor] = []
        for tensor in tensors {
            guard tensor.shape == first.shape else {
                throw TensorError(.shape, "stack", "shapes \(first.shape) and \(tensor.shape) differ")
            }
            layers.append(try tensor.unsqueeze(axis))
        }
        return try concatenate(layers, axis: axis)
    }

    /// Repeats the whole tensor `counts[i]` times along axis `i`, adding leading axes as needed (PyTorch's `repeat`).
    public func tile(_ counts: [Int]) throws(TensorError) -> Tensor {
        try requirePlain("tile")
        guard counts.count >= rank, counts.count <= Shape.maximumRank, counts.allSatisfy({ $0 >= 0 }) else {
            throw TensorError(.argument, "tile", "counts \(counts) do not fit shape \(shape)")
        }
        let padded = Array(repeating: 1, count: counts.count - rank) + Array(shape)
        var source = try reshape(padded)
        for (axis, count) in counts.enumerated() where count != 1 {
            if count == 0 {
                source = try source.slice(axis, from: 0, to: 0)
            } else {
                source = try Tensor.concatenate(Array(repeating: source, count: count), axis: axis)
            }
        }
        return source.storage === storage ? source.copied() : source
    }

    public func tile(_ counts: Int...) throws(TensorError) -> Tensor { try tile(counts) }

    /// Repeats every element `count` times along `axis`.
    public func repeatInterleave(_ count: Int, axis: Int) throws(TensorError) -> Tensor {
        let axis = try checkedAxis(axis, "repeatInterleave")
        guard count >= 0 else { throw TensorError(.argument, "repeatInterleave", "count \(count) is negative") }
        try requirePlain("repeatInterleave")
        guard rank < Shape.maximumRank else {
            throw TensorError(.shape, "repeatInterleave", "shape \(shape) has no room for an axis")
        }
        var extents = Array(shape)
        extents.insert(count, at: axis + 1)
        return try unsqueeze(axis + 1).expand(extents).copied().flatten(from: axis, to: axis + 1)
    }

    /// Reverses the order along the axes.
    public func flip(_ axes: Int...) throws(TensorError) -> Tensor {
        try requirePlain("flip")
        var steps = strides
        var first = 0
        var flipped: Set<Int> = []
        for axis in axes { flipped.insert(try checkedAxis(axis, "flip")) }
        for axis in flipped where shape[axis] > 0 {
            first += (shape[axis] - 1) * strides[axis]
            steps[axis] = -strides[axis]
        }
        // Negative strides exist only inside this function: elsewhere the first element has the lowest address.
        let chosen = flipped.sorted()
        return view(shape, steps, byteOffset: byteOffset + first * dtype.blockByteCount).copied()
            .recordedView("flip", of: self) { gradient in
                var back = gradient
                for axis in chosen { back = try back.flip(axis) }
                return back
            }
    }

    /// Shifts elements by `shift` positions towards higher indices along `axis`; elements beyond the end re-enter at
    /// the start.
    public func roll(_ shift: Int, axis: Int) throws(TensorError) -> Tensor {
        let axis = try checkedAxis(axis, "roll")
        try requirePlain("roll")
        let extent = shape[axis]
        guard extent > 0 else { return copied() }
        let moved = ((shift % extent) + extent) % extent
        if moved == 0 { return copied() }
        return try .concatenate(
            [slice(axis, from: extent - moved), slice(axis, to: extent - moved)], axis: axis)
    }
}
