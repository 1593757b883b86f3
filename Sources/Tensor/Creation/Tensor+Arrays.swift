import Synchronization

/// Conversion between tensors and Swift arrays.
extension Tensor {
    /// A tensor from its elements in row-major order; one-dimensional without a `shape`.
    /// - Throws: `TensorError` of kind `.shape` when the count does not fit `shape`.
    public init<S: TensorScalar>(_ elements: [S], shape: Shape? = nil) throws(TensorError) {
        let shape = shape ?? [elements.count]
        guard Shape(checking: shape)?.elementCount == elements.count else {
            throw TensorError(.shape, "Tensor", "\(elements.count) elements do not fill shape \(shape)")
        }
        self.init(uninitialized: shape, dtype: S.dtype)
        let byteCount = contiguousByteCount
        elements.withUnsafeBytes { bytes in
            if let base = bytes.baseAddress { pointer.copyMemory(from: base, byteCount: byteCount) }
        }
    }

    /// A matrix from its rows.
    public init<S: TensorScalar>(_ rows: [[S]]) throws(TensorError) {
        let width = rows.first?.count ?? 0
        try Self.requireEven(rows.map(\.count), "rows")
        try self.init(rows.flatMap { $0 }, shape: [rows.count, width])
    }

    /// A rank-3 tensor from its matrices.
    public init<S: TensorScalar>(_ layers: [[[S]]]) throws(TensorError) {
        let height = layers.first?.count ?? 0, width = layers.first?.first?.count ?? 0
        try Self.requireEven(layers.map(\.count), "layers")
        try Self.requireEven(layers.flatMap { $0.map(\.count) }, "rows")
        try self.init(layers.flatMap { $0.flatMap { $0 } }, shape: [layers.count, height, width])
    }

    private static func requireEven(_ counts: [Int], _ what: String) throws(TensorError) {
        for (place, count) in counts.enumerated() where count != counts[0] {
            throw TensorError(
                .shape, "Tensor", "\(what) of uneven length: the first has \(counts[0]), number \(place) has \(count)")
        }
    }

    /// The elements in row-major order, converted to `S` (see `to(_:)`).
    public func toArray<S: TensorScalar>(as type: S.Type = S.self) throws(TensorError) -> [S] {
        let plain = try to(S.dtype).contiguous()
        return Array(UnsafeBufferPointer(start: plain.pointer(as: S.self), count: elementCount))
    }

    /// The single element of a tensor.
    /// - Throws: `TensorError` of kind `.shape` when there is not exactly one element.
    public func item<S: TensorScalar>(as type: S.Type = S.self) throws(TensorError) -> S {
        guard elementCount == 1 else {
            throw TensorError(.shape, "item", "shape \(shape) has \(elementCount) elements, not one")
        }
        return try toArray(as: type)[0]
    }

    /// The elements converted to another type; returns self if it already has that type. The rounding rules are in
    /// `CastPrimitive.swift`. Quantised tensors are dequantised.
    /// - Throws: `TensorError` of kind `.dtype` when `target` is a quantised type.
    @inline(never)
    public func to(_ target: DType) throws(TensorError) -> Tensor {
        if dtype == target { return self }
        if dtype.isQuantized { return try dequantized().to(target) }
        guard !target.isQuantized else {
            throw TensorError(
                .dtype, "to",
                "\(dtype.name) to \(target.name) would be quantisation; `to` converts to plain types only")
        }
        let result = Tensor(uninitialized: shape, dtype: target)
        primitives.cast(self, to: result)
        guard target.isFloatingPoint else { return result }
        // The gradient is converted back to the type of the input by `give`.
        return result.recordedView("to", of: self) { $0 }
    }

    /// The weights of a quantised tensor as float32.
    public func dequantized() throws(TensorError) -> Tensor {
        guard dtype.isQuantized else { return try to(.float32) }
        let result = Tensor(uninitialized: shape, dtype: .float32)
        let from = pointer, to = result.floats, type = dtype, blocks = elementCount / type.blockLength
        // Each thread converts whole blocks.
        let failure = Mutex<TensorError?>(nil)
        parallelRanges(blocks, grain: Swift.max(1, elementGrain / type.blockLength)) { range in
            do throws(TensorError) {
                try Dequantize.row(
                    type, from + range.lowerBound * type.blockByteCount, count: range.count * type.blockLength,
                    into: to + range.lowerBound * type.blockLength)
            } catch {
                failure.withLock { $0 = error }
            }
        }
        if let error = failure.withLock({ $0 }) { throw error }
        return result
    }

    /// A contiguous copy of the bytes.
    package func bytes() -> [UInt8] {
        let plain = contiguous()
        return Array(UnsafeRawBufferPointer(start: plain.pointer, count: contiguousByteCount))
    }
}
