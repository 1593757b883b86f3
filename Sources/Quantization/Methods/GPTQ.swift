import MartletTensor

/// GPTQ (Frantar et al. 2022): columns are rounded one after the other, and what each misses is made up for by those that
/// are still to come, by the inverse of the Hessian H = XᵀX of the layer's inputs.
///
/// With U the upper Cholesky factor of (H + λI)⁻¹, the error of column i is spread as w[j] −= (w[i] − ŵ[i]) / U[i,i] · U[i,j].
/// The damping λ is a share of the mean of H's diagonal. Columns keep their order, or are taken in that of H's diagonal, the
/// largest first (act-order); groups are then of columns that follow each other in this order.
package enum GPTQ {
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
        let groups = result.groups
        // Grids are of the weights as they are met, by what each column counts.
        let counts = (0..<inputs).map { max(hessian[$0 * inputs + $0], 0) }
        try weight.withHostValues { values in
            result.codes.withUnsafeMutableBufferPointer { codes in
                result.scales.withUnsafeMutableBufferPointer { scales in
                    result.zeros.withUnsafeMutableBufferPointer { zeros in
                        nonisolated(unsafe) let (codes, scales, zeros) = (codes, scales, zeros)
                        factor.withUnsafeBufferPointer { factor in
                            counts.withUnsafeBufferPointer { counts in
                                ThreadPool.shared.run(outputs) { output in
                                    var row = Array(values[output * inputs..<(output + 1) * inputs])
                                    row.withUnsafeMutableBufferPointer { row in
                                        for group in 0..<groups {
                                            let range = group * groupSize..<(group + 1) * groupSize
                                            let grid = AffineGrid.best(
                                                UnsafeBufferPointer(rebasing: row[range]),
                                                importance: UnsafeBufferPointer(rebasing: counts[range]), bits: bits,
                                                symmetric: symmetric, searches: true)
                                            scales[output * groups + group] = grid.scale
                                            zeros[output * groups + group] = UInt8(grid.zero)
                                            for column in range {
                                                let code = grid.code(row[column])
                                                codes[output * inputs + column] = UInt8(code)
                                                let line = column * inputs
                                                let error = (row[column] - grid.value(code)) / factor[line + column]
                                                for other in column + 1..<max(inputs, column + 1) {
                                                    row[other] -= error * factor[line + other]
                                                }
                                            }
                                        }
                                    }
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
