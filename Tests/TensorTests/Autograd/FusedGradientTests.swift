import MartletTensor
import Testing

/// Fused operations on the processor's kernels against `Reference`, their formulas in float64: results and gradients.
/// A fused operation on float64 tensors is the formula, so both sides are the same call.
struct FusedGradientTests {
    /// The same call on kernels and, in float64, by formulas.
    func compare(
        _ name: String, shapes: [Shape], tolerance: Double = 2e-5, seed: UInt64 = 3, sameBits: Bool = true,
        sourceLocation: SourceLocation = #_sourceLocation, fused: ([Tensor]) throws -> Tensor
    ) throws {
        var stream = RandomStream(seed: seed)
        let values = try shapes.map { shape in
            try Tensor((0..<shape.elementCount).map { _ in Float(stream.nextNormal()) }, shape: shape)
        }
        let single = try values.map { try $0.requiringGrad() }
        let double = try values.map { try $0.to(.float64).requiringGrad() }
        // What is used up must not be the leaf itself.
        let result = try fused(single), wanted = try fused(double)
        let plain = try noGrad { try fused(values.map { $0.copied() }) }
        #expect(result.shape == wanted.shape && wanted.dtype == .float64, sourceLocation: sourceLocation)
        // What is not recorded is the same; a sum of exponentials alone may be added in another order.
        if sameBits {
            #expect(try plain.toArray(as: Float.self) == result.toArray(as: Float.self), sourceLocation: sourceLocation)
        } else {
            try expectClose("\(name), not recorded", plain, wanted, tolerance, sourceLocation)
        }
        let weights = try Tensor(
            (0..<result.elementCount).map { _ in Float(stream.nextNormal()) }, shape: result.shape)
        // Twice, so that gradients are added to.
        for _ in 0..<2 {
            try (fused(single) * weights).sum().backward()
            try (fused(double) * weights.to(.float64)).sum().backward()
        }
        try expectClose("\(name), result", result, wanted, tolerance, sourceLocation)
        for (index, (a, b)) in zip(single, double).enumerated() {
            let found = try #require(a.gradient), expected = try #require(b.gradient)
            try expectClose("\(name), gradient \(index)", found, expected, tolerance, sourceLocation)
        }
    }

    private func expectClose(
        _ name: String, _ found: Tensor, _ wanted: Tensor, _ tolerance: Double, _ sourceLocation: SourceLocation
    ) throws {
        let scale: Double = try max(1e-1, wanted.detach().abs().max(axes: []).item())
        let error: Double = try (found.detach().to(.float64) - wanted.detach()).abs().max(axes: []).item()
        #expect(error <= tolerance * scale, "\(name): off by \(error) of \(scale)", sourceLocation: sourceLocation)
    }

    @Test(arguments: [(1, 1, 1), (3, 5, 7), (70, 48, 33), (200, 16, 130)])
    func linearAgrees(rows: Int, inputs: Int, outputs: Int) throws {
        try compare("linear", shapes: [[rows, inputs], [outputs, inputs], [outputs], [2 * outputs, inputs]]) {
            try Tensor.concatenated(Fused.linear($0[0], [($0[1], $0[2]), ($0[3], nil)]))
        }
    }

    @Test(arguments: [(1, 1, 1, 1), (3, 5, 7, 2), (70, 48, 33, 8), (200, 16, 130, 3)])
    func productsWithTermsOfLowRankAgree(rows: Int, inputs: Int, outputs: Int, rank: Int) throws {
        let shapes: [Shape] = [
            [rows, inputs], [outputs, inputs], [outputs], [2 * outputs, inputs], [rank, inputs], [outputs, rank],
            [rank + 1, inputs], [2 * outputs, rank + 1],
        ]
        try compare("adaptedLinear", shapes: shapes, tolerance: 1e-4) {
            let terms = [
                LowRankTerm(down: $0[4], up: $0[5], scale: 0.5), LowRankTerm(down: $0[6], up: $0[7], scale: 2),
            ]
            return try Tensor.concatenated(Fused.linear($0[0], [($0[1], $0[2]), ($0[3], nil)], terms: terms))
        }
        // One of the weights has none, and none is trained but the term.
        try compare("adaptedLinear of one", shapes: Array(shapes[..<6]), tolerance: 1e-4) {
            let terms = [LowRankTerm(down: $0[4], up: $0[5], scale: -1.5), nil]
            return try Tensor.concatenated(Fused.linear($0[0], [($0[1], $0[2]), ($0[3], nil)], terms: terms))
        }
    }

