/// One of the 2^64 independent sequences of random numbers of a seed.
///
/// Number `n` of the sequence is a function of (seed, stream, n) only: it can be computed in any order, on any thread
/// and machine, and a run resumes by storing the position. Every request, training step or layer uses its own stream
/// instead of sharing one. Nothing here depends on the system's math library.
///
/// ```swift
/// var stream = RandomStream(seed: 1, stream: 3)
/// let x = try Tensor.normal([4, 8], mean: 0, std: 1, using: &stream)
/// let next = stream.nextNormal()
/// ```
public struct RandomStream: Sendable, Hashable, RandomNumberGenerator {
    public let seed: UInt64
    public let stream: UInt64
    /// The number of 32-bit words consumed.
    public var position: UInt64

    public init(seed: UInt64, stream: UInt64 = 0, position: UInt64 = 0) {
        self.seed = seed
        self.stream = stream
        self.position = position
    }

    /// Words `4 index ..< 4 index + 4` of the sequence.
    @inline(__always)
    public func block(_ index: UInt64) -> SIMD4<UInt32> {
        Philox.block(
            counter: SIMD4(
                UInt32(truncatingIfNeeded: index), UInt32(truncatingIfNeeded: index >> 32),
                UInt32(truncatingIfNeeded: stream), UInt32(truncatingIfNeeded: stream >> 32)),
            key: SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
    }

    /// Word `index` of the sequence.
    public func word(at index: UInt64) -> UInt32 { block(index >> 2)[Int(index & 3)] }

    public mutating func nextWord() -> UInt32 {
        defer { position &+= 1 }
        return word(at: position)
    }

    public mutating func next() -> UInt64 {
        let low = nextWord()
        return UInt64(low) | UInt64(nextWord()) << 32
    }

    /// Uniform in [0, 1), a multiple of 2^-53. Takes two words.
    public mutating func nextUniform() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// Standard normal. Takes two words.
    public mutating func nextNormal() -> Double { NormalDistribution.quantile(Self.openUnit(next())) }

    /// Uniform in `0 ..< bound`, unbiased: words that would favour small results are rejected (Lemire 2019).
    public mutating func nextIndex(below bound: Int) -> Int {
        precondition(bound > 0)
        let bound = UInt64(bound)
        var product = next().multipliedFullWidth(by: bound)
        if product.low < bound {
            let threshold = (0 &- bound) % bound
            while product.low < threshold { product = next().multipliedFullWidth(by: bound) }
        }
        return Int(product.high)
    }

    /// The midpoint of one of 2^52 equal parts of (0, 1): never 0 or 1.
    @inline(__always)
    static func openUnit(_ bits: UInt64) -> Double { (Double(bits >> 12) + 0.5) * 0x1p-52 }

    /// Advances to the start of a block and consumes `words`; returns the index of the first block.
    mutating func reserve(words: Int) -> UInt64 {
        let first = (position &+ 3) >> 2
        position = (first << 2) &+ UInt64(words)
        return first
    }
}
