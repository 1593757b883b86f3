extension Reference {
    /// z = (x Wᵀ + b) / temperature;
    ///     L = Σ over rows of weight · (lse(z) − (1 − s) z[target] − s mean(z) + zLoss lse(z)²) / divisor
    ///
    /// x `[tokens, hidden]`, W `[vocabulary, hidden]` -> a scalar. Rows whose target is ignored do not count.
    public static func crossEntropy(
        _ x: Tensor, _ weight: any WeightMatrix, _ bias: Tensor? = nil, targets: [Int32],
        rowWeights: [Float]? = nil, divisor: Double, _ options: CrossEntropyOptions = .init()
    ) throws(TensorError) -> Tensor {
        let trained = try rows(targets, options, x, weight)
        let z = try logits(x, weight, bias, trained, options)  // [trained, vocabulary]
        let partition = try z.logSumExp(axes: [1])  // [trained]
        let wanted = try chosen(z, trained, targets)  // [trained]
        let smoothing = Double(options.smoothing)
        var losses = try partition - wanted * (1 - smoothing) - z.mean(axes: [1]) * smoothing
        losses = try losses + partition.square() * Double(options.zLoss)
        if let rowWeights { losses = try losses * Tensor(trained.map { Double(rowWeights[$0]) }) }
        return try losses.sum(axes: []) / divisor
    }

    /// z[target] − lse(z) for every row, 0 where the target is ignored: `[tokens]`.
    public static func logProbabilities(
        _ x: Tensor, _ weight: any WeightMatrix, _ bias: Tensor? = nil, targets: [Int32],
        _ options: CrossEntropyOptions = .init()
    ) throws(TensorError) -> Tensor {
        let trained = try rows(targets, options, x, weight)
        let z = try logits(x, weight, bias, trained, options)  // [trained, vocabulary]
        let found = try chosen(z, trained, targets) - z.logSumExp(axes: [1])  // [trained]
        let zeros = try Tensor.zeros([targets.count], dtype: .float64)
        return try zeros.indexAdd(0, Tensor(trained.map(Int64.init)), found)
    }

    /// The indices of the rows that have a target.
    private static func rows(
        _ targets: [Int32], _ options: CrossEntropyOptions, _ x: Tensor, _ weight: any WeightMatrix
    ) throws(TensorError) -> [Int] {
        guard targets.count == x.shape.first else {
            throw TensorError(.shape, "crossEntropy", "\(targets.count) targets do not fit \(x.shape)")
        }
        let vocabulary = weight.shape[0]
        for (row, target) in targets.enumerated()
        where target != options.ignored && !(0..<vocabulary).contains(Int(target)) {
            throw TensorError(
                .index, "crossEntropy", "target \(target) of row \(row) is outside the \(vocabulary) logits")
        }
        return targets.indices.filter { targets[$0] != options.ignored }
    }

    private static func logits(
        _ x: Tensor, _ weight: any WeightMatrix, _ bias: Tensor?, _ rows: [Int], _ options: CrossEntropyOptions
    ) throws(TensorError) -> Tensor {
        var z = try linear(x.take(rows: Tensor(rows.map(Int64.init))), weight, bias: bias)
        if let cap = options.softCap { z = try softCap(z, cap) }
        return options.temperature == 1 ? z : try z / Double(options.temperature)
    }

    /// z[row, target of the row] for every row that has one.
    private static func chosen(_ z: Tensor, _ rows: [Int], _ targets: [Int32]) throws(TensorError) -> Tensor {
        let columns = try Tensor(rows.map { Int64(targets[$0]) }, shape: [rows.count, 1])
        return try z.gather(1, columns).reshape([rows.count])
    }
}
