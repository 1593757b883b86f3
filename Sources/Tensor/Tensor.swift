/// An n-dimensional array: a shape and strides over shared storage; the element type is known at run time.
///
/// ```swift
/// let x = try Tensor([[1.0, 2.0], [3.0, 4.0]] as [[Float]])   // [2, 2]
/// let y = try x.matmul(x.transposed()) + 1                    // [2, 2]
/// let firstRow = try x[0]                                     // [2], a view
/// print(try y.mean().item(as: Float.self))
/// ```
///
/// A tensor is a value, but views share storage as in PyTorch: `x[0]`, `transposed` and `reshape` (where possible) see
/// in-place writes to each other. Operations are eager and throw a `TensorError` with the operation's name and the
/// shapes when operands do not fit.
public struct Tensor: Sendable {
    public internal(set) var storage: Storage
    /// Offset of the first element in `storage`, in bytes.
    public let byteOffset: Int
    public let dtype: DType
    public let shape: Shape
    /// Distance between neighbouring elements along each dimension, in elements; 0 along a broadcast dimension.
    /// Quantised tensors are always contiguous.
    public let strides: Shape
    /// The tape's operation that produced this tensor, or its leaf.
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

    /// Whether the elements are stored one after the other in row-major order.
    public var isContiguous: Bool {
        var step = 1
        for index in stride(from: rank - 1, through: 0, by: -1) where shape[index] != 1 {
            if strides[index] != step { return false }
            step *= shape[index]
        }
        return true
    }

    /// The address of the first element. For contiguous tensors, `elementCount` elements follow.
    var pointer: UnsafeMutableRawPointer { storage.pointer + byteOffset }
    /// The address of the first element, as float. Callers have checked `dtype == .float32`.
    var floats: UnsafeMutablePointer<Float> {
        assert(dtype == .float32)
        return pointer.assumingMemoryBound(to: Float.self)
    }
}
