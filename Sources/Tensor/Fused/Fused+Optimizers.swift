/// Optimiser steps, each in one pass over memory. They update the parameter w and its optimiser state in place; g is
/// the gradient. All tensors are contiguous, of one type and of w's shape; nothing is recorded on the tape.
extension Fused {
    /// AdamW:
    ///     g ← g + coupled w,  m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²
    ///     w ← w (1 − η λ) − η (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε)
    public static func adamW(
        _ w: Tensor, gradient g: Tensor, mean m: Tensor, square v: Tensor, _ step: OptimizerStep
    ) throws(TensorError) {
        try checkStep("adamW", gradient: g, changing: w, m, v)
        try backend(of: w).adamW(w, gradient: g, mean: m, square: v, step)
    }

    /// `adamW` with moments in 8 bits: they are decoded, averaged, used for the step as they are, and encoded again.
    /// - Throws: `TensorError` also where the moments do not fit the parameter.
    public static func blockwiseAdamW(
        _ w: Tensor, gradient g: Tensor, mean m: BlockwiseMoment, square v: BlockwiseMoment, _ step: OptimizerStep
    ) throws(TensorError) {
        try checkStep("blockwiseAdamW", gradient: g, changing: w)
        let blocks = BlockwiseMoment.blockCount(w.elementCount)
        for moment in [m, v] {
            guard moment.codes.dtype == .uint8, moment.codes.elementCount == w.elementCount,
                moment.scales.elementCount == blocks, moment.codes.isContiguous
            else {
                throw TensorError(
                    .shape, "blockwiseAdamW",
                    "a moment of \(moment.codes.dtype.name) \(moment.codes.shape) with \(moment.scales.elementCount) "
                        + "scales does not fit \(w.shape) in blocks of \(BlockwiseMoment.blockLength)")
            }
            try checkStep("blockwiseAdamW", gradient: moment.scales, changing: moment.scales)
            moment.codes.storage.version += 1
        }
        try backend(of: w).blockwiseAdamW(w, gradient: g, mean: m, square: v, step)
    }

    /// SGD: g ← g + coupled w,  m ← β₁ m + g,  w ← w (1 − η λ) − η m; with Nesterov − η (g + β₁ m), without m − η g.
    public static func sgd(
        _ w: Tensor, gradient g: Tensor, momentum m: Tensor?, _ step: OptimizerStep
    ) throws(TensorError) {
        try checkStep("sgd", gradient: g, changing: w, m)
        try backend(of: w).sgd(w, gradient: g, momentum: m, step)
    }

    /// RMSprop: g ← g + coupled w,  v ← β₂ v + (1 − β₂) g²,  m ← β₁ m + g / (√v + ε),  w ← w (1 − η λ) − η m
    public static func rmsprop(
        _ w: Tensor, gradient g: Tensor, square v: Tensor, momentum m: Tensor?, _ step: OptimizerStep
    ) throws(TensorError) {
        try checkStep("rmsprop", gradient: g, changing: w, v, m)
        try backend(of: w).rmsprop(w, gradient: g, square: v, momentum: m, step)
    }

    /// Lion: w ← w (1 − η λ) − η sign(β₁ m + (1 − β₁) g),  m ← β₂ m + (1 − β₂) g
    public static func lion(
        _ w: Tensor, gradient g: Tensor, momentum m: Tensor, _ step: OptimizerStep
    ) throws(TensorError) {
        try checkStep("lion", gradient: g, changing: w, m)
        try backend(of: w).lion(w, gradient: g, momentum: m, step)
    }

    /// m ← β₁ m + (1 − β₁) g. Returns a new tensor: m, or with Nesterov momentum (1 − β₁) g + β₁ m.
    public static func momentum(
        gradient g: Tensor, momentum m: Tensor, _ step: OptimizerStep
    ) throws(TensorError) -> Tensor {
        try checkStep("momentum", gradient: g, changing: m)
        return try backend(of: g).momentum(gradient: g, momentum: m, step)
    }