    @Test(arguments: [(1, 1), (3, 5), (100, 64), (40, 100), (700, 17)])
    func normsAgree(rows: Int, width: Int) throws {
        let shapes: [Shape] = [[rows, width], [width]]
        for offset in [Float(0), 1] {
            try compare("rmsNorm", shapes: shapes, tolerance: 1e-4) {
                try Fused.rmsNorm($0[0], $0[1], offset: offset, epsilon: 1e-5)
            }
        }
        guard width > 1 else { return }
        try compare("layerNorm", shapes: shapes + [[width]], tolerance: 1e-4) {
            try Fused.layerNorm($0[0], $0[1], $0[2], epsilon: 1e-5)
        }
    }

    @Test func headsAreNormalisedOneByOne() throws {
        try compare("rmsNorm of heads", shapes: [[6, 24], [8]], tolerance: 1e-4) {
            try Fused.rmsNorm($0[0], $0[1], offset: 0, epsilon: 1e-6)
        }
    }

    @Test(arguments: [Fused.PointwiseFunction.silu, .gelu, .geluTanh, .relu])
    func activationsAndGatesAgree(_ function: Fused.PointwiseFunction) throws {
        try compare("activate", shapes: [[5, 37]]) { try Fused.activate($0[0], function) }
        try compare("gate", shapes: [[9, 70], [9, 70]]) { try Fused.gate($0[0], $0[1], function) }
    }

    @Test func whatStandsElementByElementAgrees() throws {
        try compare("add", shapes: [[3, 40], [3, 40]]) { try Fused.add($0[0], $0[1]) }
        try compare("softmax", shapes: [[3, 41]]) { try Fused.softmax($0[0]) }
        try compare("softCap", shapes: [[3, 41]]) { try Fused.softCap($0[0], 2) }
    }

    @Test func embeddingAddsRowsThatAreNamedTwice() throws {
        try compare("embed", shapes: [[5, 33]]) { try Fused.embed([2, 0, 2, 4, 2], $0[0], scale: 3) }
        try compare("placeRows", shapes: [[2, 33]]) { try Fused.placeRows($0[0], at: [3, 1], of: 4) }
    }

    @Test(arguments: [false, true], [6, 8])
    func rotationTurnsGradientsBack(interleaved: Bool, rotary: Int) throws {
        let tokens = 7, heads = 2, dimension = 8
        let positions: [Int32] = [0, 1, 2, 0, 1, 9, 3]
        var cosines: [Float] = [], sines: [Float] = []
        for position in 0..<10 {
            for pair in 0..<rotary / 2 {
                let angle = Double(position) / Double(1 + pair * 3)
                cosines.append(try Tensor(angle).cos().item())
                sines.append(try Tensor(angle).sin().item())
            }
        }
        let table: Shape = [10, rotary / 2]
        let rotation = Rotation(
            cosine: try Tensor(cosines, shape: table), sine: try Tensor(sines, shape: table), dimension: rotary,
            interleaved: interleaved)
        let runs = [
            RotationRun(rows: 0..<3, rotation: rotation), RotationRun(rows: 3..<tokens, rotation: rotation),
        ]
        try compare("rotate", shapes: [[tokens, heads * dimension]]) {
            try Fused.rotate($0[0] + 0.0, heads: heads, runs, positions)
        }
    }

    struct AttentionCase: Sendable {
        var lengths: [Int]
        var heads = 2, keyValueHeads = 2, dimension = 8
        var window: Int?
        var softCap: Float?
        var isCausal = true
        var dropout = 0.0
    }

