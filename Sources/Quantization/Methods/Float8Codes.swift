import MartletNN
import MartletTensor

/// Eight-bit floats (Micikevicius et al. 2022): each weight to the nearest number of the format, the largest magnitude of an
/// output being the largest number.
enum Float8Codes {
    static func encode(_ weight: Tensor, _ format: Float8Matrix.Format) throws -> (codes: [UInt8], scales: [Float]) {
        // Finite codes without their sign ascend.
        let positive = Array(format.values[0..<128]).prefix { $0.isFinite }, top = positive.last ?? 1
        let rows = try weight.abs().max(axes: [1]).toArray(as: Float.self), inputs = weight.shape[1]
        let list = Array(positive)
        let codes = try weight.withHostValues { values in
            values.enumerated().map { index, value -> UInt8 in
                let most = rows[index / inputs], scaled = most > 0 ? value * (top / most) : 0
                let code = NormalFloat.nearest(abs(scaled), list)
                return scaled < 0 && code > 0 ? code | 128 : code
            }
        }
        return (codes, rows.map { $0 > 0 ? $0 / top : 1 })
    }
}
