import CKernels

/// Low-rank terms s · (x Aᵀ) Bᵀ that are constant, laid out for products of a few rows: of each A as `[in, rank]` and B as
/// `[rank, out]` in groups of 16 columns, one behind the other in one piece of memory. What the terms of a served adapter are
/// kept as, in the order of the model's layers: a step reads them from the beginning to the end, which is what memory is
/// fast at, and pages are large.
///
/// In float32 a term has the bits that it has in any other form, since every element is the same chain of multiply-adds.
/// In float16 it has those of its A and B rounded to 11 bits: each is multiplied by a power of two first, so that its largest
/// number is near float16's largest, and s is divided by both.
package final class PackedLowRankTerms: @unchecked Sendable {
    /// A term, and where it lies.
    package struct Entry: BitwiseCopyable {
        package let inputSize, outputSize, rank: Int
        /// s.
        package let scale: Float
        /// Whether A and B are float16.
        package let isHalf: Bool
        /// The powers of two that A and B were multiplied by.
        fileprivate let downExponent, upExponent: Int
        /// Where A and B begin, in bytes.
        fileprivate let down, up: Int

        /// Bytes of an element.
        fileprivate var size: Int { isHalf ? 2 : 4 }
        fileprivate var groups: Int { (outputSize + 15) / 16 }
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

    /// - Parameter areHalf: for each term whether it is rounded to float16. One with a number that is not finite never is.
    /// - Throws: `TensorError` where A and B do not fit each other, or a term cannot be packed.
    package init(_ terms: [LowRankTerm], areHalf: [Bool]) throws(TensorError) {
        precondition(terms.count == areHalf.count)
        func rounded(_ count: Int) -> Int { (count + 63) / 64 * 64 }
        var entries: [Entry] = [], matrices: [(down: Tensor, up: Tensor)] = [], end = 0
        for (term, isHalf) in zip(terms, areHalf) {
            guard Self.takes(term), term.down.rank == 2, term.up.rank == 2, term.up.shape[1] == term.rank else {
                throw TensorError(
                    .shape, "addLowRank", "\(term.down.shape) and \(term.up.shape) are no [rank, in] and [out, rank]")
            }
            let down = try term.down.detach().contiguous(), up = try term.up.detach().contiguous()
            let exponents = isHalf ? (Self.exponent(down), Self.exponent(up)) : (nil, nil)
            let (inputs, outputs, rank) = (term.inputSize, term.up.shape[0], term.rank)
            let isHalf = exponents.0 != nil && exponents.1 != nil, size = isHalf ? 2 : 4
            // The last row of A is read with 16 elements.
            let start = end + rounded((inputs * rank + 16) * size)
            entries.append(
                Entry(
                    inputSize: inputs, outputSize: outputs, rank: rank, scale: term.scale, isHalf: isHalf,
                    downExponent: isHalf ? exponents.0 ?? 0 : 0, upExponent: isHalf ? exponents.1 ?? 0 : 0, down: end,
                    up: start))
            end = start + rounded((outputs + 15) / 16 * 16 * rank * size)
            matrices.append((down, up))
        }
        self.entries = entries
        storage = Storage(byteCount: max(64, end))
        storage.pointer.initializeMemory(as: UInt8.self, repeating: 0, count: storage.byteCount)
        for (entry, (down, up)) in zip(entries, matrices) {
            let rank = entry.rank, inputs = entry.inputSize
            // A row of Aᵀ, and a row of a group of B, at a time.
            for column in 0..<inputs {
                write(entry, entry.down, column * rank, count: rank, exponent: entry.downExponent) {
                    down.floats[$0 * inputs + column]
                }
            }
            for group in 0..<entry.groups {
                let first = 16 * group, count = min(16, entry.outputSize - first)
                for row in 0..<rank {
                    write(entry, entry.up, (group * rank + row) * 16, count: count, exponent: entry.upExponent) {
                        up.floats[(first + $0) * rank + row]
                    }
                }
            }
            withExtendedLifetime((down, up)) {}
        }
    }

    /// The power of two that brings the largest number near float16's largest; nil where one is not finite.
    private static func exponent(_ matrix: Tensor) -> Int? {
        var largest: Float = 0
        for index in 0..<matrix.elementCount {
            let value = matrix.floats[index].magnitude
            guard value.isFinite else { return nil }
            largest = max(largest, value)
        }
        guard largest > 0 else { return 0 }
        // Bounded, so that s divided by both is a number that is not rounded.
        return min(40, max(-40, 14 - Int(largest.exponent)))
    }

    /// Writes numbers from an element of A or B on.
    private func write(
        _ entry: Entry, _ start: Int, _ first: Int, count: Int, exponent: Int, _ number: (Int) -> Float
    ) {
        let target = storage.pointer + start + first * entry.size
        guard entry.isHalf else {
            for index in 0..<count { target.assumingMemoryBound(to: Float.self)[index] = number(index) }
            return
        }
        let factor = Float(sign: .plus, exponent: exponent, significand: 1)
        withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { row in
            guard let row = row.baseAddress else { return }
            for index in 0..<count { row[index] = number(index) * factor }
            martlet_kernels_active().pointee.vector.f32_to_f16(
                row, target.assumingMemoryBound(to: UInt16.self), count)
        }
    }

    /// A number of A or B as it is used.
    private func number(_ entry: Entry, _ start: Int, _ index: Int, exponent: Int) -> Float {
        let place = storage.pointer + start + index * entry.size
        guard entry.isHalf else { return place.assumingMemoryBound(to: Float.self).pointee }
        var value: Float = 0
        martlet_kernels_active().pointee.vector.f16_to_f32(place.assumingMemoryBound(to: UInt16.self), &value, 1)
        return value * Float(sign: .plus, exponent: -exponent, significand: 1)
    }

    /// A term as it is used: A `[rank, in]`, B `[out, rank]`.
    package func unpacked(_ index: Int) -> LowRankTerm {
        let entry = entries[index], rank = entry.rank
        let down = Tensor(uninitialized: [rank, entry.inputSize])
        let up = Tensor(uninitialized: [entry.outputSize, rank])
        for row in 0..<rank {
            for column in 0..<entry.inputSize {
                down.floats[row * entry.inputSize + column] = number(
                    entry, entry.down, column * rank + row, exponent: entry.downExponent)
            }
            for column in 0..<entry.outputSize {
                up.floats[column * rank + row] = number(
                    entry, entry.up, (column / 16 * rank + row) * 16 + column % 16, exponent: entry.upExponent)
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
        let shrunk = Float(sign: .plus, exponent: -(entry.downExponent + entry.upExponent), significand: 1)
        let kernels = martlet_kernels_active()
        let multiply = entry.isHalf ? kernels.pointee.vector.low_rank_f16 : kernels.pointee.vector.low_rank_f32
        multiply(rows, entry.inputSize, entry.rank, entry.outputSize, entry.scale * shrunk, x, down, up, y, inner)
        withExtendedLifetime(storage) {}
    }
}
