import CKernels

/// Converts stored values to float32.
package enum Dequantize {
    static func row(
        _ dtype: DType, _ source: UnsafeRawPointer, count: Int, into target: UnsafeMutablePointer<Float>
    ) throws(TensorError) {
        try check(dtype, count: count)
        unchecked(dtype, source, count: count, into: target)
    }

    /// - Throws: `TensorError` when the type is not a weight type, or `count` is not a whole number of its blocks.
    static func check(_ dtype: DType, count: Int) throws(TensorError) {
        guard martlet_type_block_bytes(martlet_type(rawValue: dtype.rawValue)) > 0 else {
            throw TensorError(.dtype, "float32", "\(dtype.name) is not a weight type and has no float32 form")
        }
        guard count % dtype.blockLength == 0 else {
            throw TensorError(.shape, "float32", "\(count) elements are not a whole number of \(dtype.name) blocks")
        }
    }

    /// Without checks: for loops over rows whose callers have checked.
    static func unchecked(
        _ dtype: DType, _ source: UnsafeRawPointer, count: Int, into target: UnsafeMutablePointer<Float>
    ) {
        martlet_dequantize(martlet_type(rawValue: dtype.rawValue), source, count, target)
    }
}
