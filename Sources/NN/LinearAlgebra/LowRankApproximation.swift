import MartletTensor

/// The best approximation of a matrix by one of low rank, D ≈ U diag(σ) Vᵀ: the largest singular values and their vectors.
///
/// By randomised subspace iteration (Halko, Martinsson and Tropp 2011, algorithm 4.4): a few more random directions than
/// asked for are multiplied with D and Dᵀ in turn and made orthogonal each time, until they span what D stretches most.
/// The random directions depend on the shape alone, so the same matrix gives the same bits.
package struct LowRankApproximation {
    /// U `[out, rank]`, σ `[rank]` in descending order, V `[in, rank]`.
    package let left: Tensor
    package let values: [Double]
    package let right: Tensor

    /// - Parameters:
    ///   - matrix: `[out, in]`, float32.
    ///   - iterations: rounds of products with D and Dᵀ; more where singular values lie close together.
    package init(_ matrix: Tensor, rank: Int, iterations: Int = 8) throws {
        let rows = matrix.shape[0], columns = matrix.shape[1]
        let wanted = min(rank, rows, columns), width = min(wanted + 16, rows, columns)
        var random = RandomStream(seed: 0x7376_6400, stream: UInt64(rows) << 32 | UInt64(columns))
        let transposed = try matrix.transposed().contiguous()
        var basis = try Self.orthogonal(
            matrix.matmul(Tensor.normal([columns, width], mean: 0, std: 1, using: &random)))
        for _ in 0..<iterations {
            let other = try Self.orthogonal(transposed.matmul(basis))  // [in, width]
            basis = try Self.orthogonal(matrix.matmul(other))  // [out, width]
        }
        // D ≈ Q (Qᵀ D), and the small matrix by the eigenvectors of its square.
        let small = try basis.transposed().matmul(matrix)  // [width, in]
        let square: [Double] = try small.to(.float64).matmul(small.to(.float64).transposed()).toArray()
        let (eigenvalues, vectors) = SymmetricEigen.decompose(square, size: width)
        values = eigenvalues.prefix(wanted).map { max($0, 0).squareRoot() }
        var turned: [Float] = [], scaled: [Float] = []
        for row in 0..<width {
            for column in 0..<wanted {
                turned.append(Float(vectors[row * width + column]))
                let value = values[column]
                scaled.append(value > 0 ? Float(vectors[row * width + column] / value) : 0)
            }
        }
        left = try basis.matmul(Tensor(turned, shape: [width, wanted]))
        right = try small.transposed().matmul(Tensor(scaled, shape: [width, wanted]))
    }

    /// A `[rank, in]` = √σ Vᵀ and B `[out, rank]` = U √σ, so that B A is the approximation; filled up with zeros where the
    /// matrix has fewer singular values than `rank`.
    package func factors(rank: Int) throws -> (down: Tensor, up: Tensor) {
        let roots = try Tensor(values.map { Float($0.squareRoot()) }, shape: [1, values.count])
        var up = try left * roots, down = try (right * roots).transposed().contiguous()
        let missing = rank - values.count
        if missing > 0 {
            up = try Tensor.concatenate([up, Tensor.zeros([up.shape[0], missing])], axis: 1)
            down = try Tensor.concatenate([down, Tensor.zeros([missing, down.shape[1]])], axis: 0)
        }
        return (down, up)
    }

    /// An orthogonal basis of the columns, by rounds of Cholesky's decomposition of their products (CholeskyQR2, with a
    /// third round for columns that are nearly dependent).
    private static func orthogonal(_ columns: Tensor) throws -> Tensor {
        var columns = columns
        for _ in 0..<3 {
            let width = columns.shape[1]
            let wide = try columns.to(.float64)
            var gram: [Double] = try wide.transposed().matmul(wide).toArray()
            let trace = (0..<width).reduce(0) { $0 + gram[$1 * width + $1] }
            // Regularised, so that columns that are equal but for rounding have a decomposition too.
            for index in 0..<width { gram[index * width + index] += trace * 1e-13 + 1e-300 }
            guard let inverse = SymmetricEigen.inverseCholesky(gram, size: width) else { return columns }
            columns = try wide.matmul(Tensor(inverse, shape: [width, width])).to(.float32)
        }
        return columns
    }
}

/// Small dense problems in double precision.
enum SymmetricEigen {
    /// Eigenvalues falling, and their vectors as columns, of a symmetric matrix, by Jacobi's rotations.
    static func decompose(_ matrix: [Double], size: Int) -> (values: [Double], vectors: [Double]) {
        var a = matrix, v = [Double](repeating: 0, count: size * size)
        for index in 0..<size { v[index * size + index] = 1 }
        for _ in 0..<30 {
            var off = 0.0, diagonal = 0.0
            for row in 0..<size {
                diagonal += a[row * size + row] * a[row * size + row]
                for column in 0..<row { off += a[row * size + column] * a[row * size + column] }
            }
            if off <= 1e-26 * diagonal || off == 0 { break }
            for p in 0..<size {
                for q in (p + 1)..<max(size, p + 1) {
                    let apq = a[p * size + q]
                    guard apq != 0 else { continue }
                    let theta = (a[q * size + q] - a[p * size + p]) / (2 * apq)
                    let t = (theta >= 0 ? 1.0 : -1.0) / (abs(theta) + (theta * theta + 1).squareRoot())
                    let c = 1 / (t * t + 1).squareRoot(), s = t * c
                    for index in 0..<size {
                        let x = a[index * size + p], y = a[index * size + q]
                        a[index * size + p] = c * x - s * y
                        a[index * size + q] = s * x + c * y
                    }
                    for index in 0..<size {
                        let x = a[p * size + index], y = a[q * size + index]
                        a[p * size + index] = c * x - s * y
                        a[q * size + index] = s * x + c * y
                    }
                    for index in 0..<size {
                        let x = v[index * size + p], y = v[index * size + q]
                        v[index * size + p] = c * x - s * y
                        v[index * size + q] = s * x + c * y
                    }
                }
            }
        }
        let order = (0..<size).sorted { a[$0 * size + $0] > a[$1 * size + $1] }
        var vectors = v
        for row in 0..<size {
            for (place, column) in order.enumerated() { vectors[row * size + place] = v[row * size + column] }
        }
        return (order.map { a[$0 * size + $0] }, vectors)
    }

    /// R⁻¹ of G = Rᵀ R, upper triangular; nil where G is not positive.
    static func inverseCholesky(_ gram: [Double], size: Int) -> [Double]? {
        // G = L Lᵀ, so R = Lᵀ.
        var l = [Double](repeating: 0, count: size * size)
        for row in 0..<size {
            for column in 0...row {
                var sum = gram[row * size + column]
                for index in 0..<column { sum -= l[row * size + index] * l[column * size + index] }
                if row == column {
                    guard sum > 0 else { return nil }
                    l[row * size + row] = sum.squareRoot()
                } else {
                    l[row * size + column] = sum / l[column * size + column]
                }
            }
        }
        // R⁻¹ = (L⁻¹)ᵀ.
        var inverse = [Double](repeating: 0, count: size * size)
        for column in 0..<size {
            var x = [Double](repeating: 0, count: size)
            for row in column..<size {
                var sum = row == column ? 1.0 : 0
                for index in column..<row { sum -= l[row * size + index] * x[index] }
                x[row] = sum / l[row * size + row]
            }
            for row in column..<size { inverse[column * size + row] = x[row] }
        }
        return inverse
    }
}
