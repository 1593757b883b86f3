extension BytePairs {
    /// Pieces of at most this many bytes are merged in place, without a heap.
    static let shortPiece = 64

    /// Merges a short piece of bytes: every step scans all pairs for the lowest rank, which for a word is faster than a
    /// heap.
    /// - Returns: false when a byte has no token; nothing was added then.
    func encodeShort(_ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) -> Bool {
        switch merges {
        case .pairs(let table):
            return withUnsafeTemporaryAllocation(of: Int32.self, capacity: Self.shortPiece) { output in
                guard let start = output.baseAddress, case let count = table.merge(piece, into: start), count > 0
                else { return false }
                ids.append(contentsOf: UnsafeBufferPointer(start: start, count: count))
                return true
            }
        case .tokens(let ranks):
            return encodeShort(piece, into: &ids) { range in
                let id = vocabulary.find(UnsafeBufferPointer(rebasing: piece[range]))
                return id < 0 ? (Self.noRank, -1) : (ranks[Int(id)], id)
            }
        }
    }

    /// A symbol: its token, its start, and the result of merging it with the next symbol.
    private struct ShortSymbol {
        var token: Int32
        var start: Int32
        var rank: UInt32
        var merged: Int32
    }

    @inline(__always)
    private func encodeShort(
        _ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32],
        _ find: (Range<Int>) -> (rank: UInt32, token: Int32)
    ) -> Bool {
        withUnsafeTemporaryAllocation(of: ShortSymbol.self, capacity: Self.shortPiece) { symbols in
            var count = piece.count
            for index in 0..<count {
                let token = unitTokens[Int(piece[index])]
                guard token >= 0 else { return false }
                symbols[index] = ShortSymbol(token: token, start: Int32(index), rank: Self.noRank, merged: -1)
            }
            func update(_ index: Int) {
                guard index + 1 < count else {
                    symbols[index].rank = Self.noRank
                    return
                }
                let end = index + 2 < count ? Int(symbols[index + 2].start) : piece.count
                let found = find(Int(symbols[index].start)..<end)
                symbols[index].rank = found.rank
                symbols[index].merged = found.token
            }
            for index in 0..<count { update(index) }
            while count > 1 {
                var best = 0
                var rank = symbols[0].rank
                for index in 1..<max(1, count - 1) where symbols[index].rank < rank {
                    (best, rank) = (index, symbols[index].rank)
                }
                guard rank != Self.noRank else { break }
                symbols[best].token = symbols[best].merged
                count -= 1
                for index in (best + 1)..<max(best + 1, count) { symbols[index] = symbols[index + 1] }
                update(best)
                if best > 0 { update(best - 1) }
            }
            for index in 0..<count { ids.append(symbols[index].token) }
            return true
        }
    }
}
