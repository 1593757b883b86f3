import CKernels

extension CPU {
    static func crossEntropy(
        _ x: Tensor, _ weight: any WeightMatrix, _ bias: Tensor?, targets: [Int32], rowWeights: [Float]?,
        divisor: Double, _ options: CrossEntropyOptions
    ) throws(TensorError) -> Tensor {
        let loss = try LogitLoss(x, weight, bias, targets: targets, options)
        guard divisor > 0 else {
            throw TensorError(.argument, "crossEntropy", "the divisor \(divisor) is not positive")
        }
        if let rowWeights, rowWeights.count != targets.count {
            throw TensorError(.shape, "crossEntropy", "\(rowWeights.count) weights do not fit \(targets.count) rows")
        }
        let records = Tensor.isRecording([x, weight.dense, bias])
        let wantsX = records && x.requiresGrad, wantsWeight = records && weight.isTrained
        let dx = wantsX ? Tensor(uninitialized: loss.x.shape) : nil
        let dw = wantsWeight ? Tensor(uninitialized: weight.shape) : nil
        let db = records && bias?.requiresGrad ?? false ? Tensor(uninitialized: [weight.shape[0]]) : nil
        var total = 0.0, isFirst = true
        for rows in loss.blocks {
            let logits = try loss.logits(rows)
            let slope = loss.cap(logits, keepsSlope: records)
            total += loss.reduce(logits, rows, gradient: records) { row in
                let factor = rowWeights.map { Double($0[loss.origin(row)]) } ?? 1
                return (factor, Float(factor / divisor) * loss.sharpness)
            }
            guard records else { continue }
            if let slope { multiply(slope, into: logits) }
            if let dx {
                let part = dx.leadingRows(rows.lowerBound, count: rows.count)
                try product(logits, weight, transposed: false, into: part, accumulate: false)
            }
            if let dw {
                outer(logits, loss.x.leadingRows(rows.lowerBound, count: rows.count), into: dw, accumulate: !isFirst)
            }
            if let db { sumRows(logits, into: db, accumulate: !isFirst) }
            isFirst = false
        }
        if isFirst { for empty in [dw, db] { try empty?.fill(0) } }
        let gradients = [try dx.map(loss.spread), dw, db]
        let result = Tensor(Float(total / divisor), dtype: .float32)
        guard records else { return result }
        return result.recorded("crossEntropy", [x, weight.dense, bias]) { flow in
            let upstream: Float = try flow.gradient.item()
            for (index, gradient) in gradients.enumerated() {
                guard let gradient else { continue }
                try flow.give(index, upstream == 1 && flow.isLast ? gradient : gradient * Double(upstream))
            }
        }
    }

    static func logProbabilities(
        _ x: Tensor, _ weight: any WeightMatrix, _ bias: Tensor?, targets: [Int32], _ options: CrossEntropyOptions
    ) throws(TensorError) -> Tensor {
        let loss = try LogitLoss(x, weight, bias, targets: targets, options)
        let found = Tensor(uninitialized: [loss.targets.count, 1])
        let records = Tensor.isRecording([x, weight.dense, bias])
        let isFrozen = !weight.isNoted && !(bias?.requiresGrad ?? false)
        // With a frozen head, d log p / dx of every row is computed while its logits are there; the gradient is a factor
        // on it.
        let slopes = records && isFrozen ? Tensor(uninitialized: loss.x.shape) : nil
        for rows in loss.blocks {
            let logits = try loss.logits(rows)
            let slope = loss.cap(logits, keepsSlope: slopes != nil)
            loss.logProbabilities(logits, rows, into: found.floats, gradient: slopes != nil)
            guard let slopes else { continue }
            if let slope { multiply(slope, into: logits) }
            let part = slopes.leadingRows(rows.lowerBound, count: rows.count)
            try product(logits, weight, transposed: false, into: part, accumulate: false)
        }
        let result = try loss.spread(found).reshape([targets.count])
        guard records else { return result }
        if let slopes {
            return result.recorded("logProbabilities", [x], saved: [slopes]) { flow in
                let factors = try flow.contiguousGradient()
                let dx = try loss.spread(slopes) * factors.reshape(factors.elementCount, 1)
                try flow.give(0, dx)
            }
        }
        let x0 = x.withoutOrigin, weight0 = weight.untracked, bias0 = bias?.withoutOrigin
        let saved = [x0] + weight0.storedTensors + [bias0].compactMap { $0 }
        return result.recorded("logProbabilities", [x, weight.dense, bias], saved: saved) { flow in
            let upstream = try flow.contiguousGradient()
            let loss = try LogitLoss(x0, weight0, bias0, targets: targets, options)
            let dx = Tensor(uninitialized: loss.x.shape)
            for input in 1...2 {
                try flow.write(input) { destination, accumulate in if !accumulate { try destination.fill(0) } }
            }
            for rows in loss.blocks {
                let logits = try loss.logits(rows)
                let slope = loss.cap(logits, keepsSlope: true)
                _ = loss.reduce(logits, rows, gradient: true) { row in
                    (0, -upstream.floats[loss.origin(row)] * loss.sharpness)
                }
                if let slope { multiply(slope, into: logits) }
                let part = dx.leadingRows(rows.lowerBound, count: rows.count)
                try product(logits, weight0, transposed: false, into: part, accumulate: false)
                try flow.write(1) { destination, _ in
                    outer(
                        logits, loss.x.leadingRows(rows.lowerBound, count: rows.count), into: destination,
                        accumulate: true)
                }
                try flow.write(2) { destination, _ in sumRows(logits, into: destination, accumulate: true) }
            }
            try flow.give(0, loss.spread(dx))
        }
    }

