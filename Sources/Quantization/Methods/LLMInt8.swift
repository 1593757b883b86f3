import MartletTensor

/// LLM.int8 (Dettmers et al. 2022): weights and inputs in eight bits with a scale for each output and each token, but columns
/// of the input that hold an outlier (a magnitude of at least 6) in full, with the weights of those columns.
///
/// Folders hold the weights alone: which columns are outliers is seen when an input comes. Inputs are rounded to 16 bits as a
/// rule, which no outlier hurts; `Precision.int8Inputs` computes this product (`InputRounding`). What stands here is the
/// paper's definition, which tests hold the folder's weights and that product to.
package enum LLMInt8 {
    package static let threshold = 6.0

    /// Codes `[out, in]` and the largest magnitude of each output, which is 127 codes.
    package static func encode(_ weight: Tensor) throws -> (codes: [Int8], scales: [Float]) {
        let inputs = weight.shape[1]
        let rows = try weight.abs().max(axes: [1]).toArray(as: Float.self)
        let codes = try weight.withHostValues { values in
            values.enumerated().map { index, value in
                let top = rows[index / inputs]
                return Int8(min(max(top > 0 ? (value * (127 / top)).rounded() : 0, -127), 127))
            }
        }
        // A row of zeros has a scale all the same.
        return (codes, rows.map { $0 > 0 ? $0 : 1 })
    }

    /// x Wᵀ of the paper's section 3: columns of outliers in full, the others as products of integers.
    /// - Parameters:
    ///   - x: `[tokens, in]`
    ///   - weight: `[out, in]`
    ///   - threshold: nil for eight bits throughout.
    package static func product(_ x: Tensor, _ weight: Tensor, threshold: Float?) throws -> Tensor {
        let largest = try x.abs().max(axes: [0]).toArray(as: Float.self)
        let isOutlier = largest.map { threshold != nil && $0 >= (threshold ?? 0) }
        let inside = try Tensor(isOutlier.map { $0 ? Float(0) : 1 }, shape: [1, isOutlier.count])
        let full = try (x - x * inside).matmul(weight.transposed().contiguous())  // [tokens, out]
        func integers(_ matrix: Tensor) throws -> (codes: Tensor, scales: Tensor) {
            let scales = try matrix.abs().max(axes: [1], keepDimensions: true).maximum(Float(1e-12)) / 127
            return (try (matrix / scales).round(), scales)
        }
        let a = try integers(x * inside), b = try integers(weight)
        let product = try a.codes.matmul(b.codes.transposed().contiguous())  // [tokens, out]
        return try product * a.scales * b.scales.transposed().contiguous() + full
    }
}
