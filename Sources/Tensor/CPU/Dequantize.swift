import CKernels

/// Stored values to float32.
package enum Dequantize {
    static func row(
        _ dtype: DType, _ source: UnsafeRawPointer, count: Int, into target: UnsafeMutablePointer<Float>
    ) throws(TensorError) {
        let type = martlet_type(rawValue: dtype.rawValue)
        guard martlet_type_block_bytes(type) > 0 else {
            throw TensorError(.dtype, "float32", "\(dtype.name) is not a type of weights")
        }
        guard count % dtype.blockLength == 0 else {
            throw TensorError(.shape, "float32", "\(count) elements are no whole number of \(dtype.name) blocks")
        }
        martlet_dequantize(type, source, count, target)
    }
}