    @Test(arguments: [
        AttentionCase(lengths: [1]), AttentionCase(lengths: [5, 1, 9]),
        AttentionCase(lengths: [130], heads: 4, keyValueHeads: 2, dimension: 16),
        AttentionCase(lengths: [211, 3], heads: 3, keyValueHeads: 1, dimension: 33),
        AttentionCase(lengths: [230], window: 17), AttentionCase(lengths: [97], softCap: 3),
        AttentionCase(lengths: [100, 200], isCausal: false),
        AttentionCase(lengths: [130, 7], heads: 4, keyValueHeads: 2, window: 101, dropout: 0.3),
        AttentionCase(lengths: [99], softCap: 3, isCausal: false, dropout: 0.1),
    ])
    func attentionAgrees(_ test: AttentionCase) throws {
        let tokens = test.lengths.reduce(0, +), dimension = test.dimension
        var segments: [Range<Int>] = []
        for length in test.lengths {
            let start = segments.last?.upperBound ?? 0
            segments.append(start..<start + length)
        }
        let shape = AttentionShape(
            heads: test.heads, keyValueHeads: test.keyValueHeads, headDimension: dimension, scale: 0.3,
            softCap: test.softCap)
        let mask = AttentionMask(test.isCausal ? .init(window: test.window) : .everything, within: segments)
        let width: Shape = [tokens, test.keyValueHeads * dimension]
        let dropout = AttentionDropout(probability: test.dropout, key: 77, firstToken: 1000)
        try compare("attention \(test)", shapes: [[tokens, test.heads * dimension], width, width], tolerance: 1e-4) {
            try Fused.attention($0[0], $0[1], $0[2], mask: mask, shape, dropout: dropout)
        }
    }

    /// Queries of one sequence over keys of another, as many or fewer or more.
    @Test(arguments: [[(5, 9)], [(1, 1), (60, 3), (3, 130)], [(0, 4), (7, 7)]], [0, 0.2])
    func crossAttentionAgrees(_ lengths: [(queries: Int, keys: Int)], dropout: Double) throws {
        var blocks: [(queries: Range<Int>, keys: Range<Int>)] = [], queries = 0, keys = 0
        for length in lengths {
            blocks.append((queries..<queries + length.queries, keys..<keys + length.keys))
            (queries, keys) = (queries + length.queries, keys + length.keys)
        }
        let shape = AttentionShape(heads: 4, keyValueHeads: 2, headDimension: 8, scale: 0.3)
        let seen = AttentionMask(.everything, queries: blocks.map(\.queries), keys: blocks.map(\.keys)), own = queries
        try compare("cross-attention", shapes: [[own, 32], [keys, 16], [keys, 16]], tolerance: 1e-4) {
            try Fused.attention(
                $0[0], $0[1], $0[2], mask: seen, shape, dropout: AttentionDropout(probability: dropout, key: 5))
        }
    }

    @Test(arguments: [AttentionMask.Reach.causal, .window(7), .everything], [0, 0.2])
    func sinksTakeTheirShare(_ reach: AttentionMask.Reach, dropout: Double) throws {
        let shape = AttentionShape(heads: 4, keyValueHeads: 2, headDimension: 8, scale: 0.3, softCap: 4)
        try compare("sinks", shapes: [[60, 32], [60, 16], [60, 16], [4]], tolerance: 1e-4) {
            try Fused.attention(
                $0[0], $0[1], $0[2], mask: AttentionMask(reach, within: [0..<55, 55..<60]), shape, sinks: $0[3],
                dropout: AttentionDropout(probability: dropout, key: 5))
        }
    }

    /// Heads whose values are narrower or wider than their keys.
    @Test(arguments: [AttentionMask.Reach.causal, .window(31), .everything], [1, 5, 24])
    func valuesOfAnotherWidthAgree(_ reach: AttentionMask.Reach, width: Int) throws {
        let shape = AttentionShape(heads: 4, keyValueHeads: 2, headDimension: 8, valueDimension: width, scale: 0.3)
        let dropout = AttentionDropout(probability: 0.1, key: 5)
        try compare(
            "values", shapes: [[105, 32], [105, 16], [105, 2 * width], [4]], tolerance: 1e-4
        ) {
            try Fused.attention(
                $0[0], $0[1], $0[2], mask: AttentionMask(reach, within: [0..<100, 100..<105]), shape, sinks: $0[3],
                dropout: dropout)
        }
    }

    /// Each query sees itself, a run of early keys and every seventh, later ones too.
    private static func table(_ count: Int) -> AttentionTable {
        AttentionTable(queries: count, keys: count) { query, key in
            query == key || (key < 20 && key % 3 == query % 3) || (key + query) % 7 == 0
        }
    }

    static let masks: [AttentionMask] = [
        AttentionMask(.prefix(40), within: [0..<100]), AttentionMask(.prefix(100), within: [0..<100]),
        AttentionMask(.prefix(60, window: 9), within: [0..<100]), AttentionMask(.prefix(0), within: [0..<100]),
        AttentionMask([.prefix(1), .prefix(57), .causal], within: [0..<3, 3..<80, 80..<100]),
        AttentionMask(.table(table(100)), within: [0..<100]),
        AttentionMask(.table(table(100), window: 30), within: [0..<100]),
        AttentionMask([.everything, .table(table(63)), .window(4)], within: [0..<20, 20..<83, 83..<100]),
    ]

