import MartletTensor

/// A matrix as codes of few bits: w ≈ scale · (code − zero), one scale and zero for each group of neighbouring inputs of an
/// output.
package struct AffineCodes {
    package let outputs: Int
    package let inputs: Int
    package let bits: Int
    package let groupSize: Int
    /// `[out, in]`
    package var codes: [UInt8]
    /// `[out, groups]`
    package var scales: [Float]
    package var zeros: [UInt8]
    /// The group of every input, where they do not lie side by side.
    package var groupOfInput: [Int32]?

    package var groups: Int { inputs / groupSize }

    init(outputs: Int, inputs: Int, bits: Int, groupSize: Int) {
        (self.outputs, self.inputs, self.bits, self.groupSize) = (outputs, inputs, bits, groupSize)
        codes = [UInt8](repeating: 0, count: outputs * inputs)
        scales = [Float](repeating: 0, count: outputs * (inputs / groupSize))
        zeros = [UInt8](repeating: 0, count: outputs * (inputs / groupSize))
    }
}

/// The grid of one group.
struct AffineGrid {
    var scale: Float
    var zero: Float
    let top: Float

    func code(_ value: Float) -> Float { min(max((value / scale).rounded() + zero, 0), top) }
    func value(_ code: Float) -> Float { scale * (code - zero) }

    /// Round to nearest with a search of the least Σ v (w − ŵ)²: grids from the extremes of the group, and those that reach
    /// a part of them only (Nagel et al. 2021, A White Paper on Neural Network Quantization, section 3.1).
    /// - Parameter symmetric: the zero stands in the middle of the codes.
    static func best(
        _ values: UnsafeBufferPointer<Float>, importance: UnsafeBufferPointer<Float>?, bits: Int, symmetric: Bool,
        searches: Bool
    ) -> AffineGrid {
        let top = Float((1 << bits) - 1)
        var low: Float = 0, high: Float = 0
        for value in values { (low, high) = (min(low, value), max(high, value)) }
        if low == high { return AffineGrid(scale: 1, zero: symmetric ? Float(1 << (bits - 1)) : 0, top: top) }
        var best = AffineGrid(scale: 1, zero: 0, top: top), least = Float.infinity
        for step in 0..<(searches ? 24 : 1) {
            let share = 1 - 0.025 * Float(step)
            var grid: AffineGrid
            if symmetric {
                let middle = Float(1 << (bits - 1))
                grid = AffineGrid(scale: share * max(-low / middle, high / (middle - 1)), zero: middle, top: top)
            } else {
                grid = AffineGrid(scale: share * (high - low) / top, zero: 0, top: top)
                grid.zero = min(max((-low * share / grid.scale).rounded(), 0), top)
            }
            // As it will be stored.
            grid.scale = grid.scale.roundedToHalf
            guard grid.scale > 0, grid.scale.isFinite else { continue }
            var error: Float = 0
            for (index, value) in values.enumerated() {
                let miss = value - grid.value(grid.code(value))
                error += (importance?[index] ?? 1) * miss * miss
            }
            if error < least { (best, least) = (grid, error) }
        }
        return best
    }
}
