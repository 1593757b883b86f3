import MartletTensor
import Testing

struct RandomTests {
    /// Known answers of the Random123 distribution (kat_vectors, philox4x32 with 10 rounds).
    @Test func philoxGivesTheKnownAnswers() {
        let zero = Philox.block(counter: SIMD4(repeating: 0), key: SIMD2(repeating: 0))
        #expect(zero == SIMD4(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
        let ones = Philox.block(counter: SIMD4(repeating: .max), key: SIMD2(repeating: .max))
        #expect(ones == SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
        let pi = Philox.block(
            counter: SIMD4(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344), key: SIMD2(0xa409_3822, 0x299f_31d0))
        #expect(pi == SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
    }

    @Test func wordsAreAddressedByPosition() {
        var stream = RandomStream(seed: 5, stream: 9)
        let words = (0..<11).map { _ in stream.nextWord() }
        #expect(stream.position == 11)
        for (place, word) in words.enumerated() {
            #expect(RandomStream(seed: 5, stream: 9).word(at: UInt64(place)) == word)
        }
        var resumed = RandomStream(seed: 5, stream: 9, position: 7)
        #expect(resumed.nextWord() == words[7])
        #expect(RandomStream(seed: 5, stream: 8).word(at: 0) != words[0])
        #expect(RandomStream(seed: 6, stream: 9).word(at: 0) != words[0])
    }

    /// Bits of one run, to be the same on every machine and number of threads.
    @Test func normalNumbersHaveKnownBits() throws {
        var stream = RandomStream(seed: 42)
        let small = try Tensor.randn([6], using: &stream).toArray(as: Float.self)
        stream = RandomStream(seed: 42)
        let large = try Tensor.randn([300_001], using: &stream).toArray(as: Float.self)
        #expect(Array(large[..<6]) == small)
        stream = RandomStream(seed: 42)
        let doubles = try Tensor.randn([300_001], dtype: .float64, using: &stream).toArray(as: Double.self)
        #expect(zip(large, doubles).allSatisfy { $0 == Float($1) })
        let hash = doubles.reduce(UInt64(0)) { ($0 << 5 | $0 >> 59) ^ $1.bitPattern }
        #expect(hash == 2_270_674_207_414_030_657)
        // Python: statistics.NormalDist().inv_cdf over Philox words.
        let python = [-0.07882346885253179, -0.41011294279565147, -0.4480366278979277, -0.11476523741853367]
        for (found, known) in zip(doubles, python) { #expect((found - known).magnitude < 1e-14) }
    }

    @Test func quantileInvertsTheDistribution() {
        // scipy.stats.norm.ppf
        let known: [(Double, Double)] = [
            (0.5, 0), (0.975, 1.959963984540054), (0.9999, 3.719016485455709), (1e-10, -6.361340902404056),
            (1e-16, -8.222082216130435), (0.3, -0.5244005127080407),
        ]
        for (p, x) in known { #expect((NormalDistribution.quantile(p) - x).magnitude <= 2e-15 * max(1, x.magnitude)) }
        for x in stride(from: -6.0, through: 6, by: 0.37) {
            let back = NormalDistribution.quantile(NormalDistribution.cumulative(x))
            #expect((back - x).magnitude < (x.magnitude > 2 ? 1e-6 : 1e-12))
        }
    }

    @Test func momentsAreThoseOfTheDistribution() throws {
        var stream = RandomStream(seed: 1)
        let normal = try Tensor.normal([200_000], mean: 2, std: 3, dtype: .float64, using: &stream)
        #expect((try normal.mean().item(as: Double.self) - 2).magnitude < 0.03)
        #expect((try normal.std().item(as: Double.self) - 3).magnitude < 0.03)
        let uniform = try Tensor.uniform([200_000], low: -1, high: 3, using: &stream)
        #expect(try uniform.min().item(as: Float.self) >= -1)
        #expect(try uniform.max().item(as: Float.self) < 3)
        #expect((try uniform.to(.float64).mean().item(as: Double.self) - 1).magnitude < 0.01)
        let cut = try Tensor.truncatedNormal([100_000], std: 0.02, low: -0.04, high: 0.04, using: &stream)
        #expect(try cut.abs().max().item(as: Double.self) <= Double(Float(0.04)))
        // The standard deviation of a normal cut at two standard deviations.
        #expect((try cut.std().item(as: Double.self) / 0.02 - 0.8796).magnitude < 0.01)
        let coins = try Tensor.bernoulli([100_000], p: 0.3, using: &stream)
        #expect((try coins.to(.float32).mean().item(as: Double.self) - 0.3).magnitude < 0.01)
    }

    @Test func permutationHoldsEveryNumberOnce() throws {
        var stream = RandomStream(seed: 3)
        let order = try Tensor.permutation(1000, using: &stream)
        #expect(try order.sort().values.toArray(as: Int.self) == Array(0..<1000))
        #expect(try order.toArray(as: Int.self) != Array(0..<1000))
        let dice = try Tensor.randint(1, 7, [60_000], using: &stream)
        let counts = try dice.unique().counts.toArray(as: Int.self)
        #expect(counts.count == 6 && counts.allSatisfy { ($0 - 10_000).magnitude < 500 })
    }

    @Test func argumentsAreChecked() {
        var stream = RandomStream(seed: 0)
        #expect(throws: TensorError.self) { try Tensor.randn([2], dtype: .int32, using: &stream) }
        #expect(throws: TensorError.self) { try Tensor.randint(3, 3, [2], using: &stream) }
        #expect(throws: TensorError.self) { try Tensor.permutation(-1, using: &stream) }
        #expect(throws: TensorError.self) { try Tensor.randn([-1], using: &stream) }
    }
}
