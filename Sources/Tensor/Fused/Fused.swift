#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The operations of a language model besides matrix products, each in one pass over memory.
///
/// All take contiguous float32 tensors `[tokens, width]`. A row's result depends on that row alone, bit for bit.
public enum Fused {
    /// Elements per task, such that a fork-join pays off.
    private static let grain = 16_384

    package static func check(_ operation: String, _ tensors: Tensor...) throws(TensorError) {
        for tensor in tensors where tensor.dtype != .float32 || !tensor.isContiguous {
            throw TensorError(
                .dtype, operation,
                "needs contiguous F32, got \(tensor.isContiguous ? "" : "strided ")\(tensor.dtype.name)")
        }
    }

    /// Runs `body` over ranges of rows, on several threads if there is enough work.
    package static func forRows(_ rows: Int, width: Int, _ body: (Range<Int>) -> Void) {
        let share = max(1, grain / max(width, 1))
        let count = (rows + share - 1) / share
        if count <= 1 { return body(0..<rows) }
        ThreadPool.shared.run(count) { index in body((index * share)..<min((index + 1) * share, rows)) }
    }
}

extension Fused {
    /// The backend that computes with a tensor: the formulas of `Reference` for float64, otherwise the backend of its
    /// device.
    @inline(__always)
    static func backend(of x: Tensor) -> any FusedOperations.Type {
        x.dtype == .float64 ? Reference.self : x.storage.device.fused
    }
}
