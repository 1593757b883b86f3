#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The tokens that can pass the filters, most probable first, the lower id first among equals.
///
/// The time of every filter is linear in the vocabulary, even for flat distributions and for weak filters, so that one
/// request cannot slow down the others of its batch.
struct Candidates {
    /// A token and its weight, packed in one word that sorts in this order.
    struct Entry {
        let key: UInt64

        /// - Parameter weight: from 0 to 1.
        init(token: Int, weight: Float) {
            key = UInt64(Self.one - weight.bitPattern) << 32 | UInt64(UInt32(truncatingIfNeeded: token))
        }

        var token: Int { Int(key & 0xFFFF_FFFF) }
        var weight: Float { Float(bitPattern: Self.one - UInt32(key >> 32)) }
        /// Non-negative floats sort in the same order as their bit patterns.
        private static let one = Float(1).bitPattern
    }

    private let entries: [Entry]
    private let topK: Int
    /// The sum over all tokens, in order of their ids.
    private let total: Double

    /// - Parameters:
    ///   - weights: proportional to the probabilities, the largest is 1.
    ///   - topK: less than the number of tokens; 0 for all.
    init(_ weights: UnsafeMutableBufferPointer<Float>, total: Double, topK: Int, options: SamplingOptions) {
        self.total = total
        self.topK = topK
        // All tokens below (1 − p) / V together weigh less than 1 − p, so none of them is in the nucleus: leaving them
        // out changes nothing and avoids sorting the vocabulary. The same holds for min-p.
        var threshold = Float(0)
        if options.topP < 1 { threshold = Float((1 - Double(options.topP)) * total / Double(weights.count)) * 0.999 }
        threshold = max(threshold, options.minP)
        if topK > 0 {
            // Then top-p is a fraction of the k best, for which the bound above does not hold. If k is a large part of
            // the vocabulary, sorting all of it is faster.
            threshold = topK <= weights.count / 64 ? Self.kthLargest(weights, topK) : 0
        }
        var entries: [Entry] = []
        for index in weights.indices where weights[index] >= threshold && weights[index] > 0 {
            entries.append(Entry(token: index, weight: weights[index]))
        }
        self.entries = Self.sorted(entries)
    }

    /// The k-th largest weight, with a min-heap of size k.
    private static func kthLargest(_ weights: UnsafeMutableBufferPointer<Float>, _ k: Int) -> Float {
        var heap = Array(weights[..<k]).sorted()
        for weight in weights[k...] where weight > heap[0] {
            var hole = 0
            while true {
                var child = 2 * hole + 1
                guard child < k else { break }
                if child + 1 < k, heap[child + 1] < heap[child] { child += 1 }
                guard heap[child] < weight else { break }
                heap[hole] = heap[child]
                hole = child
            }
            heap[hole] = weight
        }
        return heap[0]
    }

    /// Long lists are sorted by radix sort with three digits of ten bits. Entries start in the order of their tokens,
    /// and each pass is stable.
    private static func sorted(_ entries: [Entry]) -> [Entry] {
        guard entries.count > 2048 else { return entries.sorted { $0.key < $1.key } }
        var (from, to) = (entries, entries)
        for shift in [32, 42, 52] as [UInt64] {
            from.withUnsafeBufferPointer { from in
                to.withUnsafeMutableBufferPointer { to in
                    withUnsafeTemporaryAllocation(of: Int.self, capacity: 1024) { places in
                        places.initialize(repeating: 0)
                        for entry in from { places[Int(entry.key >> shift & 1023)] += 1 }
                        var next = 0
                        for digit in 0..<1024 {
                            let count = places[digit]
                            places[digit] = next
                            next += count
                        }
                        for entry in from {
                            let digit = Int(entry.key >> shift & 1023)
                            to[places[digit]] = entry
                            places[digit] += 1
                        }
                    }
                }
            }
            swap(&from, &to)
        }
        return from
    }

    /// Applies top-k, top-p, min-p and typical sampling.
    func filtered(_ options: SamplingOptions) -> ArraySlice<Entry> {
        var kept = entries[...]
        if topK > 0 { kept = kept.prefix(topK) }
        if options.topP < 1 {
            let mass = topK > 0 ? kept.mass : total
            var sum = 0.0
            let count = kept.firstIndex { entry in
                sum += Double(entry.weight)
                return sum >= Double(options.topP) * mass
            }
            if let count { kept = kept.prefix(through: count) }
        }
        if options.minP > 0 { kept = kept.prefix { $0.weight >= options.minP * entries[0].weight } }
        return options.typicalP < 1 ? Self.typical(kept, options.typicalP)[...] : kept
    }

    /// The tokens whose information content is nearest to the entropy, until they reach a fraction of the mass (Meister
    /// et al. 2023, "Locally Typical Sampling"). Information increases along the candidates, so the nearest are found
    /// by moving outwards from where it crosses the entropy; among equals the earlier candidate is first.
    private static func typical(_ candidates: ArraySlice<Entry>, _ share: Float) -> [Entry] {
        let total = candidates.mass
        var information: [Double] = []
        information.reserveCapacity(candidates.count)
        var entropy = 0.0, last = Float.nan
        for entry in candidates {
            // Flat tails have many equal weights.
            let known = entry.weight == last ? information.last : nil
            last = entry.weight
            information.append(known ?? -log(max(Double(last) / total, 1e-300)))
            entropy += Double(last) / total * information[information.count - 1]
        }
        let base = candidates.startIndex
        var low = information.partition { $0 >= entropy }, high = low
        var kept: [Entry] = []
        var sum = 0.0
        // The run of equal information below, which is met from its end.
        var run = low..<low
        while sum < Double(share) || kept.isEmpty {
            if run.isEmpty, low > 0 {
                run = low..<low
                let value = information[low - 1]
                while low > 0, information[low - 1] == value { low -= 1 }
                run = low..<run.upperBound
            }
            let below = run.isEmpty ? Double.infinity : abs(information[run.lowerBound] - entropy)
            let above = high < information.count ? abs(information[high] - entropy) : .infinity
            guard below.isFinite || above.isFinite else { break }
            let next: Int
            if below <= above {
                next = run.lowerBound
                run = run.dropFirst()
            } else {
                next = high
                high += 1
            }
            let entry = candidates[base + next]
            kept.append(entry)
            sum += Double(entry.weight) / total
        }
        return kept
    }
}

extension ArraySlice<Candidates.Entry> {
    /// The sum of their weights, added in order.
    var mass: Double { reduce(0) { $0 + Double($1.weight) } }
}

extension Array<Double> {
    /// The index of the first element for which the predicate holds, if it then holds for all later elements (binary
    /// search).
    fileprivate func partition(_ holds: (Double) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if holds(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
