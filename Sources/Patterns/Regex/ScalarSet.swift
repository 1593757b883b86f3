/// A set of code points: ascending ranges that neither touch nor overlap.
package struct ScalarSet: Hashable, Sendable {
    package private(set) var ranges: [ClosedRange<UInt32>]

    package static let last: UInt32 = 0x10FFFF
    package static let all = ScalarSet([0...last])
    package static let none = ScalarSet([])

    /// The ranges may be in any order and may overlap.
    package init(_ ranges: [ClosedRange<UInt32>]) {
        self.ranges = []
        self.ranges.reserveCapacity(ranges.count)
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let previous = self.ranges.last, range.lowerBound <= previous.upperBound + 1 {
                if range.upperBound > previous.upperBound {
                    self.ranges[self.ranges.count - 1] = previous.lowerBound...range.upperBound
                }
            } else {
                self.ranges.append(range)
            }
        }
    }

    package init(_ scalar: UInt32) { ranges = [scalar...scalar] }

    package init(union sets: [ScalarSet]) {
        if sets.count == 1 { self = sets[0] } else { self.init(sets.flatMap(\.ranges)) }
    }

    package var isEmpty: Bool { ranges.isEmpty }

    /// The scalar, if the set has exactly one.
    package var onlyScalar: UInt32? {
        guard ranges.count == 1, ranges[0].count == 1 else { return nil }
        return ranges[0].lowerBound
    }

    package func contains(_ scalar: UInt32) -> Bool {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < scalar { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].lowerBound <= scalar
    }

    package func union(_ other: ScalarSet) -> ScalarSet { ScalarSet(union: [self, other]) }

    package var inverted: ScalarSet {
        var result: [ClosedRange<UInt32>] = []
        var next: UInt32 = 0
        for range in ranges {
            if range.lowerBound > next { result.append(next...(range.lowerBound - 1)) }
            next = range.upperBound + 1
        }
        if next <= Self.last { result.append(next...Self.last) }
        return ScalarSet(result)
    }

    package func intersection(_ other: ScalarSet) -> ScalarSet {
        var result: [ClosedRange<UInt32>] = []
        forEachOverlap(with: other) {
            result.append($0)
            return true
        }
        return ScalarSet(result)
    }

    package func isDisjoint(with other: ScalarSet) -> Bool {
        var isDisjoint = true
        forEachOverlap(with: other) { _ in
            isDisjoint = false
            return false
        }
        return isDisjoint
    }

    /// Stops when `body` returns false.
    private func forEachOverlap(with other: ScalarSet, _ body: (ClosedRange<UInt32>) -> Bool) {
        var mine = 0
        var theirs = 0
        while mine < ranges.count, theirs < other.ranges.count {
            let (a, b) = (ranges[mine], other.ranges[theirs])
            let low = max(a.lowerBound, b.lowerBound)
            let high = min(a.upperBound, b.upperBound)
            if low <= high, !body(low...high) { return }
            if a.upperBound < b.upperBound { mine += 1 } else { theirs += 1 }
        }
    }
}