    @Test(arguments: masks, [0, 0.2]) func masksOfEveryKindAgree(_ mask: AttentionMask, dropout: Double) throws {
        let shape = AttentionShape(
            heads: 4, keyValueHeads: 2, headDimension: 8, valueDimension: 5, scale: 0.3,
            softCap: dropout > 0 ? 3 : nil)
        try compare("attention, masked", shapes: [[100, 32], [100, 16], [100, 10], [4]], tolerance: 1e-4) {
            try Fused.attention(
                $0[0], $0[1], $0[2], mask: mask, shape, sinks: $0[3],
                dropout: AttentionDropout(probability: dropout, key: 5))
        }
    }

    /// Sums page by page are the same formula, and have its gradient.
    @Test(arguments: masks + [AttentionMask(.everything, queries: [0..<60, 60..<100], keys: [0..<99, 99..<100])])
    func sumsByPagesAgree(_ mask: AttentionMask) throws {
        var shape = AttentionShape(
            heads: 4, keyValueHeads: 2, headDimension: 8, valueDimension: 5, scale: 0.3, softCap: 3)
        shape.isInPages = true
        try compare("attention, in pages", shapes: [[100, 32], [100, 16], [100, 10], [4]], tolerance: 1e-4) {
            [shape] in try Fused.attention($0[0], $0[1], $0[2], mask: mask, shape, sinks: $0[3])
        }
    }

    /// A pass that is recorded has the bits of a cache that is filled token by token.
    @Test(arguments: [AttentionMask.Reach.causal, .window(70)], [8, 6])
    func sumsByPagesHaveTheBitsOfACache(_ reach: AttentionMask.Reach, _ dimension: Int) throws {
        var shape = AttentionShape(heads: 4, keyValueHeads: 2, headDimension: dimension, scale: 0.3)
        var stream = RandomStream(seed: 4)
        let tokens = 150, start = 9
        let (q, k, v) = (
            try Tensor.normal([tokens, 4 * dimension], mean: 0, std: 2, using: &stream),
            try Tensor.normal([tokens, 2 * dimension], mean: 0, std: 2, using: &stream),
            try Tensor.normal([tokens, 2 * dimension], mean: 0, std: 2, using: &stream)
        )
        let layout = KVLayout(
            heads: 2, headDimension: dimension, valueDimension: dimension, offset: 0, dtype: .float32)
        let blocks = (0..<3).map { _ in KVBlock(byteCount: layout.elementCount * 4, ledger: nil) }
        var written: [Float] = []
        for token in start..<tokens {
            try Fused.append(
                k, v, rows: token..<token + 1, to: Array(blocks[((token - start) / KVBlock.length)...]),
                at: (token - start) % KVBlock.length, layout, .float32)
            let one = try q.slice(0, from: token, to: token + 1).contiguous()
            let seen = PagedQueries(
                rows: 0..<1, blocks: blocks, keyCount: token - start + 1, firstPosition: token - start, reach: reach)
            written += try Fused.attention(one, [seen], layout, .float32, shape).toArray(as: Float.self)
        }
        shape.isInPages = true
        let mask = AttentionMask(reach, within: [0..<start, start..<tokens])
        let whole = try Fused.attention(q.requiringGrad(), k, v, mask: mask, shape)
        #expect(try whole.detach().toArray(as: Float.self)[(start * 4 * dimension)...] == written[...])
    }

    /// Gradients of the masked kernel against central differences of its own results.
    @Test(arguments: [masks[2], masks[6]]) func gradientsOfMasksAreDifferences(_ mask: AttentionMask) throws {
        let shape = AttentionShape(heads: 2, keyValueHeads: 1, headDimension: 8, scale: 0.3)
        var stream = RandomStream(seed: 12)
        let inputs = try [16, 8, 8].map { try Tensor.normal([100, $0], mean: 0, std: 1, using: &stream) }
        let weights = try Tensor.normal([100, 16], mean: 0, std: 1, using: &stream)
        func value(_ x: [Tensor]) throws -> Tensor {
            try (Fused.attention(x[0], x[1], x[2], mask: mask, shape) * weights.to(x[0].dtype)).sum()
        }
        let leaves = try inputs.map { try $0.requiringGrad() }
        try value(leaves).backward()
        for (index, leaf) in leaves.enumerated() {
            let found = try #require(leaf.gradient)
            for place in [3, 150, 401, 777] {
                let h = 1e-4
                func moved(_ by: Double) throws -> Double {
                    var x = try inputs.map { try $0.to(.float64) }
                    var numbers = try x[index].toArray(as: Double.self)
                    numbers[place] += by
                    x[index] = try Tensor(numbers, shape: x[index].shape)
                    return try value(x).item()
                }
                let expected = try (moved(h) - moved(-h)) / (2 * h)
                let own = try Double(found.toArray(as: Float.self)[place])
                #expect(abs(own - expected) < 1e-4 * max(1, abs(expected)), "input \(index), element \(place)")
            }
        }
    }

