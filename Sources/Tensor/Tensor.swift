/// An n-dimensional array: a shape and strides over shared storage, with the element type known at run time.
///
/// A tensor is a value, but views share storage as they do in PyTorch: `x[0]`, `transposed`, `reshaped` (when it can)
/// see each other's in-place writes. Operations are eager and throw a `TensorError` that names the operation and the
/// shapes when operands do not fit.
public struct Tensor: Sendable {
    public internal(set) var storage: Storage
    /// Position of the first element in `storage`, in bytes.
    public let byteOffset: Int
    public let dtype: DType
    public let shape: Shape
    /// Distance between neighbours along each dimension, in elements; 0 where a dimension is broadcast.
    /// Quantised tensors are always contiguous.
    public let strides: Shape
    /// The operation on the tape that this tensor is a result of, or the leaf it is.
    package var origin: GradientOrigin?

    /// A view of `storage`.
    /// - Precondition: every element lies inside the storage.
    package init(storage: Storage, byteOffset: Int = 0, dtype: DType, shape: Shape, strides: Shape? = nil) {
        self.storage = storage
        self.byteOffset = byteOffset
        self.dtype = dtype
        self.shape = shape
        self.strides = strides ?? shape.contiguousStrides
    }

    /// A new contiguous tensor whose elements are not initialised.
    public init(uninitialized shape: Shape, dtype: DType = .float32) {
        let byteCount = dtype.byteCount(of: shape.elementCount)
        precondition(byteCount != nil, "\(shape) is no whole number of \(dtype.name) blocks")
        self.init(storage: Storage(byteCount: byteCount ?? 0), dtype: dtype, shape: shape)
    }

    public var rank: Int { shape.rank }
    public var elementCount: Int { shape.elementCount }

    /// Whether the elements lie one after the other in row-major order.
    public var isContiguous: Bool {
        var step = 1
        for index in stride(from: rank - 1, through: 0, by: -1) where shape[index] != 1 {
            if strides[index] != step { return false }
            step *= shape[index]
        }
        return true
    }

    /// The first element's address. For contiguous tensors, `elementCount` elements follow.
    var pointer: UnsafeMutableRawPointer { storage.pointer + byteOffset }
    /// The first element's address, as a float. Callers have checked `dtype == .float32`.
    var floats: UnsafeMutablePointer<Float> {
        assert(dtype == .float32)
        return pointer.assumingMemoryBound(to: Float.self)
    }
}
