/// Access to elements from the processor, for the edges of a computation: samplers, reports, files, tests. A forward
/// pass never uses it, so a backend may keep tensors in other memory.
extension Tensor {
    /// Lets `body` read the elements of a float32 tensor in row-major order.
    ///
    /// ```swift
    /// let largest = try logits.withHostValues { $0.max() }
    /// ```
    ///
    /// Contiguous elements are read in place, others from a copy. The buffer is valid only inside `body`.
    /// - Throws: `TensorError` for other types (convert with `to(.float32)` first), and what `body` throws.
    public func withHostValues<Result>(_ body: (UnsafeBufferPointer<Float>) throws -> Result) throws -> Result {
        guard dtype == .float32 else { throw notFloat32("withHostValues") }
        let plain = isContiguous ? self : withoutOrigin.contiguous()
        return try withExtendedLifetime(plain) {
            try body(UnsafeBufferPointer(start: plain.floats, count: plain.elementCount))
        }
    }

    /// Lets `body` modify the elements of a contiguous float32 tensor in row-major order; this counts as a change in
    /// place.
    /// - Throws: `TensorError` for other types, strided elements and read-only storage; also what `body` throws.
    package func withMutableHostValues<Result>(
        _ body: (UnsafeMutableBufferPointer<Float>) throws -> Result
    ) throws -> Result {
        guard dtype == .float32, isContiguous else { throw notFloat32("withMutableHostValues") }
        _ = try takenOver("withMutableHostValues")
        return try withExtendedLifetime(self) {
            try body(UnsafeMutableBufferPointer(start: floats, count: elementCount))
        }
    }

    private func notFloat32(_ operation: String) -> TensorError {
        TensorError(
            .dtype, operation,
            "needs \(isContiguous ? "" : "contiguous ")F32, got \(dtype.name) of shape \(shape); convert it first")
    }

    /// Passes the bytes of the elements to `body` in row-major order, in one run or several.
    package func forEachHostRun<Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        defer { withExtendedLifetime(self) {} }
        if isContiguous || dtype.isQuantized {
            return try body(UnsafeRawBufferPointer(start: pointer, count: contiguousByteCount))
        }
        guard elementCount > 0 else { return }
        let width = dtype.blockByteCount, last = rank - 1
        var indices = [Int](repeating: 0, count: rank)
        let row = Storage(byteCount: shape[last] * width)
        while true {
            var offset = 0
            for axis in 0..<last { offset += indices[axis] * strides[axis] }
            for index in 0..<shape[last] {
                (row.pointer + index * width).copyMemory(
                    from: pointer + (offset + index * strides[last]) * width, byteCount: width)
            }
            try body(UnsafeRawBufferPointer(start: row.pointer, count: row.byteCount))
            var axis = last - 1
            while axis >= 0 {
                indices[axis] += 1
                if indices[axis] < shape[axis] { break }
                indices[axis] = 0
                axis -= 1
            }
            if axis < 0 { return }
        }
    }

    /// A new tensor from bytes in row-major order.
    /// - Precondition: `bytes.count` is the byte count of the shape.
    package init(copying bytes: UnsafeRawBufferPointer, dtype: DType, shape: Shape) {
        self.init(uninitialized: shape, dtype: dtype)
        precondition(bytes.count == contiguousByteCount, "as many bytes as \(shape) of \(dtype.name) takes")
        UnsafeMutableRawBufferPointer(start: pointer, count: bytes.count).copyMemory(from: bytes)
    }

    /// A new tensor whose bytes are written by `fill` in row-major order.
    package init<Failure: Error>(
        filling shape: Shape, dtype: DType, _ fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        self.init(uninitialized: shape, dtype: dtype)
        try fill(UnsafeMutableRawBufferPointer(start: pointer, count: contiguousByteCount))
    }
}