    /// Approximates the orthogonal matrix nearest to x `[n, k]`: five Newton-Schulz steps X ← (a I + b X Xᵀ + c (X
    /// Xᵀ)²) X from x / max(‖x‖, ε), which bring every singular value near 1 (Muon, Jordan et al. 2024). x is consumed.
    public static func orthogonalized(_ given: consuming Tensor, epsilon: Double) throws(TensorError) -> Tensor {
        let x = given
        guard x.rank == 2 else { throw TensorError(.shape, "orthogonalized", "\(x.shape) is not a matrix") }
        try checkStep("orthogonalized", gradient: x, changing: x)
        return try backend(of: x).orthogonalized(x, epsilon: epsilon)
    }

    /// One step of Adafactor (Shazeer and Stern 2018); for the formula see the optimiser `Adafactor`.
    /// - Parameters:
    ///   - rows: for a matrix `[n, k]` its n row moments; nil for a vector.
    ///   - columns: the k column moments, or a vector's whole second moment.
    public static func adafactor(
        _ w: Tensor, gradient g: Tensor, rows: Tensor?, columns: Tensor, _ step: AdafactorStep
    ) throws(TensorError) {
        try checkStep("adafactor", gradient: g, changing: w)
        let height = rows?.elementCount ?? 1
        guard w.elementCount == height * columns.elementCount, rows == nil || w.shape.first == height else {
            throw TensorError(
                .shape, "adafactor",
                "moments of \(rows?.shape ?? []) rows and \(columns.shape) columns do not fit \(w.shape)")
        }
        for moments in [rows, columns] {
            if let moments { try checkStep("adafactor", gradient: moments, changing: moments) }
        }
        guard w.elementCount > 0 else { return }
        try backend(of: w).adafactor(w, gradient: g, rows: rows, columns: columns, step)
    }

    /// a ← a + share (b − a).
    public static func moveToward(_ a: Tensor, _ b: Tensor, share: Float) throws(TensorError) {
        try checkStep("moveToward", gradient: b, changing: a)
        try backend(of: a).moveToward(a, b, share: share)
    }

    /// Swaps the elements of a and b.
    public static func exchange(_ a: Tensor, _ b: Tensor) throws(TensorError) {
        try checkStep("exchange", gradient: b, changing: a, b)
        try backend(of: a).exchange(a, b)
    }

    /// Σ x² over all elements of contiguous tensors, in an order that does not depend on the number of threads.
    public static func sumOfSquares(_ tensors: [Tensor]) throws(TensorError) -> Double {
        guard let first = tensors.first else { return 0 }
        for tensor in tensors {
            OperationSpan.count(bytes: tensor.elementBytes)
            guard tensor.dtype == first.dtype, tensor.isContiguous else {
                throw TensorError(.dtype, "sumOfSquares", "needs contiguous tensors of one type")
            }
        }
        return try backend(of: first).sumOfSquares(tensors)
    }

    /// Checks that the tensors fit each other and that those which are updated are writable, and counts them as
    /// changed.
    private static func checkStep(
        _ operation: String, gradient: Tensor, changing tensors: Tensor?...
    ) throws(TensorError) {
        for case let tensor? in tensors {
            guard tensor.dtype == gradient.dtype, tensor.isContiguous, gradient.isContiguous,
                tensor.dtype == .float32 || tensor.dtype == .float64
            else {
                throw TensorError(
                    .dtype, operation,
                    "needs contiguous F32, or F64, got \(tensor.isContiguous ? "" : "strided ")\(tensor.dtype.name) "
                        + "and a gradient of \(gradient.isContiguous ? "" : "strided ")\(gradient.dtype.name)")
            }
            guard tensor.elementCount == gradient.elementCount else {
                throw TensorError(.shape, operation, "\(gradient.shape) does not fit \(tensor.shape)")
            }
            guard !tensor.storage.isReadOnly else {
                throw TensorError(
                    .storage, operation, "tensor of shape \(tensor.shape) lies in read-only storage; copy it first")
            }
            tensor.storage.version += 1
        }
    }
}
