/// The tables of a rotary embedding, in the form that the kernels take.
public struct Rotation: Sendable {
    /// float32 `[positions, dimension / 2]`.
    public let cosine, sine: Tensor
    /// Rotated dimensions at the start of each head.
    public let dimension: Int
    /// Whether a pair is two neighbouring elements instead of element i and element i + dimension / 2.
    public let interleaved: Bool

    public init(cosine: Tensor, sine: Tensor, dimension: Int, interleaved: Bool) {
        self.cosine = cosine
        self.sine = sine
        self.dimension = dimension
        self.interleaved = interleaved
    }
}

/// A range of rows that are rotated by the same tables.
public struct RotationRun: Sendable {
    public let rows: Range<Int>
    public let rotation: Rotation

    public init(rows: Range<Int>, rotation: Rotation) {
        self.rows = rows
        self.rotation = rotation
    }
}

extension Fused {
    /// Rotary position embedding: rotates every pair of each head by the angle of its position (Su et al. 2021). `x` is
    /// `[tokens, heads · headDimension]` and is consumed: the result replaces it in memory.
    public static func rotate(
        _ x: Tensor, heads: Int, _ runs: [RotationRun], _ positions: [Int32]
    ) throws(TensorError) -> Tensor {
        let span = OperationSpan("rotate")
        defer { span.end() }
        return try backend(of: x).rotate(x, heads: heads, runs, positions)
    }
}
