import CKernels

extension CPU {
    static func rotate(
        _ x: Tensor, heads: Int, _ runs: [RotationRun], _ positions: [Int32]
    ) throws(TensorError) -> Tensor {
        try Fused.check("rotate", x)
        guard x.rank == 2, x.shape[0] == positions.count, x.shape[1] % heads == 0 else {
            throw TensorError(.shape, "rotate", "\(positions.count) positions of \(heads) heads do not fit \(x.shape)")
        }
        for run in runs {
            try Fused.check("rotate", run.rotation.cosine, run.rotation.sine)
            let limit = run.rotation.cosine.shape[0]
            guard positions[run.rows].allSatisfy({ (0..<limit).contains(Int($0)) }) else {
                throw TensorError(.index, "rotate", "a position is outside the table of \(limit)")
            }
        }
        let result = try x.takenOver("rotate")
        for run in runs { turn(result, heads, run, positions, run.rotation.sine) }
        guard Tensor.isRecording(x) else { return result }
        return result.recorded("rotate", [x]) { flow in
            let gradient = try flow.gradient.copied()
            OperationSpan.count(bytes: 2 * gradient.elementBytes)
            // The gradient: the rotation by the negative angle.
            for run in runs { turn(gradient, heads, run, positions, try run.rotation.sine.negative()) }
            try flow.give(0, gradient)
        }
    }

    private static func turn(
        _ x: Tensor, _ heads: Int, _ run: RotationRun, _ positions: [Int32], _ sineTable: Tensor
    ) {
        let rotation = run.rotation, first = run.rows.lowerBound
        let width = x.shape[1], values = x.floats + first * width
        let cosine = rotation.cosine.floats, sine = sineTable.floats
        let vector = martlet_kernels_active().pointee.vector
        let kernel = rotation.interleaved ? vector.rope_interleaved : vector.rope_half_split
        positions.withUnsafeBufferPointer { positions in
            guard let positions = positions.baseAddress else { return }
            Fused.forRows(run.rows.count, width: width) { range in
                kernel(
                    values + range.lowerBound * width, width, range.count, heads, width / heads, rotation.dimension,
                    cosine, sine, positions + first + range.lowerBound)
            }
        }
        withExtendedLifetime((rotation, sineTable)) {}
    }
}
