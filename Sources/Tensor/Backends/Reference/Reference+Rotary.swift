extension Reference {
    /// Each pair (a, b) of a head is rotated by the angle of its position: (a cos − b sin, b cos + a sin) (Su et al.
    /// 2021).
    ///
    /// A pair is element i and element i + dimension / 2, or neighbouring elements if `interleaved`; elements after the
    /// rotated dimensions do not change. x `[tokens, heads · headDimension]` -> same shape.
    public static func rotate(
        _ x: Tensor, heads: Int, _ runs: [RotationRun], _ positions: [Int32]
    ) throws(TensorError) -> Tensor {
        var parts: [Tensor] = []
        for run in runs {
            let rows = try x.narrow(0, from: run.rows.lowerBound, length: run.rows.count)
            parts.append(try rotate(rows, heads: heads, run.rotation, Array(positions[run.rows])))
        }
        return try Tensor.concatenate(parts, axis: 0)
    }

    private static func rotate(
        _ x: Tensor, heads: Int, _ rotation: Rotation, _ positions: [Int32]
    ) throws(TensorError) -> Tensor {
        let tokens = x.shape[0], dimension = x.shape[1] / heads, turned = rotation.dimension, pairs = turned / 2
        let places = try Tensor(positions.map(Int64.init))
        func table(_ values: Tensor) throws(TensorError) -> Tensor {
            try values.to(.float64).take(rows: places).unsqueeze(1)  // [tokens, 1, pairs]
        }
        let cosine = try table(rotation.cosine), sine = try table(rotation.sine)
        let heads = try x.reshape(tokens, heads, dimension)
        let a: Tensor, b: Tensor  // [tokens, heads, pairs]
        if rotation.interleaved {
            a = try heads.slice(2, to: turned, step: 2)
            b = try heads.slice(2, from: 1, to: turned, step: 2)
        } else {
            a = try heads.slice(2, to: pairs)
            b = try heads.slice(2, from: pairs, to: turned)
        }
        let left = try a * cosine - b * sine, right = try b * cosine + a * sine
        var whole =
            rotation.interleaved
            ? try Tensor.stack([left, right], axis: 3).reshape([tokens, heads.shape[1], turned])
            : try Tensor.concatenate([left, right], axis: 2)
        if turned < dimension { whole = try Tensor.concatenate([whole, heads.slice(2, from: turned)], axis: 2) }
        return try whole.reshape(x.shape)
    }
}
