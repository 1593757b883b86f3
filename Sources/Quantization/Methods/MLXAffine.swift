import MartletTensor

/// mlx's affine codes: w ≈ scale · code + bias for groups of an output. The end of the group's range that lies farther from
/// zero is met exactly, and the scale is chosen so that zero is a code too. Source: mlx, `affine_quantize`.
enum MLXAffine {
    struct Encoded {
        /// Words of 32 bits, `[rows, columns · bits / 32]`.
        var words: [Int32]
        var scales: [Float]
        var biases: [Float]
    }

    static func encode(_ weight: Tensor, bits: Int, groupSize: Int) throws -> Encoded {
        let rows = weight.shape[0], columns = weight.shape[1], groups = columns / groupSize
        let width = columns * bits / 32, top = Float((1 << bits) - 1)
        var result = Encoded(
            words: [Int32](repeating: 0, count: rows * width), scales: [Float](repeating: 0, count: rows * groups),
            biases: [Float](repeating: 0, count: rows * groups))
        try weight.withHostValues { values in
            for row in 0..<rows {
                for group in 0..<groups {
                    let first = row * columns + group * groupSize
                    var low = Float.infinity, high = -Float.infinity
                    for index in first..<first + groupSize {
                        (low, high) = (min(low, values[index]), max(high, values[index]))
                    }
                    var scale = max((high - low) / top, 1e-7)
                    let edge = abs(low) > abs(high) ? low : high
                    if abs(low) <= abs(high) { scale = -scale }
                    let steps = (edge / scale).rounded(.toNearestOrEven)
                    if steps != 0 { scale = edge / steps }
                    // As they are stored.
                    scale = scale.roundedToHalf
                    if scale == 0 { scale = Float(sign: .plus, exponent: -24, significand: 1) }
                    let bias = (steps == 0 ? 0 : edge).roundedToHalf
                    result.scales[row * groups + group] = scale
                    result.biases[row * groups + group] = bias
                    for index in 0..<groupSize {
                        let code = min(max(((values[first + index] - bias) / scale).rounded(.toNearestOrEven), 0), top)
                        let place = (group * groupSize + index) * bits
                        result.words[row * width + place / 32] |= Int32(
                            bitPattern: UInt32(code) << UInt32(place % 32))
                    }
                }
            }
        }
        return result
    }
}