    /// What a table says in other words is the same to the bit.
    @Test func aTableOfARuleIsTheRule() throws {
        let shape = AttentionShape(heads: 2, keyValueHeads: 2, headDimension: 8, scale: 0.3)
        var stream = RandomStream(seed: 4)
        let x = try (0..<3).map { _ in try Tensor.normal([90, 16], mean: 0, std: 1, using: &stream) }
        for reach in [AttentionMask.Reach.causal, .window(11), .everything, .prefix(30)] {
            let table = AttentionTable(queries: 90, keys: 90) { reach.sees(key: $1, from: $0) }
            let found = try Fused.attention(
                x[0], x[1], x[2], mask: AttentionMask(.table(table), within: [0..<90]), shape)
            let wanted = try Fused.attention(x[0], x[1], x[2], mask: AttentionMask(reach, within: [0..<90]), shape)
            let error: Double = try (found - wanted).abs().max(axes: []).item()
            #expect(error < 1e-6, "\(reach)")
        }
        let all = AttentionTable(queries: 90, keys: 90) { _, _ in true }
        #expect(all == AttentionTable(queries: 90, keys: 90) { _, _ in true } && all.pairCount == 8100)
        #expect(all != AttentionTable(queries: 90, keys: 90) { $0 != 3 || $1 != 5 })
    }

