/// Python's `random.Random`: the same draws from the same seed, so that few-shot examples and bootstraps are those of
/// lm-evaluation-harness.
///
/// Source: Matsumoto and Nishimura 1998 (MT19937, `init_by_array`), and the documented algorithms of Python's `random`.
package struct PythonRandom {
    private static let length = 624
    private var state = [UInt32](repeating: 0, count: length)
    private var position = length

    package init(seed: Int) {
        let magnitude = seed.magnitude
        let key =
            magnitude >> 32 == 0
            ? [UInt32(magnitude)]
            : [UInt32(truncatingIfNeeded: magnitude), UInt32(truncatingIfNeeded: magnitude >> 32)]
        state[0] = 19_650_218
        for index in 1..<Self.length {
            let before = state[index - 1]
            state[index] = 1_812_433_253 &* (before ^ (before >> 30)) &+ UInt32(index)
        }
        var index = 1, offset = 0
        for _ in 0..<max(Self.length, key.count) {
            let before = state[index - 1]
            state[index] = (state[index] ^ ((before ^ (before >> 30)) &* 1_664_525)) &+ key[offset] &+ UInt32(offset)
            (index, offset) = (index + 1, offset + 1)
            if index == Self.length { (state[0], index) = (state[Self.length - 1], 1) }
            if offset == key.count { offset = 0 }
        }
        for _ in 0..<(Self.length - 1) {
            let before = state[index - 1]
            state[index] = (state[index] ^ ((before ^ (before >> 30)) &* 1_566_083_941)) &- UInt32(index)
            index += 1
            if index == Self.length { (state[0], index) = (state[Self.length - 1], 1) }
        }
        state[0] = 0x8000_0000
    }

    mutating func word() -> UInt32 {
        if position == Self.length { refill() }
        var y = state[position]
        position += 1
        y ^= y >> 11
        y ^= (y << 7) & 0x9d2c_5680
        y ^= (y << 15) & 0xefc6_0000
        return y ^ (y >> 18)
    }

    private mutating func refill() {
        state.withUnsafeMutableBufferPointer { state in
            for index in 0..<Self.length {
                let y = (state[index] & 0x8000_0000) | (state[(index + 1) % Self.length] & 0x7fff_ffff)
                state[index] = state[(index + 397) % Self.length] ^ (y >> 1) ^ (y & 1 == 0 ? 0 : 0x9908_b0df)
            }
        }
        position = 0
    }

    /// Uniform in [0, 1) with 53 bits.
    package mutating func random() -> Double {
        let a = word() >> 5, b = word() >> 6
        return (Double(a) * 67_108_864 + Double(b)) / 9_007_199_254_740_992
    }

    /// Uniform in 0..<limit, for limits up to 2³².
    mutating func below(_ limit: Int) -> Int {
        let bits = Int.bitWidth - limit.leadingZeroBitCount
        guard bits > 0 else { return 0 }
        while true {
            let value = Int(word() >> UInt32(max(32 - bits, 0)))
            if value < limit { return value }
        }
    }

    /// `sample(range(count), k)`: k different places.
    package mutating func sample(_ count: Int, _ k: Int) -> [Int] {
        var setSize = 21
        if k > 5 {
            // 4 ** ceil(log(3k, 4)).
            var power = 1
            while power < 3 * k { power *= 4 }
            setSize += power
        }
        if count <= setSize {
            var pool = Array(0..<count)
            return (0..<k).map { index in
                let place = below(count - index)
                defer { pool[place] = pool[count - index - 1] }
                return pool[place]
            }
        }
        var chosen: Set<Int> = []
        return (0..<k).map { _ in
            var place = below(count)
            while !chosen.insert(place).inserted { place = below(count) }
            return place
        }
    }

    /// `choices(range(count), k=count)`: a bootstrap's draw, with repetition.
    package mutating func choices(_ count: Int, into places: inout [Int32]) {
        let width = Double(count)
        for index in 0..<count { places[index] = Int32(random() * width) }
    }
}
