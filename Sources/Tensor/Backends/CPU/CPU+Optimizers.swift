import CKernels

extension CPU {
    static func adamW(
        _ w: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, _ step: OptimizerStep
    ) throws(TensorError) {
        let kernel = martlet_kernels_active().pointee.training.adamw, numbers = martlet_optimizer_step(step)
        let (w, g, m, v) = (w.floats, gradient.floats, mean.floats, square.floats)
        Fused.forRows(gradient.elementCount, width: 1) { range in
            let start = range.lowerBound
            withUnsafePointer(to: numbers) { kernel(w + start, g + start, m + start, v + start, $0, range.count) }
        }
    }

    static func sgd(
        _ w: Tensor, gradient: Tensor, momentum: Tensor?, _ step: OptimizerStep
    ) throws(TensorError) {
        let kernel = martlet_kernels_active().pointee.training.sgd, numbers = martlet_optimizer_step(step)
        let (w, g, m) = (w.floats, gradient.floats, momentum?.floats)
        Fused.forRows(gradient.elementCount, width: 1) { range in
            let start = range.lowerBound
            withUnsafePointer(to: numbers) { kernel(w + start, g + start, m.map { $0 + start }, $0, range.count) }
        }
    }

    static func rmsprop(
        _ w: Tensor, gradient: Tensor, square: Tensor, momentum: Tensor?, _ step: OptimizerStep
    ) throws(TensorError) {
        let kernel = martlet_kernels_active().pointee.training.rmsprop, numbers = martlet_optimizer_step(step)
        let (w, g, v, m) = (w.floats, gradient.floats, square.floats, momentum?.floats)
        Fused.forRows(gradient.elementCount, width: 1) { range in
            let start = range.lowerBound
            withUnsafePointer(to: numbers) {
                kernel(w + start, g + start, v + start, m.map { $0 + start }, $0, range.count)
            }
        }
    }

    static func lion(
        _ w: Tensor, gradient: Tensor, momentum: Tensor, _ step: OptimizerStep
    ) throws(TensorError) {
        let kernel = martlet_kernels_active().pointee.training.lion, numbers = martlet_optimizer_step(step)
        let (w, g, m) = (w.floats, gradient.floats, momentum.floats)
        Fused.forRows(gradient.elementCount, width: 1) { range in
            let start = range.lowerBound
            withUnsafePointer(to: numbers) { kernel(w + start, g + start, m + start, $0, range.count) }
        }
    }

    static func momentum(
        gradient: Tensor, momentum: Tensor, _ step: OptimizerStep
    ) throws(TensorError) -> Tensor {
        let kernel = martlet_kernels_active().pointee.training.momentum, numbers = martlet_optimizer_step(step)
        let update = Tensor(uninitialized: gradient.shape)
        let (g, m, u) = (gradient.floats, momentum.floats, update.floats)
        Fused.forRows(gradient.elementCount, width: 1) { range in
            let start = range.lowerBound
            withUnsafePointer(to: numbers) { kernel(g + start, m + start, u + start, $0, range.count) }
        }
        return update
    }

    /// Uses the smaller of the two Gram matrices, X Xᵀ or Xᵀ X.
    static func orthogonalized(_ given: consuming Tensor, epsilon: Double) throws(TensorError) -> Tensor {
        let (a, b, c) = (Float(3.4445), Float(-4.7750), Float(2.0315))
        var x = given
        let height = x.shape[0], width = x.shape[1], side = min(height, width), isTall = height > width
        let scale = Float(1 / max(sumOfSquares([x]).squareRoot(), epsilon))
        let values = x.floats
        Fused.forRows(x.elementCount, width: 1) { range in for i in range { values[i] *= scale } }
        let gram = Tensor(uninitialized: [side, side]), squared = Tensor(uninitialized: [side, side])
        var other = Tensor(uninitialized: x.shape)
        for _ in 0..<5 {
            if isTall {
                outer(x, x, into: gram, accumulate: false)
            } else {
                product(x, x, transposed: true, into: gram, accumulate: false)
            }
            product(gram, gram, transposed: false, into: squared, accumulate: false)
            // a I + b G + c G²
            let g = gram.floats, s = squared.floats
            Fused.forRows(side, width: side) { range in
                for row in range {
                    for i in row * side..<(row + 1) * side { s[i] = b * g[i] + c * s[i] }
                    s[row * side + row] += a
                }
            }
            if isTall {
                product(x, squared, transposed: false, into: other, accumulate: false)
            } else {
                product(squared, x, transposed: false, into: other, accumulate: false)
            }
            swap(&x, &other)
        }
        return x
    }

    static func moveToward(_ a: Tensor, _ b: Tensor, share: Float) throws(TensorError) {
        let kernel = martlet_kernels_active().pointee.training.move_toward
        let (target, source) = (a.floats, b.floats)
        Fused.forRows(a.elementCount, width: 1) { range in
            kernel(target + range.lowerBound, source + range.lowerBound, share, range.count)
        }
    }

    static func exchange(_ a: Tensor, _ b: Tensor) throws(TensorError) {
        let (left, right) = (a.floats, b.floats)
        Fused.forRows(a.elementCount, width: 1) { range in
            for i in range { (left[i], right[i]) = (right[i], left[i]) }
        }
    }

    /// In chunks of fixed size, whose sums are added in order in double precision.
    static func sumOfSquares(_ tensors: [Tensor]) -> Double {
        var pieces: [(UnsafePointer<Float>, Int)] = []
        for tensor in tensors {
            for start in stride(from: 0, to: tensor.elementCount, by: 1 << 15) {
                pieces.append((UnsafePointer(tensor.floats) + start, min(1 << 15, tensor.elementCount - start)))
            }
        }
        let sums = Tensor(uninitialized: [pieces.count]), target = sums.floats
        let kernel = martlet_kernels_active().pointee.vector.sum_of_squares
        ThreadPool.shared.run(pieces.count) { index in target[index] = kernel(pieces[index].0, pieces[index].1) }
        var total = 0.0
        for index in pieces.indices { total += Double(target[index]) }
        withExtendedLifetime((tensors, sums)) {}
        return total
    }
}

extension martlet_optimizer_step {
    fileprivate init(_ step: OptimizerStep) {
        self.init(
            learning_rate: step.learningRate, beta1: step.beta1, beta2: step.beta2, epsilon: step.epsilon,
            weight_decay: step.weightDecay, coupled_decay: step.coupledDecay, correction1: step.correction1,
            correction2: step.correction2, gradient_scale: step.gradientScale, nesterov: step.nesterov)
    }
}
