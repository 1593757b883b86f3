import MartletTensor

/// mlx's affine codes: w ≈ scale · code + bias for groups of an output.
///
/// mlx's own grid meets the end of the group's range that lies farther from zero, with a scale by which zero is a code too
/// (mlx, `affine_quantize`). It is one candidate; the others begin with a part of the range and are fitted to the codes they
/// give by least squares. The layout is the same for all.
package enum MLXAffine {
    package struct Encoded {
        /// Words of 32 bits, `[rows, columns · bits / 32]`.
        package var words: [Int32]
        package var scales: [Float]
        package var biases: [Float]
    }

    /// One group's grid, in half precision as it is stored.
    private struct Grid {
        var scale: Float
        var bias: Float
        let top: Float

        init(_ scale: Float, _ bias: Float, top: Float) {
            (self.scale, self.bias, self.top) = (scale.roundedToHalf, bias.roundedToHalf, top)
            if self.scale == 0 { self.scale = Float(sign: .plus, exponent: -24, significand: 1) }
        }

        var isFinite: Bool { scale.isFinite && bias.isFinite }

        /// The nearest code; ties go to even, by an addition whose last bit is one.
        func code(_ value: Float) -> Float {
            let place = min(max((value - bias) / scale, 0), top)
            return (place + 0x1.8p23) - 0x1.8p23
        }
    }

    /// - Parameter searches: false for mlx's own grids.
    package static func encode(
        _ weight: Tensor, bits: Int, groupSize: Int, searches: Bool = true
    ) throws -> Encoded {
        let rows = weight.shape[0], columns = weight.shape[1], groups = columns / groupSize
        let width = columns * bits / 32, top = Float((1 << bits) - 1)
        var result = Encoded(
            words: [Int32](repeating: 0, count: rows * width), scales: [Float](repeating: 0, count: rows * groups),
            biases: [Float](repeating: 0, count: rows * groups))
        try weight.withHostValues { values in
            result.words.withUnsafeMutableBufferPointer { words in
                result.scales.withUnsafeMutableBufferPointer { scales in
                    result.biases.withUnsafeMutableBufferPointer { biases in
                        nonisolated(unsafe) let (words, scales, biases, values) = (words, scales, biases, values)
                        ThreadPool.shared.run(rows) { row in
                            for group in 0..<groups {
                                let first = row * columns + group * groupSize
                                let part = UnsafeBufferPointer(rebasing: values[first..<first + groupSize])
                                let grid = best(part, top: top, searches: searches)
                                scales[row * groups + group] = grid.scale
                                biases[row * groups + group] = grid.bias
                                for index in 0..<groupSize {
                                    let place = (group * groupSize + index) * bits
                                    words[row * width + place / 32] |= Int32(
                                        bitPattern: UInt32(grid.code(part[index])) << UInt32(place % 32))
                                }
                            }
                        }
                    }
                }
            }
        }
        return result
    }

    private static func best(_ values: UnsafeBufferPointer<Float>, top: Float, searches: Bool) -> Grid {
        var low = Float.infinity, high = -Float.infinity
        for value in values { (low, high) = (min(low, value), max(high, value)) }
        var scale = max((high - low) / top, 1e-7)
        let edge = abs(low) > abs(high) ? low : high
        if abs(low) <= abs(high) { scale = -scale }
        let steps = (edge / scale).rounded(.toNearestOrEven)
        if steps != 0 { scale = edge / steps }
        var best = Grid(scale, steps == 0 ? 0 : edge, top: top)
        guard searches, high > low else { return best }
        var lost = error(values, best)
        for step in 0..<14 {
            let share = 1.04 - 0.03 * Float(step)
            var trial = (scale: share * (high - low) / top, bias: (low + high) / 2 - share * (high - low) / 2)
            for _ in 0..<2 { trial = fitted(values, trial, top: top) ?? trial }
            let grid = Grid(trial.scale, trial.bias, top: top), miss = error(values, grid)
            if grid.isFinite, miss < lost { (best, lost) = (grid, miss) }
        }
        return best
    }

    private static func error(_ values: UnsafeBufferPointer<Float>, _ grid: Grid) -> Float {
        var sum: Float = 0
        for value in values {
            let miss = value - (grid.scale * grid.code(value) + grid.bias)
            sum += miss * miss
        }
        return sum
    }

    /// The scale and bias of least squares for the codes that others give; nil where all codes are one.
    private static func fitted(
        _ values: UnsafeBufferPointer<Float>, _ grid: (scale: Float, bias: Float), top: Float
    ) -> (scale: Float, bias: Float)? {
        var q: Float = 0, qq: Float = 0, w: Float = 0, wq: Float = 0
        let inverse = 1 / grid.scale
        guard inverse.isFinite else { return nil }
        for value in values {
            let code = (min(max((value - grid.bias) * inverse, 0), top) + 0x1.8p23) - 0x1.8p23
            q += code
            qq += code * code
            w += value
            wq += value * code
        }
        let count = Float(values.count), determinant = count * qq - q * q
        guard determinant > 0 else { return nil }
        let scale = (count * wq - q * w) / determinant
        return (scale, (w - scale * q) / count)
    }
}
