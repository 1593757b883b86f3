/// A keyed permutation of `0..<count`: any single element is computed without memory and without the others.
///
/// A Feistel network permutes the numbers with an even number of bits; results of `count` or more are permuted again
/// until they are in range (cycle walking: fewer than four rounds on average, because the superset is smaller than four
/// times the set).
///
/// Source: Black and Rogaway, "Ciphers with arbitrary finite domains" (CT-RSA 2002).
public struct KeyedPermutation: Sendable {
    public let count: Int
    private let halfBits: UInt64
    private let mask: UInt64
    private let keys: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)

    public init(count: Int, key: UInt64) {
        precondition(count >= 0)
        self.count = count
        var half: UInt64 = 1
        while half < 31, 1 << (2 * half) < UInt64(count) { half += 1 }
        halfBits = half
        mask = (1 << half) - 1
        func round(_ number: UInt64) -> UInt64 {
            var hash = StreamHash(salt: key)
            hash.add(number)
            return hash.value
        }
        keys = (round(0), round(1), round(2), round(3), round(4), round(5), round(6), round(7))
    }

    public func callAsFunction(_ index: Int) -> Int {
        precondition(index >= 0 && index < count, "\(index) is outside 0..<\(count)")
        var value = UInt64(index)
        repeat { value = network(value) } while value >= UInt64(count)
        return Int(value)
    }

    private func network(_ value: UInt64) -> UInt64 {
        var left = value >> halfBits, right = value & mask
        func step(_ key: UInt64) { (left, right) = (right, left ^ (Self.mix(right ^ key) & mask)) }
        step(keys.0)
        step(keys.1)
        step(keys.2)
        step(keys.3)
        step(keys.4)
        step(keys.5)
        step(keys.6)
        step(keys.7)
        return left << halfBits | right
    }

    private static func mix(_ value: UInt64) -> UInt64 {
        var z = value &* 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        return z ^ (z >> 29)
    }
}