    @Test func masksThatDoNotFitAreRefused() throws {
        let x = try Tensor.zeros([6, 8]), shape = AttentionShape(heads: 1, keyValueHeads: 1, headDimension: 8, scale: 1)
        for mask in [
            AttentionMask(within: [0..<5]), AttentionMask(.causal, queries: [0..<2, 2..<6], keys: [0..<3, 3..<6]),
            AttentionMask(.everything, queries: [0..<2, 2..<6], keys: [0..<0, 0..<6]),
            AttentionMask(.window(0), within: [0..<6]), AttentionMask([.causal], within: [0..<3, 3..<6]),
            AttentionMask(.prefix(7), within: [0..<6]), AttentionMask(.prefix(-1), within: [0..<6]),
            AttentionMask(.table(AttentionTable(queries: 5, keys: 6) { _, _ in true }), within: [0..<6]),
            AttentionMask(.table(AttentionTable(queries: 6, keys: 6) { query, _ in query != 2 }), within: [0..<6]),
            AttentionMask(
                .table(AttentionTable(queries: 6, keys: 6) { $1 == ($0 < 4 ? 0 : $0) }, window: 3), within: [0..<6]),
        ] {
            #expect(throws: TensorError.self) { try Fused.attention(x, x, x, mask: mask, shape) }
        }
        let blind = AttentionTable(queries: 6, keys: 6) { query, _ in query != 2 }
        #expect {
            try Fused.attention(x, x, x, mask: AttentionMask(.table(blind), within: [0..<6]), shape)
        } throws: {
            "\($0)".contains("query 2 of the table sees no key")
        }
    }

    @Test(arguments: [(Float(0), Float(0), nil), (0.1, 0, nil), (0, 0.01, nil), (0.05, 0.001, Float(2))])
    func crossEntropyAgrees(smoothing: Float, zLoss: Float, cap: Float?) throws {
        let rows = 150, vocabulary = 71
        let targets = (0..<rows).map { $0 % 7 == 3 ? Int32(-100) : Int32(($0 * 37) % vocabulary) }
        let factors = (0..<rows).map { Float($0 % 3) / 2 }
        let options = CrossEntropyOptions(
            smoothing: smoothing, zLoss: zLoss, softCap: cap, temperature: cap == nil ? 0.7 : 1)
        try compare("crossEntropy", shapes: [[rows, 24], [vocabulary, 24]], sameBits: false) {
            try Fused.crossEntropy($0[0], $0[1], targets: targets, rowWeights: factors, divisor: 13, options)
        }
        try compare("logProbabilities", shapes: [[rows, 24], [vocabulary, 24]]) {
            try Fused.logProbabilities($0[0], $0[1], targets: targets, CrossEntropyOptions(softCap: cap))
        }
        let shapes: [Shape] = [[rows, 24], [vocabulary, 24], [vocabulary]]
        try compare("crossEntropy with a bias", shapes: shapes, sameBits: false) {
            try Fused.crossEntropy(
                $0[0], $0[1], bias: $0[2], targets: targets, rowWeights: factors, divisor: 13, options)
        }
        try compare("logProbabilities with a bias", shapes: shapes) {
            try Fused.logProbabilities(
                $0[0], $0[1], bias: $0[2], targets: targets, CrossEntropyOptions(softCap: cap))
        }
        // With a frozen head the gradient is found along with the value.
        var stream = RandomStream(seed: 8)
        let head = try Tensor((0..<vocabulary * 24).map { _ in Float(stream.nextNormal()) }, shape: [vocabulary, 24])
        let bias = try Tensor((0..<vocabulary).map { _ in Float(stream.nextNormal()) })
        try compare("logProbabilities, frozen head", shapes: [[rows, 24]]) {
            try Fused.logProbabilities(
                $0[0], head.to($0[0].dtype), bias: bias.to($0[0].dtype), targets: targets,
                CrossEntropyOptions(softCap: cap, temperature: options.temperature))
        }
    }

    @Test func lossDoesNotDependOnTheCutIntoMicroBatches() throws {
        var stream = RandomStream(seed: 5)
        let x = try Tensor((0..<40 * 8).map { _ in Float(stream.nextNormal()) }, shape: [40, 8])
        let weight = try Tensor((0..<30 * 8).map { _ in Float(stream.nextNormal()) }, shape: [30, 8])
        let targets = (0..<40).map { (index: Int) in Int32(index % 5 == 0 ? -100 : index % 30) }
        func gradient(_ cuts: [Range<Int>]) throws -> (Double, [Double]) {
            let w = try weight.requiringGrad()
            var total = 0.0
            for rows in cuts {
                let loss = try Fused.crossEntropy(
                    x.slice(0, from: rows.lowerBound, to: rows.upperBound), w, targets: Array(targets[rows]),
                    divisor: 32)
                total += try loss.item(as: Double.self)
                try loss.backward()
            }
            return (total, try #require(w.gradient).toArray())
        }
        let whole = try gradient([0..<40]), parts = try gradient([0..<7, 7..<20, 20..<40])
        #expect(abs(whole.0 - parts.0) < 1e-6)
        #expect(zip(whole.1, parts.1).allSatisfy { abs($0 - $1) < 1e-6 })
    }

    @Test func aBatchWithoutTargetsHasNoLossAndNoGradient() throws {
        let x = try Tensor([Float](repeating: 1, count: 6)).reshape(3, 2).requiringGrad()
        let weight = try Tensor([Float](repeating: 1, count: 8)).reshape(4, 2).requiringGrad()
        let targets = [Int32](repeating: -100, count: 3)
        let loss = try Fused.crossEntropy(x, weight, targets: targets, divisor: 1)
        let logProbabilities = try Fused.logProbabilities(x, weight, targets: targets)
        #expect(try loss.item() as Float == 0)
        #expect(try logProbabilities.toArray() == [Float](repeating: 0, count: 3))
        try (loss + logProbabilities.sum()).backward()
        #expect(try #require(x.gradient).toArray() == [Float](repeating: 0, count: 6))
        #expect(try #require(weight.gradient).toArray() == [Float](repeating: 0, count: 8))
    }

    @Test func targetsOutsideTheVocabularyAreNamed() throws {
        let x = try Tensor.zeros([2, 4]), weight = try Tensor.zeros([3, 4])
        #expect { try Fused.crossEntropy(x, weight, targets: [0, 3], divisor: 1) } throws: {
            "\($0)".contains("target 3 of row 1")
        }
    }
}

extension Tensor {
    /// All elements of several tensors in a row, by operations that have a gradient.
    fileprivate static func concatenated(_ parts: [Tensor]) throws -> Tensor {
        try concatenate(parts.map { try $0.reshape(-1) }, axis: 0)
    }
}
