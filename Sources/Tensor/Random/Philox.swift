/// Philox4x32-10, a counter-based generator: four random words from a 128-bit counter and a 64-bit key, without state.
///
/// Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), section 3.3.
public enum Philox {
    @inline(__always)
    public static func block(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
        var counter = counter, key = key
        for round in 0..<10 {
            if round > 0 { key &+= SIMD2(0x9E37_79B9, 0xBB67_AE85) }
            let first = UInt64(counter.x) &* 0xD251_1F53, second = UInt64(counter.z) &* 0xCD9E_8D57
            counter = SIMD4(
                UInt32(truncatingIfNeeded: second >> 32) ^ counter.y ^ key.x, UInt32(truncatingIfNeeded: second),
                UInt32(truncatingIfNeeded: first >> 32) ^ counter.w ^ key.y, UInt32(truncatingIfNeeded: first))
        }
        return counter
    }
    /// The blocks `first ..< first + 4` of the low half of the counter, one block per lane; each block's words as two
    /// pairs.
    @inline(__always)
    static func fourBlocks(
        first: UInt64, stream: UInt64, seed: UInt64
    ) -> (first: SIMD4<UInt64>, second: SIMD4<UInt64>) {
        let mask = SIMD4<UInt64>(repeating: 0xffff_ffff), shift = SIMD4<UInt64>(repeating: 32)
        let index = SIMD4<UInt64>(first, first &+ 1, first &+ 2, first &+ 3)
        var c0 = index & mask, c1 = index &>> shift
        var c2 = SIMD4<UInt64>(repeating: stream & 0xffff_ffff), c3 = SIMD4<UInt64>(repeating: stream >> 32)
        var k0 = seed & 0xffff_ffff, k1 = seed >> 32
        for _ in 0..<10 {
            let a = (c0 & mask) &* SIMD4(repeating: 0xD251_1F53), b = (c2 & mask) &* SIMD4(repeating: 0xCD9E_8D57)
            c0 = (b &>> shift) ^ c1 ^ SIMD4(repeating: k0)
            c1 = b & mask
            c2 = (a &>> shift) ^ c3 ^ SIMD4(repeating: k1)
            c3 = a & mask
            k0 = (k0 &+ 0x9E37_79B9) & 0xffff_ffff
            k1 = (k1 &+ 0xBB67_AE85) & 0xffff_ffff
        }
        return (c0 | c1 &<< shift, c2 | c3 &<< shift)
    }
}