    private static func multiply(_ y: Tensor, into x: Tensor) {
        let target = x.floats, source = y.floats, kernel = martlet_kernels_active().pointee.vector.multiply
        Fused.forRows(x.elementCount, width: 1) { range in
            let start = range.lowerBound
            kernel(target + start, source + start, target + start, range.count)
        }
    }

    /// The head applied to the hidden states that have a target, one block of rows at a time.
    private struct LogitLoss {
        /// `[trained, hidden]`, and their targets.
        let x: Tensor
        let weight: any WeightMatrix
        let bias: Tensor?
        let targets: [Int32]
        let options: CrossEntropyOptions
        /// The original indices of the trained rows; nil where all rows are trained.
        private let kept: [Int]?
        private let count: Int
        var vocabulary: Int { weight.shape[0] }
        /// 1 / temperature: the factor on logits, and on their gradients.
        var sharpness: Float { options.temperature == 1 ? 1 : 1 / options.temperature }

        init(
            _ x: Tensor, _ weight: any WeightMatrix, _ bias: Tensor?, targets: [Int32],
            _ options: CrossEntropyOptions
        ) throws(TensorError) {
            try Fused.check("crossEntropy", x)
            if let bias { try Fused.check("crossEntropy", bias) }
            try CPU.checkWeight("crossEntropy", weight)
            guard options.temperature > 0, options.temperature.isFinite else {
                throw TensorError(
                    .argument, "crossEntropy", "the temperature \(options.temperature) is not above 0")
            }
            guard x.rank == 2, weight.shape[1] == x.shape[1], targets.count == x.shape[0] else {
                throw TensorError(
                    .shape, "crossEntropy",
                    "\(targets.count) targets, hidden states \(x.shape) and a head of \(weight.shape) do not fit")
            }
            for (row, target) in targets.enumerated()
            where target != options.ignored && !(0..<weight.shape[0]).contains(Int(target)) {
                throw TensorError(
                    .index, "crossEntropy", "target \(target) of row \(row) is outside the \(weight.shape[0]) logits")
            }
            self.weight = weight.untracked
            self.bias = bias?.withoutOrigin
            self.options = options
            count = targets.count
            let kept = targets.indices.filter { targets[$0] != options.ignored }
            guard kept.count < targets.count else {
                (self.x, self.targets, self.kept) = (x.withoutOrigin, targets, nil)
                return
            }
            let width = x.shape[1]
            let rows = Tensor(uninitialized: [kept.count, width])
            let source = x.floats, destination = rows.floats
            Fused.forRows(kept.count, width: width) { range in
                for row in range { (destination + row * width).update(from: source + kept[row] * width, count: width) }
            }
            (self.x, self.targets, self.kept) = (rows, kept.map { targets[$0] }, kept)
        }

        /// The index of a trained row in the original hidden states.
        func origin(_ row: Int) -> Int { kept?[row] ?? row }

        /// Scatters rows `[trained, width]` to their original indices, `[count, width]`; the other rows are zero.
        func spread(_ rows: Tensor) throws(TensorError) -> Tensor {
            guard let kept else { return rows }
            let width = rows.shape[1]
            let result = try Tensor.zeros([count, width])
            let source = rows.floats, destination = result.floats
            Fused.forRows(kept.count, width: width) { range in
                for row in range { (destination + kept[row] * width).update(from: source + row * width, count: width) }
            }
            return result
        }

