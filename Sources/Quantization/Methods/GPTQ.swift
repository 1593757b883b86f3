import MartletTensor

/// GPTQ (Frantar et al. 2022): columns are rounded one after the other, and what each misses is made up for by those that
/// are still to come, by the inverse of the Hessian H = XᵀX of the layer's inputs.
///
/// With U the upper Cholesky factor of (H + λI)⁻¹, the error of column i is spread as w[j] −= (w[i] − ŵ[i]) / U[i,i] · U[i,j].
/// The damping λ is a share of the mean of H's diagonal. Columns keep their order, or are taken in that of H's diagonal, the
/// largest first (act-order); groups are then of columns that follow each other in this order.
///
/// The columns of a block spread their errors among themselves at once and over the columns to come together, as the paper
/// has it, and some rows share what is read of U for that. Every weight still has its subtractions in the order of the
/// columns: the codes are those of one column after the other, whatever the blocks.
package enum GPTQ {
    /// Rows that are rounded together.
    fileprivate static let rowsAtOnce = 16
    /// Columns of a block at most: whole groups, or a part of one.
    fileprivate static let columnsAtOnce = 128

    /// With act-order: the columns are put in order, encoded, and put back.
    package static func encodeInOrder(
        _ weight: Tensor, hessian: [Float], name: String, bits: Int, groupSize: Int, symmetric: Bool,
        damping: Double = 0.01
    ) throws -> AffineCodes {
        let outputs = weight.shape[0], inputs = weight.shape[1]
        let order = (0..<inputs).sorted {
            (-hessian[$0 * inputs + $0], $0) < (-hessian[$1 * inputs + $1], $1)
        }
        var sorted = [Float](repeating: 0, count: inputs * inputs)
        for (i, from) in order.enumerated() {
            for (j, other) in order.enumerated() { sorted[i * inputs + j] = hessian[from * inputs + other] }
        }
        let columns = try weight.indexSelect(1, Tensor(order.map { Int64($0) })).contiguous()
        var found = try encode(
            columns, hessian: sorted, name: name, bits: bits, groupSize: groupSize, symmetric: symmetric,
            damping: damping)
        var codes = found.codes, groups = [Int32](repeating: 0, count: inputs)
        for (place, column) in order.enumerated() {
            groups[column] = Int32(place / groupSize)
            for output in 0..<outputs { codes[output * inputs + column] = found.codes[output * inputs + place] }
        }
        found.codes = codes
        found.groupOfInput = groups
        return found
    }

    /// - Parameters:
    ///   - hessian: Σ xᵀx over the calibration's tokens, `[in, in]` row by row.
    /// - Throws: `QuantizationError.singularHessian` where even the damped matrix has no factor.
    package static func encode(
        _ weight: Tensor, hessian: [Float], name: String, bits: Int, groupSize: Int, symmetric: Bool,
        damping: Double = 0.01
    ) throws -> AffineCodes {
        let outputs = weight.shape[0], inputs = weight.shape[1]
        let factor = try upperFactor(ofInverse: hessian, size: inputs, damping: damping, name: name)
        var result = AffineCodes(outputs: outputs, inputs: inputs, bits: bits, groupSize: groupSize)
        // Grids are of the weights as they are met, by what each column counts.
        let counts = (0..<inputs).map { max(hessian[$0 * inputs + $0], 0) }
        let tiles = (outputs + rowsAtOnce - 1) / rowsAtOnce
        try weight.withHostValues { values in
            result.codes.withUnsafeMutableBufferPointer { codes in
                result.scales.withUnsafeMutableBufferPointer { scales in
                    result.zeros.withUnsafeMutableBufferPointer { zeros in
                        factor.withUnsafeBufferPointer { factor in
                            counts.withUnsafeBufferPointer { counts in
                                nonisolated(unsafe) let columns = Columns(
                                    values: values, factor: factor, counts: counts, codes: codes, scales: scales,
                                    zeros: zeros, inputs: inputs, bits: bits, groupSize: groupSize,
                                    symmetric: symmetric)
                                ThreadPool.shared.run(tiles) { tile in
                                    let first = tile * rowsAtOnce
                                    columns.encode(first..<min(first + rowsAtOnce, outputs))
                                }
                            }
                        }
                    }
                }
            }
        }
        return result
    }

    /// U with (H + λI)⁻¹ = UᵀU, upper triangular, `[size, size]`.
    package static func upperFactor(
        ofInverse hessian: [Float], size: Int, damping: Double, name: String
    ) throws -> [Float] {
        var mean = 0.0
        for i in 0..<size { mean += Double(hessian[i * size + i]) / Double(size) }
        guard mean > 0, mean.isFinite else { throw QuantizationError.singularHessian(name) }
        // The upper factor of the inverse is the inverse of the factor of H taken from its end: with J the exchange of
        // first and last, JHJ = LLᵀ gives H⁻¹ = (J L⁻ᵀ J)(J L⁻¹ J), of which the right one is upper and its transpose lower.
        var reversed = [Double](repeating: 0, count: size * size)
        for i in 0..<size {
            for j in 0..<size { reversed[i * size + j] = Double(hessian[(size - 1 - i) * size + size - 1 - j]) }
            // A column that no input has touched is rounded by itself.
            if reversed[i * size + i] <= 0 { reversed[i * size + i] = mean }
            reversed[i * size + i] += damping * mean
        }
        guard BlockedCholesky.factor(&reversed, size) else { throw QuantizationError.singularHessian(name) }
        let inverse = BlockedCholesky.inverse(reversed, size)
        var upper = [Float](repeating: 0, count: size * size)
        for i in 0..<size {
            for j in i..<size { upper[i * size + j] = Float(inverse[(size - 1 - i) * size + size - 1 - j]) }
        }
        return upper
    }
}

