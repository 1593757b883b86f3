import CKernels

/// The tables of a rotary embedding, as a kernel needs them.
public struct Rotation: Sendable {
    /// float32 `[positions, dimension / 2]`.
    public let cosine, sine: Tensor
    /// Rotated dimensions at the start of each head.
    public let dimension: Int
    /// Pairs are neighbours instead of halves.
    public let interleaved: Bool

    public init(cosine: Tensor, sine: Tensor, dimension: Int, interleaved: Bool) {
        self.cosine = cosine
        self.sine = sine
        self.dimension = dimension
        self.interleaved = interleaved
    }
}

extension Fused {
    /// Rotates every pair of each head by its position's angle, in place. `x` is `[tokens, heads · headDimension]`.
    public static func rotate(
        _ x: Tensor, heads: Int, _ rotation: Rotation, _ positions: [Int32]
    ) throws(TensorError) {
        try check("rotate", x, rotation.cosine, rotation.sine)
        guard x.rank == 2, x.shape[0] == positions.count, x.shape[1] % heads == 0 else {
            throw TensorError(.shape, "rotate", "\(positions.count) positions of \(heads) heads do not fit \(x.shape)")
        }
        let width = x.shape[1], headDimension = width / heads
        let limit = rotation.cosine.shape[0]
        guard positions.allSatisfy({ (0..<limit).contains(Int($0)) }) else {
            throw TensorError(.index, "rotate", "a position is outside the table of \(limit)")
        }
        let cosine = rotation.cosine.floats, sine = rotation.sine.floats, values = x.floats
        let vector = martlet_kernels_active().pointee.vector
        let kernel = rotation.interleaved ? vector.rope_interleaved : vector.rope_half_split
        positions.withUnsafeBufferPointer { positions in
            guard let positions = positions.baseAddress else { return }
            forRows(x.shape[0], width: width) { range in
                kernel(
                    values + range.lowerBound * width, width, range.count, heads, headDimension, rotation.dimension,
                    cosine, sine, positions + range.lowerBound)
            }
        }
    }
}
