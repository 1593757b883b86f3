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

/// Rows that are rotated by the same tables.
public struct RotationRun: Sendable {
    public let rows: Range<Int>
    public let rotation: Rotation

    public init(rows: Range<Int>, rotation: Rotation) {
        self.rows = rows
        self.rotation = rotation
    }
}

extension Fused {
    /// Every pair of each head rotated by its position's angle (Su et al. 2021). `x` is `[tokens, heads · headDimension]`
    /// and is used up: the result takes its place in memory.
    public static func rotate(
        _ x: Tensor, heads: Int, _ runs: [RotationRun], _ positions: [Int32]
    ) throws(TensorError) -> Tensor {
        let span = OperationSpan("rotate")
        defer { span.end() }
        return try backend(of: x).rotate(x, heads: heads, runs, positions)
    }
}
