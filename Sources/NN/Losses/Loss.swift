import MartletTensor

/// Losses composed of plain operations, for any floating-point type, with gradients for all operands that require them.
/// For a language model's loss over a large vocabulary use `Fused.crossEntropy`, which never holds all logits.
public enum Loss {
    /// How the losses of the elements are reduced.
    public enum Reduction: Sendable, CaseIterable { case mean, sum, none }

    /// Cross-entropy. For each row of logits z with target t, p = softmax(z):
    ///
    ///     −(1 − s) w[t] log p[t] − s Σ w log p / classes + zLoss · log(Σ eᶻ)²
    ///
    /// - Parameters:
    ///   - logits: `[rows, classes]`.
    ///   - targets: one class per row; rows with target `options.ignored` do not contribute.
    ///   - classWeights: w, `[classes]`; 1 by default.
    /// - Returns: a scalar, or `[rows]` (0 where ignored) without reduction. As in PyTorch, the mean divides by the
    ///   sum of the weights of the counted targets; it is NaN if there is none.
    /// - Throws: `TensorError` with the row whose target is not a class.
    public static func crossEntropy(
        _ logits: Tensor, targets: [Int32], classWeights: Tensor? = nil, _ options: CrossEntropyOptions = .init(),
        reduction: Reduction = .mean
    ) throws(TensorError) -> Tensor {
        guard logits.rank == 2, logits.shape[0] == targets.count else {
            throw TensorError(.shape, "crossEntropy", "\(targets.count) targets do not fit logits \(logits.shape)")
        }
        let classes = logits.shape[1]
        for (row, target) in targets.enumerated()
        where target != options.ignored && !(0..<classes).contains(Int(target)) {
            throw TensorError(.index, "crossEntropy", "target \(target) of row \(row) is none of \(classes) classes")
        }
        if let classWeights, classWeights.shape != [classes] {
            throw TensorError(.shape, "crossEntropy", "weights \(classWeights.shape) do not fit \(classes) classes")
        }
        let isTrained = try Tensor(targets.map { $0 == options.ignored ? 0.0 : 1 }).to(logits.dtype)
        let places = try Tensor(targets.map { Int64($0 == options.ignored ? 0 : $0) })
        var z = logits
        if let cap = options.softCap { z = try (z / Double(cap)).tanh() * Double(cap) }
        let logP = try z.logSoftmax(axis: 1)  // [rows, classes]
        let picked = try logP.gather(1, places.unsqueeze(1)).squeeze(1)  // [rows]
        let factors = try classWeights.map { weights throws(TensorError) in try weights.indexSelect(0, places) }
        var losses = try factors.map { factors throws(TensorError) in try picked * factors } ?? picked
        losses = try losses * -(1 - Double(options.smoothing))
        if options.smoothing > 0 {
            let weighted = try classWeights.map { weights throws(TensorError) in try logP * weights } ?? logP
            losses = try losses - weighted.sum(axes: [1]) * (Double(options.smoothing) / Double(classes))
        }
        if options.zLoss > 0 {
            losses = try losses + z.logSumExp(axes: [1]).square() * Double(options.zLoss)
        }
        losses = try losses * isTrained  // [rows]
        switch reduction {
        case .none: return losses
        case .sum: return try losses.sum()
        case .mean:
            let counted = try factors.map { factors throws(TensorError) in try factors * isTrained } ?? isTrained
            return try losses.sum() / counted.sum()
        }
    }

    /// Binary cross-entropy: −t log σ(z) − (1 − t) log(1 − σ(z)), computed from |z| so that nothing overflows; the
    /// first term is multiplied by `positiveWeight`.
    /// - Parameters:
    ///   - logits: z.
    ///   - targets: t, probabilities from 0 to 1, of the same shape.
    public static func binaryCrossEntropy(
        _ logits: Tensor, targets: Tensor, positiveWeight: Double = 1, reduction: Reduction = .mean
    ) throws(TensorError) -> Tensor {
        try check("binaryCrossEntropy", logits, targets)
        let tail = try logits.abs().negative().exp().log1p()
        if positiveWeight == 1 {
            return try reduced(logits.maximum(0) - logits * targets + tail, reduction)
        }
        // (1 − t) z + (1 + (w − 1) t) log(1 + e^−z)
        let factor = try targets * (positiveWeight - 1) + 1
        let softplus = try tail + logits.negative().maximum(0)
        return try reduced((1 - targets) * logits + factor * softplus, reduction)
    }

    /// Mean squared error: (x − y)²
    public static func meanSquaredError(
        _ x: Tensor, targets: Tensor, reduction: Reduction = .mean
    ) throws(TensorError) -> Tensor {
        try check("meanSquaredError", x, targets)
        return try reduced((x - targets).square(), reduction)
    }

    /// Kullback-Leibler divergence of log-probabilities q from a distribution p: Σ p (log p − q), 0 where p is 0.
    ///
    /// The mean divides by the first extent, which gives the mean divergence over a batch of distributions (PyTorch's
    /// `batchmean`).
    public static func divergence(
        logProbabilities q: Tensor, from p: Tensor, reduction: Reduction = .mean
    ) throws(TensorError) -> Tensor {
        try check("divergence", q, p)
        let isPositive = try p .> 0
        let entropy = try p * Tensor.where(isPositive, p, 1.0).log()
        let losses = try entropy - p * q
        guard reduction == .mean, let count = q.shape.first else { return try reduced(losses, reduction) }
        return try losses.sum() / Double(count)
    }

    private static func reduced(_ losses: Tensor, _ reduction: Reduction) throws(TensorError) -> Tensor {
        switch reduction {
        case .none: losses
        case .sum: try losses.sum()
        case .mean: try losses.mean()
        }
    }

    private static func check(_ operation: String, _ x: Tensor, _ targets: Tensor) throws(TensorError) {
        guard x.shape == targets.shape else {
            throw TensorError(.shape, operation, "targets \(targets.shape) do not fit \(x.shape)")
        }
        guard x.dtype.isFloatingPoint, targets.dtype.isFloatingPoint else {
            throw TensorError(
                .dtype, operation, "needs floating-point numbers, got \(x.dtype.name), \(targets.dtype.name)")
        }
    }
}