/// What the columns of a matrix are rounded with.
private struct Columns {
    let values: UnsafeBufferPointer<Float>
    let factor: UnsafeBufferPointer<Float>
    let counts: UnsafeBufferPointer<Float>
    let codes: UnsafeMutableBufferPointer<UInt8>
    let scales: UnsafeMutableBufferPointer<Float>
    let zeros: UnsafeMutableBufferPointer<UInt8>
    let inputs: Int
    let bits: Int
    let groupSize: Int
    let symmetric: Bool

    func encode(_ outputs: Range<Int>) {
        let most = GPTQ.columnsAtOnce, wholeGroups = most / groupSize * groupSize
        var rows = Array(values[outputs.lowerBound * inputs..<outputs.upperBound * inputs])
        var errors = [Float](repeating: 0, count: outputs.count * most)
        var grids = [AffineGrid](repeating: AffineGrid(scale: 1, zero: 0, top: 0), count: outputs.count)
        rows.withUnsafeMutableBufferPointer { rows in
            errors.withUnsafeMutableBufferPointer { errors in
                var first = 0
                while first < inputs {
                    let groupEnd = (first / groupSize + 1) * groupSize
                    let end = wholeGroups > 0 ? min(first + wholeGroups, inputs) : min(first + most, groupEnd)
                    for (index, output) in outputs.enumerated() {
                        encode(
                            output, first..<end, grid: &grids[index],
                            row: UnsafeMutableBufferPointer(rebasing: rows[index * inputs..<(index + 1) * inputs]),
                            errors: UnsafeMutableBufferPointer(rebasing: errors[index * most..<(index + 1) * most]))
                    }
                    spread(UnsafeBufferPointer(errors), of: first..<end, over: rows)
                    first = end
                }
            }
        }
    }

    /// The codes of a block of an output. Its errors are spread over the rest of the block.
    private func encode(
        _ output: Int, _ block: Range<Int>, grid: inout AffineGrid, row: UnsafeMutableBufferPointer<Float>,
        errors: UnsafeMutableBufferPointer<Float>
    ) {
        for column in block {
            if column % groupSize == 0 {
                let range = column..<column + groupSize, group = output * (inputs / groupSize) + column / groupSize
                grid = AffineGrid.best(
                    UnsafeBufferPointer(rebasing: row[range]), importance: UnsafeBufferPointer(rebasing: counts[range]),
                    bits: bits, symmetric: symmetric, searches: true)
                scales[group] = grid.scale
                zeros[group] = UInt8(grid.zero)
            }
            let code = grid.code(row[column]), line = column * inputs
            codes[output * inputs + column] = UInt8(code)
            let error = (row[column] - grid.value(code)) / factor[line + column]
            errors[column - block.lowerBound] = error
            for other in column + 1..<block.upperBound { row[other] -= error * factor[line + other] }
        }
    }

    /// The errors of a block of all rows, over the columns behind it: as many of these at a time as stay near the processor.
    private func spread(
        _ errors: UnsafeBufferPointer<Float>, of block: Range<Int>, over rows: UnsafeMutableBufferPointer<Float>
    ) {
        for start in stride(from: block.upperBound, to: inputs, by: 256) {
            let end = min(start + 256, inputs)
            for column in block {
                let line = column * inputs
                for row in 0..<rows.count / inputs {
                    let error = errors[row * GPTQ.columnsAtOnce + column - block.lowerBound], first = row * inputs
                    for other in start..<end { rows[first + other] -= error * factor[line + other] }
                }
            }
        }
    }
}
