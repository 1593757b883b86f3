import MartletSystem

/// What products of float32 matrices are computed in, as PyTorch's `set_float32_matmul_precision` and JAX's
/// `default_matmul_precision` name it.
///
/// Everything but products of matrices, and sums in them, stays in float32 whatever this says. Small products, those in
/// attention and all products of other types are computed in float32 too.
public enum MatmulPrecision: String, Sendable, CaseIterable {
    /// In float32.
    case highest
    /// Each factor as a sum of two numbers of bfloat16, which keeps 16 bits of 24: three products, an error of about 4e-6
    /// of the result (float32: 1e-7).
    case high
    /// Each factor rounded to bfloat16, which keeps 8 bits: an error of about 2e-3.
    case medium

    /// Whether this processor has a unit for it. Those for bfloat16 are AMX's (Intel, from Sapphire Rapids on).
    public var isAvailable: Bool { self == .highest || GEMM.hasTiles }

    /// Numbers of bfloat16 that a factor is a sum of; 0 for float32.
    var parts: Int {
        switch self {
        case .highest: 0
        case .high: 2
        case .medium: 1
        }
    }
}

/// Runs `body` with products of this thread computed so; the way back of what it recorded, too, where that is in `body`.
///
/// ```swift
/// let x = try Tensor.ones([64, 64])
/// let y = try withMatmulPrecision(.high) { try x.matmul(x) }
/// ```
/// - Precondition: the precision `isAvailable`; without a unit for it, products are computed in float32.
public func withMatmulPrecision<Result, Failure: Error>(
    _ precision: MatmulPrecision, _ body: () throws(Failure) -> Result
) throws(Failure) -> Result {
    let before = ThreadState.matmulParts
    ThreadState.matmulParts = Int32(precision.parts)
    defer { ThreadState.matmulParts = before }
    return try body()
}
