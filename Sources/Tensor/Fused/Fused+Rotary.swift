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
        let width = x.shape[1], headDimension = width / heads, half = rotation.dimension / 2
        let cosine = rotation.cosine.floats, sine = rotation.sine.floats, values = x.floats
        forRows(positions.count, width: width) { range in
            for row in range {
                let c = cosine + Int(positions[row]) * half, s = sine + Int(positions[row]) * half
                for head in 0..<heads {
                    let v = values + row * width + head * headDimension
                    for i in 0..<half {
                        let a = rotation.interleaved ? 2 * i : i, b = rotation.interleaved ? 2 * i + 1 : i + half
                        let p = v[a], q = v[b]
                        v[a] = p * c[i] - q * s[i]
                        v[b] = q * c[i] + p * s[i]
                    }
                }
            }
        }
    }
}