        /// Ranges of trained rows of about equal length, so that one buffer serves all.
        var blocks: [Range<Int>] {
            let most = Fused.logitRows(vocabulary: vocabulary)
            let count = max(1, (targets.count + most - 1) / most)
            let size = max(1, ((targets.count + count - 1) / count + 7) / 8 * 8)
            return stride(from: 0, to: targets.count, by: size).map { $0..<min($0 + size, targets.count) }
        }

        func logits(_ rows: Range<Int>) throws(TensorError) -> Tensor {
            let result = Tensor(uninitialized: [rows.count, vocabulary])
            // The logits are written once, turned into their gradient in place, and read by two products.
            OperationSpan.count(bytes: 5 * result.elementBytes)
            try CPU.product(
                x.leadingRows(rows.lowerBound, count: rows.count), weight, transposed: true, into: result,
                accumulate: false)
            if let bias { try Fused.addRow(bias, to: result) }
            return result
        }

        /// Applies the soft cap and the temperature in place; returns the derivative of the cap, 1 - (z / cap)², if
        /// `keepsSlope`.
        func cap(_ logits: Tensor, keepsSlope: Bool) -> Tensor? {
            defer {
                if sharpness != 1 {
                    let values = logits.floats, sharpness = sharpness
                    Fused.forRows(logits.elementCount, width: 1) { range in
                        for index in range { values[index] *= sharpness }
                    }
                }
            }
            guard let cap = options.softCap else { return nil }
            let slope = Tensor(uninitialized: keepsSlope ? logits.shape : [0])
            let kernel = martlet_kernels_active().pointee.vector.soft_cap
            let values = logits.floats, slopes = slope.floats
            Fused.forRows(logits.elementCount, width: 1) { range in
                kernel(values + range.lowerBound, cap, values + range.lowerBound, range.count)
                guard keepsSlope else { return }
                for index in range {
                    let ratio = values[index] / cap
                    slopes[index] = 1 - ratio * ratio
                }
            }
            return keepsSlope ? slope : nil
        }

        /// The weighted sum of the rows' losses. With `gradient`, the logits are overwritten by their gradient.
        /// `factor` returns a row's weight in the sum and in the gradient.
        func reduce(
            _ logits: Tensor, _ rows: Range<Int>, gradient: Bool, _ factor: (Int) -> (Double, Float)
        ) -> Double {
            let kernels = martlet_kernels_active()
            let kernel = kernels.pointee.training.cross_entropy, sum = kernels.pointee.vector.sum
            let values = logits.floats, vocabulary = vocabulary
            let losses = Tensor(uninitialized: [rows.count], dtype: .float64)
            let perRow = losses.pointer.assumingMemoryBound(to: Double.self)
            Fused.forRows(rows.count, width: vocabulary) { range in
                for index in range {
                    let row = rows.lowerBound + index, target = targets[row]
                    let z = values + index * vocabulary
                    let (weight, scale) = factor(row)
                    let wanted = z[Int(target)]
                    let mean = options.smoothing == 0 ? 0 : sum(z, vocabulary) / Float(vocabulary)
                    let partition = kernel(
                        z, Int(target), options.smoothing, options.zLoss, scale, gradient, vocabulary)
                    let loss =
                        Double(partition) - Double(1 - options.smoothing) * Double(wanted)
                        - Double(options.smoothing) * Double(mean)
                        + Double(options.zLoss) * Double(partition) * Double(partition)
                    perRow[index] = weight * loss
                }
            }
            var total = 0.0
            for index in 0..<rows.count { total += perRow[index] }
            withExtendedLifetime((losses, logits)) {}
            return total
        }

        /// log p of the rows' targets. With `gradient`, the logits are overwritten by its gradient.
        func logProbabilities(
            _ logits: Tensor, _ rows: Range<Int>, into result: UnsafeMutablePointer<Float>, gradient: Bool
        ) {
            let scale = -sharpness, kernel = martlet_kernels_active().pointee.training.cross_entropy
            let values = logits.floats, vocabulary = vocabulary
            Fused.forRows(rows.count, width: vocabulary) { range in
                for index in range {
                    let row = rows.lowerBound + index, target = targets[row]
                    let z = values + index * vocabulary
                    let wanted = z[Int(target)]
                    // The value has the same bits with and without a gradient.
                    result[row] = wanted - kernel(z, Int(target), 0, 0, 0, false, vocabulary)
                    if gradient { _ = kernel(z, Int(target), 0, 0, scale, true, vocabulary) }
                }
            }
            withExtendedLifetime(logits) {}
        }
    }
}
