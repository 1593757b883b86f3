/// Optimiser steps as formulas on whole tensors; w is the parameter and g its gradient.
extension Reference {
    /// m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²
    /// w ← w (1 − η λ) − η (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)        (Loshchilov and Hutter 2019)
    public static func adamW(
        _ w: Tensor, gradient: Tensor, mean m: Tensor, square v: Tensor, _ step: OptimizerStep
    ) throws(TensorError) {
        try noGrad { () throws(TensorError) in
            let g = try scaled(gradient, w, step), beta1 = Double(step.beta1), beta2 = Double(step.beta2)
            try m.copy(from: m * beta1 + g * (1 - beta1))
            try v.copy(from: v * beta2 + g.square() * (1 - beta2))
            let mean = try m / Double(step.correction1), square = try v / Double(step.correction2)
            try move(w, along: mean / (square.sqrt() + Double(step.epsilon)), step)
        }
    }

    /// m ← β₁ m + g,  w ← w (1 − η λ) − η m; with Nesterov momentum − η (g + β₁ m) instead.
    public static func sgd(
        _ w: Tensor, gradient: Tensor, momentum m: Tensor?, _ step: OptimizerStep
    ) throws(TensorError) {
        try noGrad { () throws(TensorError) in
            let g = try scaled(gradient, w, step)
            guard let m else { return try move(w, along: g, step) }
            try m.copy(from: m * Double(step.beta1) + g)
            try move(w, along: step.nesterov ? g + m * Double(step.beta1) : m, step)
        }
    }

    /// v ← β₂ v + (1 − β₂) g²,  m ← β₁ m + g / (√v + ε),  w ← w (1 − η λ) − η m
    public static func rmsprop(
        _ w: Tensor, gradient: Tensor, square v: Tensor, momentum m: Tensor?, _ step: OptimizerStep
    ) throws(TensorError) {
        try noGrad { () throws(TensorError) in
            let g = try scaled(gradient, w, step), beta2 = Double(step.beta2)
            try v.copy(from: v * beta2 + g.square() * (1 - beta2))
            let update = try g / (v.sqrt() + Double(step.epsilon))
            guard let m else { return try move(w, along: update, step) }
            try m.copy(from: m * Double(step.beta1) + update)
            try move(w, along: m, step)
        }
    }

    /// w ← w (1 − η λ) − η sign(β₁ m + (1 − β₁) g),  m ← β₂ m + (1 − β₂) g        (Chen et al. 2023)
    public static func lion(
        _ w: Tensor, gradient: Tensor, momentum m: Tensor, _ step: OptimizerStep
    ) throws(TensorError) {
        try noGrad { () throws(TensorError) in
            let g = try scaled(gradient, w, step), beta1 = Double(step.beta1), beta2 = Double(step.beta2)
            try move(w, along: (m * beta1 + g * (1 - beta1)).sign(), step)
            try m.copy(from: m * beta2 + g * (1 - beta2))
        }
    }

    /// m ← β₁ m + (1 − β₁) g; returns the new m, or with Nesterov momentum (1 − β₁) g + β₁ m.
    public static func momentum(
        gradient: Tensor, momentum m: Tensor, _ step: OptimizerStep
    ) throws(TensorError) -> Tensor {
        try noGrad { () throws(TensorError) in
            let beta1 = Double(step.beta1), fresh = try gradient * (Double(step.gradientScale) * (1 - beta1))
            try m.copy(from: m * beta1 + fresh)
            return try step.nesterov ? fresh + m * beta1 : m.copied()
        }
    }

    /// Five steps X ← (a I + b X Xᵀ + c (X Xᵀ)²) X, starting from x / max(‖x‖, ε)        (Jordan et al. 2024)
    public static func orthogonalized(_ given: consuming Tensor, epsilon: Double) throws(TensorError) -> Tensor {
        let (a, b, c) = (3.4445, -4.7750, 2.0315)
        var x = given.withoutOrigin
        x = try x / max(sumOfSquares([x]).squareRoot(), epsilon)  // [n, k]
        for _ in 0..<5 {
            let gram = try x.matmul(x.transposed())  // [n, n]
            x = try x * a + (gram * b + gram.matmul(gram) * c).matmul(x)
        }
        return x
    }

    /// With G = g²:
    ///
    ///     r ← r + share (mean over columns of G − r),   c ← c + share (mean over rows of G − c)
    ///     u = g / √max(r c / max(mean(r), ε₁), ε₁²)
    ///     w ← w keep − max(ε₂, rms(w)) ρ u / max(1, rms(u) / clip)        (Shazeer and Stern 2018)
    ///
    /// A vector has no r; its c has one entry per element.
    public static func adafactor(
        _ w: Tensor, gradient: Tensor, rows r: Tensor?, columns c: Tensor, _ step: AdafactorStep
    ) throws(TensorError) {
        try noGrad { () throws(TensorError) in
            let share = Double(step.share), g = try gradient.detach() * Double(step.gradientScale)
            var estimate: Tensor
            if let r {
                let squares = try g.square().reshape([r.elementCount, c.elementCount])  // [n, k]
                try r.copy(from: r + (squares.mean(axes: [1]) - r) * share)
                try c.copy(from: c + (squares.mean(axes: [0]) - c) * share)
                let mean: Double = try r.mean(axes: []).item()
                estimate = try (r / max(mean, step.epsilon1)).outer(c).reshape(w.shape)
            } else {
                try c.copy(from: c + (g.square() - c) * share)
                estimate = c
            }
            estimate = try estimate.maximum(step.epsilon1 * step.epsilon1)
            let update = try g / estimate.sqrt()
            func rootMeanSquare(_ x: Tensor) throws(TensorError) -> Double {
                try (sumOfSquares([x]) / Double(x.elementCount)).squareRoot()
            }
            let size = try max(step.epsilon2, rootMeanSquare(w)), most = try max(1, rootMeanSquare(update) / step.clip)
            let values = w.withoutOrigin
            try values.copy(from: values * Double(step.keep) - update * (size * step.relativeRate / most))
        }
    }

    /// a ← a + share (b − a)
    public static func moveToward(_ a: Tensor, _ b: Tensor, share: Float) throws(TensorError) {
        let values = a.withoutOrigin
        try values.copy(from: values + (b.withoutOrigin - values) * Double(share))
    }

    public static func exchange(_ a: Tensor, _ b: Tensor) throws(TensorError) {
        let first = try a.withoutOrigin.copied()
        try a.withoutOrigin.copy(from: b.withoutOrigin)
        try b.withoutOrigin.copy(from: first)
    }

    /// Σ x²
    public static func sumOfSquares(_ tensors: [Tensor]) throws(TensorError) -> Double {
        var total = 0.0
        for tensor in tensors { total += try tensor.withoutOrigin.square().sum(axes: []).item(as: Double.self) }
        return total
    }

    /// g ← scale g + coupled w
    private static func scaled(
        _ gradient: Tensor, _ w: Tensor, _ step: OptimizerStep
    ) throws(TensorError) -> Tensor {
        try gradient.detach() * Double(step.gradientScale) + w.withoutOrigin * Double(step.coupledDecay)
    }

    /// w ← w (1 − η λ) − η u
    private static func move(_ w: Tensor, along update: Tensor, _ step: OptimizerStep) throws(TensorError) {
        let rate = Double(step.learningRate), values = w.withoutOrigin
        try values.copy(from: values * (1 - rate * Double(step.weightDecay)) - update * rate)
    }
}
