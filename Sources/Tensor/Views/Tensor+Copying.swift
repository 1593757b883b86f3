extension Tensor {
    /// This tensor with contiguous elements: self if it is contiguous, else a copy.
    public func contiguous() -> Tensor {
        isContiguous ? self : copied()
    }

    /// A contiguous copy with its own storage.
    @inline(never)
    public func copied() -> Tensor {
        let result = Tensor(uninitialized: shape, dtype: dtype)
        if isContiguous {
            let byteCount = dtype.byteCount(of: elementCount) ?? 0
            if byteCount > 0 { result.pointer.copyMemory(from: pointer, byteCount: byteCount) }
        } else {
            primitives.copy(self, to: result)
        }
        return result.recordedView("copy", of: self) { $0 }
    }
}
