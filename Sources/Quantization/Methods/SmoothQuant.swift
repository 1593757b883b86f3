import MartletTensor

/// SmoothQuant (Xiao et al. 2022): outliers of the inputs are moved into the weights, s[j] = max|x[j]|^α / max|w[j]|^(1−α), so
/// that both can be rounded to eight bits. The folder says that inputs are rounded token by token when they are met, which
/// `Precision.int8Inputs` does.
package enum SmoothQuant {
    /// - Parameters:
    ///   - weights: `[out, in]` of each layer that sees the input.
    ///   - largest: max|x[j]| on the calibration's text.
    /// - Returns: `[in]`
    package static func factors(_ weights: [Tensor], largest: [Float], migration: Double) throws -> [Float] {
        var most = [Float](repeating: 0, count: largest.count)
        for weight in weights {
            let columns = try weight.abs().max(axes: [0]).toArray(as: Float.self)
            for (index, value) in columns.enumerated() { most[index] = max(most[index], value) }
        }
        func power(_ list: [Float], _ exponent: Double) throws -> [Float] {
            try Tensor(list.map { max($0, 1e-5) }).pow(Float(exponent)).toArray(as: Float.self)
        }
        // A factor multiplies the weight's column.
        return zip(try power(largest, migration), try power(most, 1 - migration)).map { max($0 / $1, 1e-5) }
    }
}
