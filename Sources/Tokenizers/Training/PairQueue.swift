#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Which of two equally frequent pairs is merged first.
public enum TieRule: String, Sendable, CaseIterable {
    /// The pair with the smaller ids, left before right, as in the `tokenizers` library; also with that library's
    /// counts, in which a pair that reappears after its merge still has its old count.
    case ids
    /// The pair that is greater as a pair of byte strings, as Stanford's CS336 requires; with exact counts.
    case bytes
}

/// A priority queue of pairs by frequency.
struct PairQueue {
    struct Entry {
        /// The count when the entry was created.
        var count: Int64
        var left: Int32
        var right: Int32
        /// The pair's index.
        var pair: Int32
        /// The list of words that contain it.
        var list: Int32

        fileprivate var ids: UInt64 { UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right)) }
    }

    private var heap: [Entry] = []
    private let ties: TieRule
    /// The bytes of each token, for ties.
    private var bytes: [[UInt8]] = []

    init(ties: TieRule) { self.ties = ties }

    mutating func name(_ token: [UInt8]) {
        if ties == .bytes { bytes.append(token) }
    }

    @inline(__always)
    private func precedes(_ a: Entry, _ b: Entry) -> Bool {
        if a.count != b.count { return a.count > b.count }
        switch ties {
        case .ids: return a.ids < b.ids
        case .bytes:
            let left = order(bytes[Int(a.left)], bytes[Int(b.left)])
            return left != 0 ? left > 0 : order(bytes[Int(a.right)], bytes[Int(b.right)]) > 0
        }
    }

    /// Negative if `a` is the smaller string.
    private func order(_ a: [UInt8], _ b: [UInt8]) -> Int {
        let common = min(a.count, b.count)
        let order = common == 0 ? 0 : memcmp(a, b, common)
        return order != 0 ? Int(order) : a.count - b.count
    }

    mutating func push(_ entry: Entry) {
        heap.append(entry)
        var index = heap.count - 1
        while index > 0 {
            let parent = (index - 1) / 4
            guard precedes(entry, heap[parent]) else { break }
            heap[index] = heap[parent]
            index = parent
        }
        heap[index] = entry
    }

    var first: Entry? { heap.first }

    mutating func removeFirst() {
        guard let last = heap.popLast(), !heap.isEmpty else { return }
        replaceFirst(last)
    }

    /// Replaces the top entry.
    mutating func replaceFirst(_ entry: Entry) {
        var index = 0
        while case let start = index * 4 + 1, start < heap.count {
            var best = start
            for child in start..<min(start + 4, heap.count) where precedes(heap[child], heap[best]) { best = child }
            guard precedes(heap[best], entry) else { break }
            heap[index] = heap[best]
            index = best
        }
        heap[index] = entry
    }
}
