import CKernels

extension CPU {
    /// Splits `x` into rows of the weight's length, so that heads are normalised separately.
    private static func rows(_ operation: String, _ x: Tensor, _ weight: Tensor) throws(TensorError) -> (Int, Int) {
        let size = weight.elementCount
        guard size > 0, let last = x.shape.last, last % size == 0 else {
            throw TensorError(.shape, operation, "a weight of \(weight.shape) does not fit \(x.shape)")
        }
        return (x.elementCount / size, size)
    }

    static func rmsNorm(
        _ x: Tensor, _ weight: Tensor, offset: Float, epsilon: Float
    ) throws(TensorError) -> Tensor {
        try Fused.check("rmsNorm", x, weight)
        let (count, size) = try rows("rmsNorm", x, weight)
        let result = Tensor(uninitialized: x.shape)
        let source = x.floats, target = result.floats, scale = weight.floats
        let kernel = martlet_kernels_active().pointee.vector.rms_norm
        Fused.forRows(count, width: size) { range in
            let start = range.lowerBound * size
            kernel(source + start, size, scale, offset, epsilon, target + start, size, range.count, size)
        }
        guard Tensor.isRecording(x, weight) else { return result }
        let x0 = x.withoutOrigin, w = weight.withoutOrigin
        let remake = { try rmsNorm(x0, w, offset: offset, epsilon: epsilon) }
        return result.recorded("rmsNorm", [x, weight], saved: [x0, w], remake: remake) { flow in
            let gradient = try flow.contiguousGradient()
            let kernel = martlet_kernels_active().pointee.training.rms_norm_gradient
            try normGradient(flow, x0, w, parts: 1) { range, dx, accumulate, sums in
                let start = range.lowerBound * size
                kernel(
                    x0.floats + start, gradient.floats + start, w.floats, offset, epsilon, dx + start, accumulate,
                    sums, range.count, size)
            }
        }
    }

    static func layerNorm(
        _ x: Tensor, _ weight: Tensor, _ bias: Tensor, epsilon: Float
    ) throws(TensorError) -> Tensor {
        try Fused.check("layerNorm", x, weight, bias)
        let (count, size) = try rows("layerNorm", x, weight)
        let result = Tensor(uninitialized: x.shape)
        let source = x.floats, target = result.floats, scale = weight.floats, shift = bias.floats
        let kernel = martlet_kernels_active().pointee.vector.layer_norm
        Fused.forRows(count, width: size) { range in
            let start = range.lowerBound * size
            kernel(source + start, size, scale, shift, epsilon, target + start, size, range.count, size)
        }
        guard Tensor.isRecording([x, weight, bias]) else { return result }
        let x0 = x.withoutOrigin, w = weight.withoutOrigin, b = bias.withoutOrigin
        let remake = { try layerNorm(x0, w, b, epsilon: epsilon) }
        return result.recorded("layerNorm", [x, weight, bias], saved: [x0, w, b], remake: remake) { flow in
            let gradient = try flow.contiguousGradient()
            let kernel = martlet_kernels_active().pointee.training.layer_norm_gradient
            try normGradient(flow, x0, w, parts: 2) { range, dx, accumulate, sums in
                let start = range.lowerBound * size
                kernel(
                    x0.floats + start, gradient.floats + start, w.floats, epsilon, dx + start, accumulate, sums,
                    sums.map { $0 + size }, range.count, size)
            }
        }
    }

    /// Runs a norm's gradient over chunks of rows; the gradients of weight and bias (`parts` of them) are stored one
    /// after the other in the sums.
    private static func normGradient(
        _ flow: GradientFlow, _ x: Tensor, _ weight: Tensor, parts: Int,
        _ body: (Range<Int>, UnsafeMutablePointer<Float>, Bool, UnsafeMutablePointer<Float>?) -> Void
    ) throws {
        let size = weight.elementCount, count = x.elementCount / size
        let sums = Tensor(uninitialized: [parts, size])
        let wantsSums = (1...parts).contains { flow.needs($0) }
        func run(_ dx: UnsafeMutablePointer<Float>, _ accumulate: Bool) {
            if wantsSums {
                inChunks(count, width: size, parts: parts, into: sums.floats, accumulate: false) { range, partial in
                    body(range, dx, accumulate, partial)
                }
            } else {
                Fused.forRows(count, width: size) { range in body(range, dx, accumulate, nil) }
            }
        }
        if flow.needs(0) {
            try flow.write(0) { destination, accumulate in run(destination.floats, accumulate) }
        } else {
            let unused = Tensor(uninitialized: x.shape)
            run(unused.floats, false)
            withExtendedLifetime(unused) {}
        }
        for part in 0..<parts {
            try flow.give(1 + part, sums.leadingRows(part, count: 1).reshape(weight.shape).copied())
        }
    }
}
