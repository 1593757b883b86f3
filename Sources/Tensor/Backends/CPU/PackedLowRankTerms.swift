import CKernels

/// Low-rank terms s · (x Aᵀ) Bᵀ that are constant, laid out for products of a few rows: of each A as `[in, rank]` and B as
/// `[rank, out]` in groups of 16 columns, one behind the other in one piece of memory. What the terms of a served adapter are
/// kept as, in the order of the model's layers: a step reads them from the beginning to the end, which is what memory is
/// fast at, and pages are large.
///
/// In float32 a term has the bits that it has in any other form, since every element is the same chain of multiply-adds.
/// As codes, each row of A and of B is rounded to 8 bits: −127 … 127 times a scale of its own, its largest number / 127.
/// So a number is off by at most half of that, and a term by about a hundredth of itself; one that would lose much more stays
/// float32.
package final class PackedLowRankTerms: @unchecked Sendable {
    /// A term, and where it lies.
    package struct Entry: BitwiseCopyable {
        package let inputSize, outputSize, rank: Int
        /// s.
        package let scale: Float
        /// Whether A and B are codes of 8 bits.
        package let isCoded: Bool
        /// Where A and B begin, in bytes: their scales, where they are codes.
        fileprivate let down, up: Int

        /// Bytes of a number.
        fileprivate var size: Int { isCoded ? 1 : 4 }
        fileprivate var groups: Int { (outputSize + 15) / 16 }
        /// Where the numbers begin, behind the scales of the rank and of the outputs, each rounded up to 16.
        fileprivate var downNumbers: Int { down + (isCoded ? 4 * ((rank + 15) / 16 * 16) : 0) }
        fileprivate var upNumbers: Int { up + (isCoded ? 4 * 16 * groups : 0) }
    }

    package let entries: [Entry]
    package var byteCount: Int { storage.byteCount }
    private let storage: Storage

    /// Numbers that `add` writes between the products.
    package static func innerCount(rank: Int) -> Int { 8 * ((rank + 15) / 16 * 16) }

    /// Whether a term can be packed: those of float32 that are not of rank 0.
    package static func takes(_ term: LowRankTerm) -> Bool {
        term.down.dtype == .float32 && term.up.dtype == .float32 && term.rank > 0
    }

    /// - Parameter areCoded: for each term whether it is rounded to codes. One with a number that is not finite never is, nor
    ///   one that is the small difference of large ones.
    /// - Throws: `TensorError` where A and B do not fit each other, or a term cannot be packed.
    package init(_ terms: [LowRankTerm], areCoded: [Bool]) throws(TensorError) {
        precondition(terms.count == areCoded.count)
        func rounded(_ count: Int) -> Int { (count + 63) / 64 * 64 }
        var entries: [Entry] = [], matrices: [(down: Tensor, up: Tensor)] = [], end = 0
        for (term, isCoded) in zip(terms, areCoded) {
            guard Self.takes(term), term.down.rank == 2, term.up.rank == 2, term.up.shape[1] == term.rank else {
                throw TensorError(
                    .shape, "addLowRank", "\(term.down.shape) and \(term.up.shape) are no [rank, in] and [out, rank]")
            }
            let down = try term.down.detach().contiguous(), up = try term.up.detach().contiguous()
            var isCoded = isCoded && Self.isFinite(down) && Self.isFinite(up)
            if isCoded, try Self.cancels(down, up) { isCoded = false }
            func entry(_ first: Int, _ second: Int) -> Entry {
                Entry(
                    inputSize: term.inputSize, outputSize: up.shape[0], rank: term.rank, scale: term.scale,
                    isCoded: isCoded, down: first, up: second)
            }
            let trial = entry(end, 0)
            // The last row of A is read with 16 numbers.
            let start = rounded(trial.downNumbers + (trial.inputSize * trial.rank + 16) * trial.size)
            let whole = entry(end, start)
            entries.append(whole)
            end = rounded(whole.upNumbers + 16 * whole.groups * whole.rank * whole.size)
            matrices.append((down, up))
        }
        self.entries = entries
        storage = Storage(byteCount: max(64, end))
        storage.pointer.initializeMemory(as: UInt8.self, repeating: 0, count: storage.byteCount)
        for (entry, (down, up)) in zip(entries, matrices) {
            let rank = entry.rank
            for row in 0..<rank {
                write(entry, entry.down, entry.downNumbers, down, row) { $0 * rank + row }
            }
            for row in 0..<entry.outputSize {
                write(entry, entry.up, entry.upNumbers, up, row) { (row / 16 * rank + $0) * 16 + row % 16 }
            }
            withExtendedLifetime((down, up)) {}
        }
    }

    /// Whether what the ranks add up to is small beside each of them, as where an adapter that began with a part of the weight
    /// (PiSSA) has that part taken off again: rounding them loses a hundredth of each, Σ ‖b_r‖² ‖a_r‖² to ‖B A‖².
    private static func cancels(_ down: Tensor, _ up: Tensor) throws(TensorError) -> Bool {
        let ofDown = try down.matmul(down.transposed()), ofUp = try up.transposed().matmul(up)
        let both = try (ofDown * ofUp).toArray(as: Float.self), rank = down.shape[0]  // [rank, rank]
        let each = (0..<rank).reduce(0) { $0 + Double(both[$1 * (rank + 1)]) }
        return each > 16 * both.reduce(0) { $0 + Double($1) }
    }

    private static func isFinite(_ matrix: Tensor) -> Bool {
        (0..<matrix.elementCount).allSatisfy { matrix.floats[$0].isFinite }
    }

    /// Writes a row of A or B, its scale and its numbers, to their places.
    private func write(
        _ entry: Entry, _ scales: Int, _ numbers: Int, _ matrix: Tensor, _ row: Int, place: (Int) -> Int
    ) {
        let count = matrix.shape[1], from = matrix.floats + row * count
        guard entry.isCoded else {
            let target = (storage.pointer + numbers).assumingMemoryBound(to: Float.self)
            for index in 0..<count { target[place(index)] = from[index] }
            return
        }
        var largest: Float = 0
        for index in 0..<count { largest = max(largest, from[index].magnitude) }
        let scale = largest / 127, target = (storage.pointer + numbers).assumingMemoryBound(to: Int8.self)
        (storage.pointer + scales).assumingMemoryBound(to: Float.self)[row] = scale
        // A scale below the smallest normal number has too few bits to divide by.
        guard scale >= .leastNormalMagnitude else { return }
        for index in 0..<count { target[place(index)] = Int8(max(-127, min(127, (from[index] / scale).rounded()))) }
    }

    /// A number of A or B as it is used.
    private func number(_ entry: Entry, _ scales: Int, _ numbers: Int, _ row: Int, _ place: Int) -> Float {
        let start = storage.pointer + numbers
        guard entry.isCoded else { return start.assumingMemoryBound(to: Float.self)[place] }
        let scale = (storage.pointer + scales).assumingMemoryBound(to: Float.self)[row]
        return Float(start.assumingMemoryBound(to: Int8.self)[place]) * scale
    }

    /// A term as it is used: A `[rank, in]`, B `[out, rank]`.
    package func unpacked(_ index: Int) -> LowRankTerm {
        let entry = entries[index], rank = entry.rank
        let down = Tensor(uninitialized: [rank, entry.inputSize])
        let up = Tensor(uninitialized: [entry.outputSize, rank])
        for row in 0..<rank {
            for column in 0..<entry.inputSize {
                down.floats[row * entry.inputSize + column] = number(
                    entry, entry.down, entry.downNumbers, row, column * rank + row)
            }
            for column in 0..<entry.outputSize {
                up.floats[column * rank + row] = number(
                    entry, entry.up, entry.upNumbers, column, (column / 16 * rank + row) * 16 + column % 16)
            }
        }
        return LowRankTerm(down: down, up: up, scale: entry.scale)
    }

    /// y += s (x Aᵀ) Bᵀ on this thread.
    /// - Parameters:
    ///   - x: `[rows, in]`.
    ///   - y: `[rows, out]`.
    ///   - inner: room for `innerCount` numbers.
    func add(
        _ index: Int, _ x: UnsafePointer<Float>, rows: Int, to y: UnsafeMutablePointer<Float>,
        inner: UnsafeMutablePointer<Float>
    ) {
        let entry = entries[index], down = storage.pointer + entry.down, up = storage.pointer + entry.up
        let kernels = martlet_kernels_active()
        let multiply = entry.isCoded ? kernels.pointee.vector.low_rank_codes : kernels.pointee.vector.low_rank_f32
        multiply(rows, entry.inputSize, entry.rank, entry.outputSize, entry.scale, x, down, up, y, inner)
        withExtendedLifetime(storage) {}
    }
}
