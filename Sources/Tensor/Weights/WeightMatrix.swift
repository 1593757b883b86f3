/// A matrix W `[out, in]` that activations are multiplied with, in whatever form it is stored.
///
/// A layer needs three things of it: x Wᵀ, dY W for the gradient of its input, and itself as numbers. All three come
/// from rows as float32 (`float32Rows`), so a new form of weights is one type with that function; a product that is
/// faster than decoding comes from `packed`.
///
/// ```swift
/// let y = try Fused.linear(x, [(weight: blocks, bias: nil)])[0]     // x [tokens, in] -> y [tokens, out]
/// ```
///
/// A `Tensor` is one: dense, of 16 bits, or GGUF blocks. Only a float32 tensor can be trained; everything else is
/// frozen, and gradients flow through it to its input. Nothing frozen is ever held as float32 as a whole.
public protocol WeightMatrix: Sendable {
    /// `[out, in]`.
    var shape: Shape { get }
    /// "F32", "Q4_K", …, for people.
    var storedType: String { get }
    /// Bytes as stored.
    var byteCount: Int { get }
    /// The matrix as a float32 tensor, where it lies in memory as one; the leaf of the tape, where it is trained.
    var dense: Tensor? { get }
    /// The tensors it is stored in, which may be mapped from a file.
    var storedTensors: [Tensor] { get }

    /// Some rows as float32, `[rows, in]`.
    func float32Rows(_ rows: Range<Int>) throws(TensorError) -> Tensor
    /// Rearranged for inference: as stored, or exactly in float32.
    func packed(exact: Bool) throws(TensorError) -> PackedMatrix
}

extension WeightMatrix {
    /// Whether the tape gives it a gradient.
    public var isTrained: Bool { dense?.requiresGrad ?? false }

    /// Whether a product with it belongs on the tape for its own sake.
    package var isNoted: Bool { dense.map { Tensor.isRecording($0) } ?? false }

    /// The same, unknown to the tape.
    package var untracked: any WeightMatrix { dense?.withoutOrigin ?? self }

    /// The whole matrix as float32: a copy, unless it is dense.
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
