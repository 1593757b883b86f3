/// In-place operations. Every view of the storage sees the change.
///
/// They throw for read-only storage (a mapped file) and for a destination in which several elements share an address
/// (after `expand`). The operand broadcasts to the destination, never the other way; an operand that overlaps the
/// destination is copied first. The destination keeps its type: a result of lower or equal kind is converted to it; a
/// float result in an integer tensor throws.
extension Tensor {
    func requireWritable(_ operation: String) throws(TensorError) {
        guard !storage.isReadOnly else {
            throw TensorError(.storage, operation, "tensor of shape \(shape) lies in read-only storage; copy it first")
        }
        guard !overlapsItself else {
            throw TensorError(
                .storage, operation,
                "shape \(shape) with strides \(strides) has elements that share an address; copy it first")
        }
        guard !Tensor.isRecording(self) else {
            throw TensorError(
                .gradient, operation,
                "this tensor is on the tape: change it inside noGrad, or compute a new one")
        }
        storage.version += 1
    }

    /// Whether two indices may have the same address: the stride of an axis lies within the address range of the axes
    /// inside it.
    private var overlapsItself: Bool {
        let axes = (0..<rank).filter { shape[$0] > 1 }.sorted { strides[$0] < strides[$1] }
        var reach = 0
        for axis in axes {
            if strides[axis] <= reach { return true }
            reach += (shape[axis] - 1) * strides[axis]
        }
        return false
    }

    /// This tensor, or a copy if writing to `destination` would change elements that are still to be read.
    func undisturbed(byWritingTo destination: Tensor) -> Tensor {
        guard storage === destination.storage else { return self }
        let samePlace =
            byteOffset == destination.byteOffset && shape == destination.shape
            && strides == destination.strides && dtype == destination.dtype
        return samePlace ? self : copied()
    }

    private func update(_ operation: BinaryOperation, _ operand: Tensor) throws(TensorError) {
        let name = operation.rawValue + "InPlace"
        try requireWritable(name)
        guard Shape.broadcast(shape, operand.shape) == shape else {
            throw TensorError(.shape, name, "shape \(operand.shape) does not broadcast to the destination's \(shape)")
        }
        var result = try Tensor.promoted(self, operand, name)
        if operation == .divide { result = result.asFloatingPoint }
        guard result.kind <= dtype.kind else {
            throw TensorError(.dtype, name, "a \(result.name) result does not go into a \(dtype.name) tensor")
        }
        if result == dtype && dtype.computed == dtype && operation != .floorDivide && operation != .remainder {
            let right = try operand.to(dtype).undisturbed(byWritingTo: self)
            try primitives.binary(operation, self, right, into: self)
        } else {
            primitives.cast(try Tensor.arithmetic(operation, self, operand).to(dtype), to: self)
        }
    }

    // The left side is not `inout`: the storage changes, not the variable, so `try x[0] += 1` works on a view.
    public static func += (a: Tensor, b: Tensor) throws(TensorError) { try a.update(.add, b) }
    public static func -= (a: Tensor, b: Tensor) throws(TensorError) { try a.update(.subtract, b) }
    public static func *= (a: Tensor, b: Tensor) throws(TensorError) { try a.update(.multiply, b) }
    public static func /= (a: Tensor, b: Tensor) throws(TensorError) { try a.update(.divide, b) }
    public static func += (a: Tensor, b: some TensorScalar) throws(TensorError) {
        try a.update(.add, a.companion(b.scalar, "add"))
    }
    public static func -= (a: Tensor, b: some TensorScalar) throws(TensorError) {
        try a.update(.subtract, a.companion(b.scalar, "subtract"))
    }
    public static func *= (a: Tensor, b: some TensorScalar) throws(TensorError) {
        try a.update(.multiply, a.companion(b.scalar, "multiply"))
    }
    public static func /= (a: Tensor, b: some TensorScalar) throws(TensorError) {
        try a.update(.divide, a.companion(b.scalar, "divide"))
    }

    /// PyTorch's `fill_`.
    public func fill(_ value: some TensorScalar) throws(TensorError) {
        try requirePlain("fill")
        try requireWritable("fill")
        primitives.cast(Tensor(value.scalar, dtype: dtype), to: self)
    }

    /// Overwrites the elements with those of `source`, broadcast and converted (PyTorch's `copy_`).
    public func copy(from source: Tensor) throws(TensorError) {
        try requirePlain("copy")
        try requireWritable("copy")
        guard Shape.broadcast(shape, source.shape) == shape else {
            throw TensorError(.shape, "copy", "shape \(source.shape) does not broadcast to the destination's \(shape)")
        }
        let plain = source.dtype.isQuantized ? try source.to(dtype) : source
        primitives.cast(plain.undisturbed(byWritingTo: self), to: self)
    }

    /// Sets the elements where `mask` is true to `value` (PyTorch's `masked_fill_`).
    public func maskedFillInPlace(_ mask: Tensor, _ value: some TensorScalar) throws(TensorError) {
        try requirePlain("maskedFillInPlace")
        try requireWritable("maskedFillInPlace")
        guard mask.dtype == .bool, Shape.broadcast(shape, mask.shape) == shape else {
            throw TensorError(
                .shape, "maskedFillInPlace",
                "a \(mask.dtype.name) mask of shape \(mask.shape) does not fit shape \(shape)")
        }
        try primitives.select(
            mask.undisturbed(byWritingTo: self), Tensor(value.scalar, dtype: dtype), self, into: self)
    }
}

extension Tensor {
    /// This tensor's storage, to be overwritten by a result. A node that saved the old contents throws in its backward
    /// pass.
    /// - Throws: `TensorError` when the storage is read-only.
    func takenOver(_ operation: String) throws(TensorError) -> Tensor {
        guard !storage.isReadOnly else {
            throw TensorError(
                .storage, operation,
                "overwrites its operand, and the tensor of shape \(shape) lies in read-only storage; copy it first")
        }
        storage.version += 1
        return withoutOrigin
    }
}
