/// New tensors. Shapes with negative or overflowing extents throw `TensorError` of kind `.shape`.
extension Tensor {
    /// An uninitialised tensor whose shape comes from outside and is checked.
    static func allocated(_ shape: Shape, _ dtype: DType, _ operation: String) throws(TensorError) -> Tensor {
        guard let checked = Shape(checking: shape), let bytes = dtype.byteCount(of: checked.elementCount),
            bytes <= 1 << 46
        else { throw TensorError(.shape, operation, "no \(dtype.name) tensor has shape \(shape)") }
        return Tensor(uninitialized: shape, dtype: dtype)
    }

    public static func zeros(_ shape: Shape, dtype: DType = .float32) throws(TensorError) -> Tensor {
        let result = try allocated(shape, dtype, "zeros")
        result.pointer.initializeMemory(as: UInt8.self, repeating: 0, count: result.contiguousByteCount)
        return result
    }

    public static func ones(_ shape: Shape, dtype: DType = .float32) throws(TensorError) -> Tensor {
        try full(shape, 1, dtype: dtype)
    }

    /// Every element is `value`; the default `dtype` is PyTorch's: bool, int64 or float32.
    public static func full(
        _ shape: Shape, _ value: some TensorScalar, dtype: DType? = nil
    ) throws(TensorError) -> Tensor {
        let result = try allocated(shape, dtype ?? value.scalar.dtype, "full")
        try result.requirePlain("full")
        result.primitives.cast(Tensor(value.scalar, dtype: result.dtype), to: result)
        return result
    }

    public static func zeros(like other: Tensor, dtype: DType? = nil) throws(TensorError) -> Tensor {
        try zeros(other.shape, dtype: dtype ?? other.dtype)
    }
    public static func ones(like other: Tensor, dtype: DType? = nil) throws(TensorError) -> Tensor {
        try ones(other.shape, dtype: dtype ?? other.dtype)
    }
    public static func full(
        like other: Tensor, _ value: some TensorScalar, dtype: DType? = nil
    ) throws(TensorError) -> Tensor {
        try full(other.shape, value, dtype: dtype ?? other.dtype)
    }

    /// `start, start + step, …`, excluding `end`: int64 when all three are integers.
    public static func arange<S: TensorScalar>(
        _ start: S, _ end: S, step: S, dtype: DType? = nil
    ) throws(TensorError) -> Tensor {
        if case (.integer(let first), .integer(let last), .integer(let by)) = (start.scalar, end.scalar, step.scalar) {
            let (span, overflow) = last.subtractingReportingOverflow(first)
            guard by != 0, !overflow, span == 0 || (span > 0) == (by > 0) else {
                throw TensorError(.argument, "arange", "no steps of \(by) lead from \(first) to \(last)")
            }
            let count = span == 0 ? 0 : Int((span.magnitude + by.magnitude - 1) / by.magnitude)
            let result = try allocated([count], .int64, "arange")
            let values = result.pointer(as: Int64.self)
            for i in 0..<count { values[i] = first &+ Int64(i) &* by }
            return try result.to(dtype ?? .int64)
        }
        let first = start.scalar.double, last = end.scalar.double, by = step.scalar.double
        let steps = ((last - first) / by).rounded(.up)
        guard by != 0, steps >= 0, steps < 0x1p46 else {
            throw TensorError(.argument, "arange", "no steps of \(by) lead from \(first) to \(last)")
        }
        let result = try allocated([Int(steps)], .float64, "arange")
        let values = result.pointer(as: Double.self)
        for i in 0..<Int(steps) { values[i] = first + Double(i) * by }
        return try result.to(dtype ?? start.scalar.dtype)
    }

    public static func arange<S: TensorScalar & Numeric>(
        _ start: S, _ end: S, dtype: DType? = nil
    ) throws(TensorError) -> Tensor { try arange(start, end, step: 1, dtype: dtype) }

    /// `0, 1, …`, excluding `end`.
    public static func arange<S: TensorScalar & Numeric>(
        _ end: S, dtype: DType? = nil
    ) throws(TensorError) -> Tensor { try arange(0, end, step: 1, dtype: dtype) }

    /// `count` values from `start` to `end`, both included. Each is computed from the nearer end, so the values are
    /// symmetric.
    public static func linspace(
        _ start: Double, _ end: Double, count: Int, dtype: DType = .float32
    ) throws(TensorError) -> Tensor {
        let result = try allocated([count], .float64, "linspace")
        let values = result.pointer(as: Double.self)
        let step = count > 1 ? (end - start) / Double(count - 1) : 0
        for i in 0..<count {
            values[i] = i < (count + 1) / 2 ? start + Double(i) * step : end - Double(count - 1 - i) * step
        }
        return try result.to(dtype)
    }

    /// The identity matrix: ones on the diagonal, zeros elsewhere.
    public static func eye(
        _ rows: Int, _ columns: Int? = nil, dtype: DType = .float32
    ) throws(TensorError) -> Tensor {
        let result = try zeros([rows, columns ?? rows], dtype: dtype)
        result.primitives.cast(Tensor(.integer(1), dtype: dtype), to: try result.diagonal())
        return result
    }

    /// A zero-dimensional tensor.
    public init(_ value: some TensorScalar, dtype: DType? = nil) {
        self.init(value.scalar, dtype: dtype ?? value.scalar.dtype)
    }

    /// - Precondition: a plain type.
    @inline(never)
    init(_ scalar: Scalar, dtype: DType) {
        let wide: Tensor
        switch scalar {
        case .real(let value):
            wide = Tensor(uninitialized: [], dtype: .float64)
            wide.pointer(as: Double.self)[0] = value
        case .integer(let value):
            wide = Tensor(uninitialized: [], dtype: .int64)
            wide.pointer(as: Int64.self)[0] = value
        case .boolean(let value):
            wide = Tensor(uninitialized: [], dtype: .bool)
            wide.pointer(as: Bool.self)[0] = value
        }
        if wide.dtype == dtype {
            self = wide
        } else {
            self.init(uninitialized: [], dtype: dtype)
            primitives.cast(wide, to: self)
        }
    }

    /// The number of bytes of all elements when they are stored contiguously.
    package var contiguousByteCount: Int { dtype.byteCount(of: elementCount) ?? 0 }
}
