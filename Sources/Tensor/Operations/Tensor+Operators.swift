/// Operators, as in PyTorch; all may throw. Comparisons are written with a dot, as for Swift's SIMD vectors, because
/// they return a tensor of bools.
extension Tensor {
    public static func + (a: Tensor, b: Tensor) throws(TensorError) -> Tensor { try arithmetic(.add, a, b) }
    public static func + (a: Tensor, b: some TensorScalar) throws(TensorError) -> Tensor {
        try arithmetic(.add, a, a.companion(b.scalar, "add"))
    }
    public static func + (a: some TensorScalar, b: Tensor) throws(TensorError) -> Tensor {
        try arithmetic(.add, b.companion(a.scalar, "add"), b)
    }

    public static func - (a: Tensor, b: Tensor) throws(TensorError) -> Tensor { try arithmetic(.subtract, a, b) }
    public static func - (a: Tensor, b: some TensorScalar) throws(TensorError) -> Tensor {
        try arithmetic(.subtract, a, a.companion(b.scalar, "subtract"))
    }
    public static func - (a: some TensorScalar, b: Tensor) throws(TensorError) -> Tensor {
        try arithmetic(.subtract, b.companion(a.scalar, "subtract"), b)
    }

    public static func * (a: Tensor, b: Tensor) throws(TensorError) -> Tensor { try arithmetic(.multiply, a, b) }
    public static func * (a: Tensor, b: some TensorScalar) throws(TensorError) -> Tensor {
        try arithmetic(.multiply, a, a.companion(b.scalar, "multiply"))
    }
    public static func * (a: some TensorScalar, b: Tensor) throws(TensorError) -> Tensor {
        try arithmetic(.multiply, b.companion(a.scalar, "multiply"), b)
    }

    public static func / (a: Tensor, b: Tensor) throws(TensorError) -> Tensor { try arithmetic(.divide, a, b) }
    public static func / (a: Tensor, b: some TensorScalar) throws(TensorError) -> Tensor {
        try arithmetic(.divide, a, a.companion(b.scalar, "divide"))
    }
    public static func / (a: some TensorScalar, b: Tensor) throws(TensorError) -> Tensor {
        try arithmetic(.divide, b.companion(a.scalar, "divide"), b)
    }

    /// The remainder with the sign of the divisor, as Python's `%`.
    public static func % (a: Tensor, b: Tensor) throws(TensorError) -> Tensor { try a.remainder(b) }
    public static func % (a: Tensor, b: some TensorScalar) throws(TensorError) -> Tensor { try a.remainder(b) }

    public static prefix func - (a: Tensor) throws(TensorError) -> Tensor { try a.negative() }

    public static func .== (a: Tensor, b: Tensor) throws(TensorError) -> Tensor { try comparison(.equal, a, b) }
    public static func .== (a: Tensor, b: some TensorScalar) throws(TensorError) -> Tensor {
        try comparison(.equal, a, a.companion(b.scalar, "equal"))
    }

    public static func .!= (a: Tensor, b: Tensor) throws(TensorError) -> Tensor { try comparison(.notEqual, a, b) }
    public static func .!= (a: Tensor, b: some TensorScalar) throws(TensorError) -> Tensor {
        try comparison(.notEqual, a, a.companion(b.scalar, "notEqual"))
    }

    public static func .< (a: Tensor, b: Tensor) throws(TensorError) -> Tensor { try comparison(.less, a, b) }
    public static func .< (a: Tensor, b: some TensorScalar) throws(TensorError) -> Tensor {
        try comparison(.less, a, a.companion(b.scalar, "less"))
    }

    public static func .<= (a: Tensor, b: Tensor) throws(TensorError) -> Tensor { try comparison(.lessEqual, a, b) }
    public static func .<= (a: Tensor, b: some TensorScalar) throws(TensorError) -> Tensor {
        try comparison(.lessEqual, a, a.companion(b.scalar, "lessEqual"))
    }

    public static func .> (a: Tensor, b: Tensor) throws(TensorError) -> Tensor { try comparison(.less, b, a) }
    public static func .> (a: Tensor, b: some TensorScalar) throws(TensorError) -> Tensor {
        try comparison(.less, a.companion(b.scalar, "less"), a)
    }

    public static func .>= (a: Tensor, b: Tensor) throws(TensorError) -> Tensor { try comparison(.lessEqual, b, a) }
    public static func .>= (a: Tensor, b: some TensorScalar) throws(TensorError) -> Tensor {
        try comparison(.lessEqual, a.companion(b.scalar, "lessEqual"), a)
    }

    public static func .& (a: Tensor, b: Tensor) throws(TensorError) -> Tensor { try a.logicalAnd(b) }
    public static func .| (a: Tensor, b: Tensor) throws(TensorError) -> Tensor { try a.logicalOr(b) }
    public static func .^ (a: Tensor, b: Tensor) throws(TensorError) -> Tensor { try a.logicalXor(b) }
    public static prefix func .! (a: Tensor) throws(TensorError) -> Tensor { try a.logicalNot() }
}
