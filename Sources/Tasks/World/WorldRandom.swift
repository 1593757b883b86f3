/// SplitMix64, seeded by all keys that identify a draw. Draw number `index` does not depend on earlier draws and has
/// the same bytes on every machine.
///
/// Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014).
package struct WorldRandom: Sendable {
    private var state: UInt64

    package init(_ keys: UInt64...) {
        state = keys.reduce(0x6D61_7274_6C65_7431) { Self.mixed(($0 ^ Self.mixed($1)) &+ 0x9E37_79B9_7F4A_7C15) }
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mixed(state)
    }

    /// A number below `bound`, from the high half of a product; 0 if `bound` is at most 1.
    package mutating func below(_ bound: Int) -> Int {
        guard bound > 1 else { return 0 }
        return Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }

    package mutating func within(_ range: ClosedRange<Int>) -> Int { range.lowerBound + below(range.count) }

    /// True with a probability of `percent` percent.
    package mutating func chance(_ percent: Int) -> Bool { below(100) < percent }

    package mutating func pick<T>(_ items: [T]) -> T { items[below(items.count)] }

    /// `count` different items in random order; all items if there are fewer.
    package mutating func sample<T>(_ items: [T], _ count: Int) -> [T] {
        var items = items
        let count = Swift.min(count, items.count)
        for i in 0..<count { items.swapAt(i, i + below(items.count - i)) }
        return Array(items[..<count])
    }

    package mutating func shuffled<T>(_ items: [T]) -> [T] { sample(items, items.count) }

    /// A random index with probability proportional to its weight.
    package mutating func weighted(_ weights: [Int]) -> Int {
        var rest = below(weights.reduce(0, +))
        for (i, weight) in weights.enumerated() {
            if rest < weight { return i }
            rest -= weight
        }
        return 0
    }

    /// The finaliser of SplitMix64: every bit of `x` affects every bit of the result.
    package static func mixed(_ x: UInt64) -> UInt64 {
        var z = x
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
