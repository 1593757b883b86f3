import CKernels

extension CPU {
    /// The size of the step depends on the whole update, so one step reads the gradient three times and the parameter
    /// twice.
    static func adafactor(
        _ w: Tensor, gradient: Tensor, rows: Tensor?, columns: Tensor, _ step: AdafactorStep
    ) throws(TensorError) {
        let count = Double(w.elementCount)
        let size = max(step.epsilon2, (sumOfSquares([w]) / count).squareRoot())
        let factors = try moments(gradient, rows: rows, columns: columns, step)
        let floor = Float(step.epsilon1 * step.epsilon1)
        let norm = factors.norm(gradient, step.gradientScale, floor: floor)
        let most = max(1, (norm / count).squareRoot() / step.clip)
        factors.step(
            w, gradient, step.gradientScale, floor: floor, keep: step.keep,
            rate: Float(size * step.relativeRate / most))
    }

    /// Updates the second moments with this gradient.
    private static func moments(
        _ gradient: Tensor, rows: Tensor?, columns: Tensor, _ step: AdafactorStep
    ) throws(TensorError) -> FactoredMoments {
        let kernels = martlet_kernels_active().pointee.training
        let g = gradient.floats, scale = step.gradientScale, share = step.share
        guard let rows else {
            let target = columns.floats
            Fused.forRows(gradient.elementCount, width: 1) { range in
                kernels.move_toward_square(target + range.lowerBound, g + range.lowerBound, scale, share, range.count)
            }
            return FactoredMoments(rows: nil, columns: columns)
        }
        let height = rows.elementCount, width = columns.elementCount
        let squares = Tensor(uninitialized: [width]), rowSquares = Tensor(uninitialized: [height])
        let perRow = rowSquares.floats
        CPU.inChunks(height, width: width, into: squares.floats, accumulate: false) { range, partial in
            for row in range { perRow[row] = kernels.add_squares(g + row * width, scale, partial, width) }
        }
        let r = rows.floats, c = columns.floats, perColumn = squares.floats
        for row in 0..<height { r[row] += share * (perRow[row] / Float(width) - r[row]) }
        for column in 0..<width { c[column] += share * (perColumn[column] / Float(height) - c[column]) }
        withExtendedLifetime((squares, rowSquares)) {}
        var mean = 0.0
        for row in 0..<height { mean += Double(r[row]) }
        let factors = Tensor(uninitialized: [height]), least = max(mean / Double(height), step.epsilon1)
        let target = factors.floats
        for row in 0..<height { target[row] = Float(Double(r[row]) / least) }
        return FactoredMoments(rows: factors, columns: columns)
    }
}

/// A factored estimate of second moments: for a matrix the products `row[i] columns[j]`, for a vector `columns`.
private struct FactoredMoments {
    let rows: Tensor?
    let columns: Tensor

    private var width: Int { columns.elementCount }
    /// Elements of a vector per piece, so that several threads can work on it.
    private static let piece = 1 << 14

    /// Calls `body` for every piece of work: the rows of a matrix, or the pieces of a vector. `body` receives the row's
    /// factor and the offsets of the piece in the columns and in the parameter.
    private func forPieces(_ body: (_ piece: Int, _ row: Float, _ column: Int, _ start: Int, _ count: Int) -> Void) {
        if let rows {
            let factors = rows.floats, width = width
            Fused.forRows(rows.elementCount, width: width) { range in
                for row in range { body(row, factors[row], 0, row * width, width) }
            }
        } else {
            ThreadPool.shared.run(pieces) { piece in
                let start = piece * Self.piece
                body(piece, 1, start, start, min(Self.piece, width - start))
            }
        }
        withExtendedLifetime(self) {}
    }

    private var pieces: Int { rows?.elementCount ?? (width + Self.piece - 1) / Self.piece }

    /// Σ u² of the update.
    func norm(_ gradient: Tensor, _ scale: Float, floor: Float) -> Double {
        let kernel = martlet_kernels_active().pointee.training.factored_norm
        let sums = Tensor(uninitialized: [pieces]), target = sums.floats, g = gradient.floats, c = columns.floats
        forPieces { piece, row, column, start, count in
            target[piece] = kernel(g + start, scale, row, c + column, floor, count)
        }
        var total = 0.0
        for piece in 0..<pieces { total += Double(target[piece]) }
        withExtendedLifetime(sums) {}
        return total
    }

    func step(_ parameter: Tensor, _ gradient: Tensor, _ scale: Float, floor: Float, keep: Float, rate: Float) {
        let kernel = martlet_kernels_active().pointee.training.factored_step
        let w = parameter.floats, g = gradient.floats, c = columns.floats
        forPieces { _, row, column, start, count in
            kernel(w + start, g + start, scale, row, c + column, floor, keep, rate, count)
        }
    }
}
