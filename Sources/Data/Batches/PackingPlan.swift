/// Which spans of which documents share a row (sequence packing).
///
/// A document of n tokens takes n - 1 positions: each token except the last is an input, each except the first a
/// target. A document longer than a row becomes several pieces that overlap by one token, so that every pair of
/// neighbouring tokens is trained once. A document that fits into a row is never split.
///
/// A document with a loss mask is a prompt with its reply. If it is longer than a row, it is left out, because its
/// later pieces would train a reply without its prompt. A document without any trained token is left out too.
struct PackingPlan: Sendable {
    struct Piece: Sendable, Equatable {
        var shard: Int32
        /// The number of positions; it reads one token more.
        var count: Int32
        /// The index of its first token in the shard.
        var start: Int
    }

    private(set) var pieces: [Piece] = []
    /// Documents that are not in any row.
    private(set) var leftOut = SequenceSet.LeftOut()
    /// The index of each row's first piece, and the total number of pieces.
    private(set) var rowStarts: [Int] = [0]
    var rowCount: Int { rowStarts.count - 1 }

    func pieces(ofRow row: Int) -> ArraySlice<Piece> { pieces[rowStarts[row]..<rowStarts[row + 1]] }

    /// The fraction of positions in use: 1 means no padding.
    func fill(length: Int) -> Double {
        guard rowCount > 0 else { return 0 }
        return Double(pieces.reduce(0) { $0 + Int($1.count) }) / (Double(rowCount) * Double(length))
    }

    init(_ shards: [TokenShard], length: Int, packing: SequenceLayout.Packing) {
        var all: [Piece] = []
        for (number, shard) in shards.enumerated() {
            for document in 0..<shard.documentCount {
                let range = shard.range(ofDocument: document)
                if shard.hasMask, range.count > 1 {
                    let places = range.count - 1
                    let learnt = shard.trainedCount(range.lowerBound + 1..<range.upperBound)
                    if learnt == 0 {
                        leftOut.withoutLabel += 1
                        continue
                    }
                    // The first token is no target: a prompt of one token shows in the mask alone.
                    if places > length, learnt < places || !shard.isTrained(range.lowerBound) {
                        leftOut.tooLong += 1
                        continue
                    }
                }
                var start = range.lowerBound
                while range.upperBound - start > 1 {
                    let count = min(range.upperBound - start - 1, length)
                    all.append(Piece(shard: Int32(truncatingIfNeeded: number), count: Int32(count), start: start))
                    start += count
                }
            }
        }
        switch packing {
        case .single:
            pieces = all
            rowStarts = Array(0...all.count)
        case .sequential: packInOrder(all, length)
        case .bestFit: packBestFit(all, length)
        }
    }

    private mutating func packInOrder(_ all: [Piece], _ length: Int) {
        var used = 0
        for (index, piece) in all.enumerated() {
            if used + Int(piece.count) > length {
                rowStarts.append(index)
                used = 0
            }
            used += Int(piece.count)
        }
        if !all.isEmpty { rowStarts.append(all.count) }
        pieces = all
    }

    /// Best-fit decreasing: the longest first, each into the row with the least remaining space; equal ones in order.
    /// Rows are found by remaining space, so the work is at most O(pieces · length / 64) and usually far less.
    private mutating func packBestFit(_ all: [Piece], _ length: Int) {
        var order = [Int](repeating: 0, count: all.count)
        var starts = [Int](repeating: 0, count: length + 2)
        for piece in all { starts[length - Int(piece.count) + 1] += 1 }
        for index in 1..<starts.count { starts[index] += starts[index - 1] }
        for (index, piece) in all.enumerated() {
            let bucket = length - Int(piece.count)
            order[starts[bucket]] = index
            starts[bucket] += 1
        }
        var open = [[Int]](repeating: [], count: length + 1)
        var present = [UInt64](repeating: 0, count: length / 64 + 1)
        var rowOf = [Int](repeating: 0, count: all.count)
        var rows = 0
        for index in order {
            let count = Int(all[index].count)
            var row = rows, left = length
            if let room = Self.first(atLeast: count, in: present), let candidate = open[room].popLast() {
                row = candidate
                left = room
                if open[room].isEmpty { present[room / 64] &= ~(1 << UInt64(room % 64)) }
            } else {
                rows += 1
            }
            rowOf[index] = row
            let rest = left - count
            guard rest > 0 else { continue }
            open[rest].append(row)
            present[rest / 64] |= 1 << UInt64(rest % 64)
        }
        var next = [Int](repeating: 0, count: rows + 1)
        for row in rowOf { next[row + 1] += 1 }
        for row in 0..<rows { next[row + 1] += next[row] }
        rowStarts = next
        pieces = all
        for (index, piece) in all.enumerated() {
            pieces[next[rowOf[index]]] = piece
            next[rowOf[index]] += 1
        }
    }

    private static func first(atLeast value: Int, in set: [UInt64]) -> Int? {
        var word = value / 64
        var bits = set[word] & (UInt64.max << UInt64(value % 64))
        while bits == 0 {
            word += 1
            guard word < set.count else { return nil }
            bits = set[word]
        }
        return word * 64 + bits.trailingZeroBitCount
    }
}
