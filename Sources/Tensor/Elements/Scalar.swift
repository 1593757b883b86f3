/// A number used together with a tensor. As in PyTorch it determines the result's *kind* (bool, integer, float) but not
/// its width: a float16 tensor times 2.0 stays float16.
public enum Scalar: Sendable, Hashable {
    case boolean(Bool)
    case integer(Int64)
    case real(Double)

    /// The type of a tensor made of this scalar alone: bool, int64, or float32 (PyTorch's default type).
    public var dtype: DType {
        switch self {
        case .boolean: .bool
        case .integer: .int64
        case .real: .float32
        }
    }

    package var double: Double {
        switch self {
        case .boolean(let value): value ? 1 : 0
        case .integer(let value): Double(value)
        case .real(let value): value
        }
    }
}

/// A Swift number with the same memory layout as one element of `dtype`.
public protocol TensorScalar: Sendable, BitwiseCopyable {
    static var dtype: DType { get }
    var scalar: Scalar { get }
}

extension Bool: TensorScalar {
    public static var dtype: DType { .bool }
    public var scalar: Scalar { .boolean(self) }
}

extension Float: TensorScalar {
    public static var dtype: DType { .float32 }
    public var scalar: Scalar { .real(Double(self)) }
}

extension Double: TensorScalar {
    public static var dtype: DType { .float64 }
    public var scalar: Scalar { .real(self) }
}

#if !((os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64))
extension Float16: TensorScalar {
    public static var dtype: DType { .float16 }
    public var scalar: Scalar { .real(Double(self)) }
}
#endif

extension TensorScalar where Self: FixedWidthInteger {
    public var scalar: Scalar { .integer(Int64(truncatingIfNeeded: self)) }
}
extension Int8: TensorScalar { public static var dtype: DType { .int8 } }
extension UInt8: TensorScalar { public static var dtype: DType { .uint8 } }
extension Int16: TensorScalar { public static var dtype: DType { .int16 } }
extension Int32: TensorScalar { public static var dtype: DType { .int32 } }
extension Int64: TensorScalar { public static var dtype: DType { .int64 } }
extension Int: TensorScalar { public static var dtype: DType { .int64 } }
