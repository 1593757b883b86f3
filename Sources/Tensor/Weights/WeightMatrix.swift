/// A weight matrix W `[out, in]` in any stored form.
///
/// A layer needs three things of it: x Wᵀ, dY W for the gradient of its input, and its values. All three can be
/// computed from rows as float32 (`float32Rows`), so a new stored form is one type with that function; `packed`
/// provides a product that is faster than decoding.
///
/// ```swift
/// let y = try Fused.linear(x, [(weight: blocks, bias: nil)])[0]     // x [tokens, in] -> y [tokens, out]
/// ```
///
/// A `Tensor` is a weight matrix: float32, 16-bit, or GGUF blocks. Only a float32 tensor can be trained; everything
/// else is frozen, and gradients pass through it to its input. A frozen matrix is never held as float32 as a whole.
public protocol WeightMatrix: Sendable {
    /// `[out, in]`.
    var shape: Shape { get }
    /// The stored type for display: "F32", "Q4_K", …
    var storedType: String { get }
    /// Bytes as stored.
    var byteCount: Int { get }
    /// The matrix as a float32 tensor, if it is stored as one; the leaf of the tape, if it is trained.
    var dense: Tensor? { get }
    /// The tensors that store it, possibly mapped from a file.
    var storedTensors: [Tensor] { get }

    /// Rows as float32, `[rows, in]`.
    func float32Rows(_ rows: Range<Int>) throws(TensorError) -> Tensor
    /// Repacked for inference: in the stored format, or exactly in float32.
    func packed(exact: Bool) throws(TensorError) -> PackedMatrix
    /// How its inputs are rounded elsewhere, by what its files say; nil where that is not at all.
    var inputRounding: InputRounding? { get }
}

extension WeightMatrix {
    public var inputRounding: InputRounding? { nil }

    /// Whether it has a gradient on the tape.
    public var isTrained: Bool { dense?.requiresGrad ?? false }

    /// Whether a product must be recorded because of this matrix.
    package var isNoted: Bool { dense.map { Tensor.isRecording($0) } ?? false }

    /// The same matrix without a connection to the tape.
    package var untracked: any WeightMatrix { dense?.withoutOrigin ?? self }

    /// The whole matrix as float32; a copy unless it is stored as float32.
    public func float32Matrix() throws(TensorError) -> Tensor {
        if let dense { return dense }
        return try float32Rows(0..<shape[0])
    }

    public func packed(exact: Bool) throws(TensorError) -> PackedMatrix {
        try PackedMatrix(try float32Matrix(), exact: true)
    }
}

extension Tensor: WeightMatrix {
    public var storedType: String { dtype.name }
    public var byteCount: Int { dtype.byteCount(of: elementCount) ?? 0 }
    public var dense: Tensor? { dtype == .float32 && isContiguous ? self : nil }
    public var storedTensors: [Tensor] { [self] }

    public func float32Rows(_ rows: Range<Int>) throws(TensorError) -> Tensor {
        guard rank == 2, isContiguous, rows.lowerBound >= 0, rows.upperBound <= shape[0] else {
            throw TensorError(.shape, "float32Rows", "rows \(rows) do not lie in \(shape)")
        }
        let part = leadingRows(rows.lowerBound, count: rows.count).withoutOrigin
        if dtype == .float32 { return part }
        try Dequantize.check(dtype, count: shape[1])
        let result = Tensor(uninitialized: part.shape)
        let width = shape[1], rowBytes = dtype.byteCount(of: width) ?? 0
        let source = UnsafeRawPointer(part.pointer), target = result.floats, dtype = dtype
        Fused.forRows(rows.count, width: width) { range in
            Dequantize.unchecked(
                dtype, source + range.lowerBound * rowBytes, count: range.count * width,
                into: target + range.lowerBound * width)
        }
        return result
    }

    public func packed(exact: Bool) throws(TensorError) -> PackedMatrix { try PackedMatrix(self, exact: exact) }
}
