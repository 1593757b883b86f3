import MartletTensor

/// AWQ, activation-aware weight quantisation (Lin et al. 2023): columns whose inputs are large are scaled up before they are
/// rounded, and the inputs down by as much. The factors are s = m^α, m being the size of each input on a text, for the α of
/// 20 that loses least; then each group's grid is cut at the share of its largest weight that loses least.
///
/// What a candidate loses is Σ ‖(W − Ŵ) x‖² = tr(Δ H Δᵀ) with H = Σ x xᵀ of the calibration, instead of a sample of inputs; and
/// m is the root of the mean square, not the mean magnitude.
package enum AWQ {
    static let steps = 20

    /// The factors of a group of layers.
    /// - Parameters:
    ///   - weights: `[out, in]` of each layer that sees the input.
    ///   - hessian: Σ x xᵀ, `[in, in]`.
    /// - Returns: `[in]`, all one where nothing is better.
    package static func factors(
        _ weights: [Tensor], hessian: Tensor, tokens: Int, bits: Int, groupSize: Int
    ) throws -> [Float] {
        let size = hessian.shape[0]
        let diagonal = try hessian.withHostValues { values in (0..<size).map { values[$0 * size + $0] } }
        let sizes = diagonal.map { max(($0 / Float(max(tokens, 1))).squareRoot(), 1e-4) }
        var best = [Float](repeating: 1, count: sizes.count), least = Double.infinity
        for step in 0..<steps {
            let alpha = Float(step) / Float(steps)
            var factors = try Tensor(sizes).pow(alpha).toArray(as: Float.self)
            // About one, so that what is stored stays in the middle of its range.
            let middle = ((factors.max() ?? 1) * (factors.min() ?? 1)).squareRoot()
            factors = factors.map { min(max($0 / middle, 1e-4), 1e4) }
            guard factors.allSatisfy(\.isFinite) else { continue }
            let columns = try Tensor(factors, shape: [1, factors.count])
            var loss = 0.0
            for weight in weights {
                let rounded = try RoundToNearest.rounded(weight * columns, bits: bits, groupSize: groupSize) / columns
                loss += try lost(rounded - weight, hessian)
                if loss >= least { break }
            }
            if loss < least { (best, least) = (factors, loss) }
        }
        return best
    }

    /// tr(Δ H Δᵀ)
    private static func lost(_ miss: Tensor, _ hessian: Tensor) throws -> Double {
        try (miss.matmul(hessian) * miss).sum(axes: [0, 1]).item(as: Double.self)
    }

    /// The largest magnitudes that the grids of each group reach to, `[out, groups]`: of ten shares from 1 down to 0.55 the
    /// one that loses least of the group's own product.
    /// - Parameter blocks: the part of H that belongs to each group, `[groups · size, size]`.
    package static func clips(_ weight: Tensor, blocks: Tensor, bits: Int, groupSize: Int) throws -> [Float] {
        let outputs = weight.shape[0], inputs = weight.shape[1], groups = inputs / groupSize
        var result = [Float](repeating: 0, count: outputs * groups)
        for group in 0..<groups {
            let part = try weight.narrow(1, from: group * groupSize, length: groupSize).contiguous()  // [out, size]
            let hessian = blocks.leadingRows(group * groupSize, count: groupSize)  // [size, size]
            let most = try part.abs().max(axes: [1])  // [out]
            let tops = try most.toArray(as: Float.self)
            var least = [Float](repeating: .infinity, count: outputs)
            for step in 0..<10 {
                let share = 1 - 0.05 * Float(step)
                let limit = try (most * share).view(outputs, 1)
                let cut = try part.maximum(-limit).minimum(limit)
                let miss = try RoundToNearest.rounded(cut, bits: bits, groupSize: groupSize) - part
                let losses = try (miss.matmul(hessian) * miss).sum(axes: [1]).toArray(as: Float.self)
                for output in 0..<outputs where losses[output] < least[output] {
                    least[output] = losses[output]
                    result[output * groups + group] = share * tops[output]
                }
            }
        }
        return result
    }

    /// Weights cut at the limits of their groups.
    package static func clipped(_ weight: Tensor, _ limits: [Float], groupSize: Int) throws -> Tensor {
        let outputs = weight.shape[0], inputs = weight.shape[1]
        let limit = try Tensor(limits, shape: [outputs, inputs / groupSize, 1])
        let part = try weight.contiguous().view(outputs, inputs / groupSize, groupSize)
        return try part.maximum(-limit).minimum(limit).view(outputs, inputs)
    }
}
