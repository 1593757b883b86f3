import CKernels

/// A low-rank term s · (x Aᵀ) Bᵀ that is constant, laid out for products of a few rows: A as `[in, rank]` and B as `[rank, out]`
/// in panels, each of which is read once from its beginning to its end. What served adapters are kept as; a term has the bits
/// that it has in any other form, since every element is the same chain of multiply-adds.
package final class PackedLowRank: @unchecked Sendable {
    package let inputSize: Int
    package let outputSize: Int
    package let rank: Int
    /// s.
    package let scale: Float
    package var byteCount: Int { storage.byteCount }

    private let kernels: martlet_gemm_kernels
    private let storage: Storage
    /// Where B begins, in floats.
    private let upStart: Int
    /// Whether A lies in panels; else its rows follow each other, as a rank that fills no vector would waste memory.
    private let hasPanels: Bool

    /// - Returns: nil for a term that is not float32, or has rank 0.
    /// - Throws: `TensorError` where A and B do not fit each other.
    package init?(_ term: LowRankTerm) throws(TensorError) {
        guard term.down.dtype == .float32, term.up.dtype == .float32, term.rank > 0 else { return nil }
        guard term.down.rank == 2, term.up.rank == 2, term.up.shape[1] == term.rank else {
            throw TensorError(
                .shape, "addLowRank", "\(term.down.shape) and \(term.up.shape) are no [rank, in] and [out, rank]")
        }
        (inputSize, outputSize, rank, scale) = (term.inputSize, term.up.shape[0], term.rank, term.scale)
        let kernels = martlet_kernels_active().pointee.gemm, lanes = Int(kernels.lanes)
        self.kernels = kernels
        hasPanels = rank % lanes == 0
        upStart = (inputSize * rank + lanes - 1) / lanes * lanes
        storage = Storage(byteCount: 4 * (upStart + (outputSize + lanes - 1) / lanes * lanes * rank))
        let target = storage.pointer.assumingMemoryBound(to: Float.self)
        let down = try term.down.detach().contiguous(), up = try term.up.detach().contiguous()
        if hasPanels {
            // Element (k, r) of Aᵀ lies at r · in + k.
            kernels.pack_columns(down.floats, 1, inputSize, rank, inputSize, target)
        } else {
            let rows = down.floats
            for row in 0..<rank {
                for column in 0..<inputSize { target[column * rank + row] = rows[row * inputSize + column] }
            }
        }
        kernels.pack_columns(up.floats, 1, rank, outputSize, rank, target + upStart)
        withExtendedLifetime((down, up)) {}
    }

    /// The term as it was given: A `[rank, in]`, B `[out, rank]`.
    package func unpacked() throws(TensorError) -> LowRankTerm {
        // The rows of the unit matrix find the rows of each.
        func matrix(_ size: Int, _ width: Int, _ multiply: (UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void)
            throws(TensorError) -> Tensor
        {
            let found = Tensor(uninitialized: [size, width]), unit = try Tensor.zeros([size])
            for row in 0..<size {
                unit.floats[row] = 1
                multiply(unit.floats, found.floats + row * width)
                unit.floats[row] = 0
            }
            return try found.transposed().contiguous()
        }
        let down = try matrix(inputSize, rank) { self.multiplyDown($0, rows: 1, into: $1) }
        let up = try matrix(rank, outputSize) {
            $1.update(repeating: 0, count: self.outputSize)
            self.addUp($0, rows: 1, to: $1)
        }
        return LowRankTerm(down: down, up: up, scale: scale)
    }

    /// y += s (x Aᵀ) Bᵀ on this thread.
    /// - Parameters:
    ///   - x: `[rows, in]`.
    ///   - y: `[rows, out]`.
    ///   - inner: room for `[rows, rank]`.
    func add(
        _ x: UnsafePointer<Float>, rows: Int, to y: UnsafeMutablePointer<Float>, inner: UnsafeMutablePointer<Float>
    ) {
        multiplyDown(x, rows: rows, into: inner)
        if scale != 1 { kernels.combine(rows * rank, scale, inner, 0, inner) }
        addUp(inner, rows: rows, to: y)
        withExtendedLifetime(storage) {}
    }

    private var down: UnsafePointer<Float> { UnsafePointer(storage.pointer.assumingMemoryBound(to: Float.self)) }

    private func multiplyDown(_ x: UnsafePointer<Float>, rows: Int, into inner: UnsafeMutablePointer<Float>) {
        if hasPanels {
            kernels.block_rows(rows, rank, inputSize, x, inputSize, down, inner, rank, false, martlet_upcoming())
        } else {
            GEMM.multiply(
                m: rows, n: rank, k: inputSize, a: x, aStride: inputSize, b: down, bStride: rank, c: inner,
                cStride: rank, kernels: kernels)
        }
    }

    private func addUp(_ inner: UnsafePointer<Float>, rows: Int, to y: UnsafeMutablePointer<Float>) {
        kernels.block_rows(
            rows, outputSize, rank, inner, rank, down + upStart, y, outputSize, true, martlet_upcoming())
    }
}
