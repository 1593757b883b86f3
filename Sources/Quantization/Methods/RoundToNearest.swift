import MartletTensor

/// Every weight to the nearest number of its group's grid.
package enum RoundToNearest {
    /// - Parameter importance: a number for each input, by which errors count.
    package static func encode(
        _ weight: Tensor, bits: Int, groupSize: Int, symmetric: Bool, searches: Bool, importance: [Float]? = nil
    ) throws -> AffineCodes {
        let outputs = weight.shape[0], inputs = weight.shape[1]
        var result = AffineCodes(outputs: outputs, inputs: inputs, bits: bits, groupSize: groupSize)
        let groups = result.groups
        try weight.withHostValues { values in
            result.codes.withUnsafeMutableBufferPointer { codes in
                result.scales.withUnsafeMutableBufferPointer { scales in
                    result.zeros.withUnsafeMutableBufferPointer { zeros in
                        nonisolated(unsafe) let (codes, scales, zeros) = (codes, scales, zeros)
                        (importance ?? []).withUnsafeBufferPointer { importance in
                            ThreadPool.shared.run(outputs) { output in
                                for group in 0..<groups {
                                    let first = output * inputs + group * groupSize
                                    let part = UnsafeBufferPointer(rebasing: values[first..<first + groupSize])
                                    let counts =
                                        importance.isEmpty
                                        ? nil
                                        : UnsafeBufferPointer(
                                            rebasing: importance[group * groupSize..<(group + 1) * groupSize])
                                    let grid = AffineGrid.best(
                                        part, importance: counts, bits: bits, symmetric: symmetric, searches: searches)
                                    scales[output * groups + group] = grid.scale
                                    zeros[output * groups + group] = UInt8(grid.zero)
                                    for index in 0..<groupSize { codes[first + index] = UInt8(grid.code(part[index])) }
                                }
                            }
                        }
                    }
                }
            }
        }
        return result
    }

    /// The numbers that zero-point grids from the extremes of each group give, `[out, in]`: what searches over factors and
    /// limits are made with.
    package static func rounded(_ weight: Tensor, bits: Int, groupSize: Int) throws -> Tensor {
        let outputs = weight.shape[0], inputs = weight.shape[1], top = Float((1 << bits) - 1)
        let source = weight.contiguous()
        return try source.withHostValues { values in
            Tensor(filling: [outputs, inputs], dtype: .float32) { bytes in
                nonisolated(unsafe) let target = bytes.bindMemory(to: Float.self), values = values
                ThreadPool.shared.run(outputs) { output in
                    for first in stride(from: output * inputs, to: (output + 1) * inputs, by: groupSize) {
                        var low: Float = 0, high: Float = 0
                        for index in first..<first + groupSize {
                            (low, high) = (min(low, values[index]), max(high, values[index]))
                        }
                        let scale = max((high - low) / top, 1e-12), zero = (-low / scale).rounded()
                        for index in first..<first + groupSize {
                            let code = min(max((values[index] / scale).rounded() + zero, 0), top)
                            target[index] = scale * (code - zero)
                        }
                    }
                }
            }
        }
    }
}
