/// Elements in the memory of the processor, for the edges of a computation: samplers, reports, files, tests. A forward
/// pass never asks for them, so that a backend may keep tensors elsewhere.
extension Tensor {
    /// Lets `body` read the elements of a float32 tensor in row-major order.
    ///
    /// ```swift
    /// let largest = try logits.withHostValues { $0.max() }
    /// ```
    ///
    /// They are read where they lie if they are contiguous, otherwise from a copy. The buffer ends with `body`.
    /// - Throws: `TensorError` for another type (`to(.float32)` converts), and what `body` throws.
    public func withHostValues<Result>(_ body: (UnsafeBufferPointer<Float>) throws -> Result) throws -> Result {
        guard dtype == .float32 else { throw notFloat32("withHostValues") }
        let plain = isContiguous ? self : withoutOrigin.contiguous()
        return try withExtendedLifetime(plain) {
            try body(UnsafeBufferPointer(start: plain.floats, count: plain.elementCount))
        }
    }

    /// Lets `body` change the elements of a contiguous float32 tensor in row-major order; it counts as changed in place.
    /// - Throws: `TensorError` for another type, strided elements and read-only storage, and what `body` throws.
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

    /// Hands `body` the bytes of the elements in row-major order, in one run or several.
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
    /// - Precondition: as many bytes as the shape takes.
    package init(copying bytes: UnsafeRawBufferPointer, dtype: DType, shape: Shape) {
        self.init(uninitialized: shape, dtype: dtype)
        precondition(bytes.count == contiguousByteCount, "as many bytes as \(shape) of \(dtype.name) takes")
        UnsafeMutableRawBufferPointer(start: pointer, count: bytes.count).copyMemory(from: bytes)
    }

    /// A new tensor whose bytes, in row-major order, `fill` writes.
    package init<Failure: Error>(
        filling shape: Shape, dtype: DType, _ fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        self.init(uninitialized: shape, dtype: dtype)
        try fill(UnsafeMutableRawBufferPointer(start: pointer, count: contiguousByteCount))
    }
}
