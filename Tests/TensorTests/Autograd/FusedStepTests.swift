import MartletTensor
import Testing

/// Fused operations that change tensors in place, and those without gradients, against `Reference`, on random shapes.
struct FusedStepTests {
    /// What `body` leaves in its tensors and returns, in float32 by the kernels and in float64 by the formulas.
    private func compare(
        _ name: String, shapes: [Shape], squares: Set<Int> = [], tolerance: Double = 1e-5, seed: UInt64,
        sourceLocation: SourceLocation = #_sourceLocation, _ body: ([Tensor]) throws -> Tensor?
    ) throws {
        var stream = RandomStream(seed: seed)
        let values = try shapes.enumerated().map { index, shape in
            let numbers = (0..<shape.elementCount).map { _ in Float(stream.nextNormal()) }
            // Averages of squares are not negative.
            return try Tensor(squares.contains(index) ? numbers.map { $0 * $0 } : numbers, shape: shape)
        }
        let single = values.map { $0.copied() }, double = try values.map { try $0.to(.float64) }
        var found = single, wanted = double
        if let result = try body(single) { found.append(result) }
        if let result = try body(double) { wanted.append(result) }
        #expect(found.count == wanted.count, sourceLocation: sourceLocation)
        for (index, (a, b)) in zip(found, wanted).enumerated() {
            #expect(a.dtype == .float32 && b.dtype == .float64, sourceLocation: sourceLocation)
            let scale: Double = try max(0.1, b.abs().max(axes: []).item())
            let error: Double = try (a.to(.float64) - b).abs().max(axes: []).item()
            #expect(error <= tolerance * scale, "\(name), tensor \(index) of \(shapes)", sourceLocation: sourceLocation)
        }
    }

    /// Shapes of one to three dimensions, now and then with more elements than one thread takes.
    static let shapes: [Shape] = {
        var stream = RandomStream(seed: 41)
        return (0..<8).map { index in
            Shape((0...index % 3).map { _ in 1 + Int(stream.next() % (index == 6 ? 60_000 : 40)) })
        }
    }()

    /// Numbers of a step that no formula leaves out.
    private func step(_ seed: Int) -> OptimizerStep {
        var step = OptimizerStep(learningRate: 0.02)
        step.weightDecay = seed % 2 == 0 ? 0.3 : 0
        step.coupledDecay = seed % 2 == 0 ? 0 : 0.2
        step.gradientScale = 0.7
        step.beta1 = 0.9
        step.beta2 = 0.97
        step.epsilon = 1e-3
        step.correction1 = 0.4
        step.correction2 = 0.2
        step.nesterov = seed % 3 == 0
        return step
    }

    @Test(arguments: shapes.indices) func stepsFollowTheirFormulas(_ index: Int) throws {
        let shape = Self.shapes[index], step = step(index), seed = UInt64(index)
        try compare("adamW", shapes: [shape, shape, shape, shape], squares: [3], seed: seed) {
            try Fused.adamW($0[0], gradient: $0[1], mean: $0[2], square: $0[3], step)
            return nil
        }
        for isSecond in [false, true] {
            try compare("blockwiseAdamW", shape, step, steps: isSecond ? 3 : 1, seed: seed)
        }
        for hasMomentum in [false, true] {
            try compare("sgd", shapes: [shape, shape, shape], seed: seed) {
                try Fused.sgd($0[0], gradient: $0[1], momentum: hasMomentum ? $0[2] : nil, step)
                return nil
            }
            try compare("rmsprop", shapes: [shape, shape, shape, shape], squares: [2], seed: seed) {
                try Fused.rmsprop($0[0], gradient: $0[1], square: $0[2], momentum: hasMomentum ? $0[3] : nil, step)
                return nil
            }
        }
        try compare("lion", shapes: [shape, shape, shape], seed: seed) {
            try Fused.lion($0[0], gradient: $0[1], momentum: $0[2], step)
            return nil
        }
        try compare("momentum", shapes: [shape, shape], seed: seed) {
            try Fused.momentum(gradient: $0[0], momentum: $0[1], step)
        }
        try compare("moveToward", shapes: [shape, shape], seed: seed) {
            try Fused.moveToward($0[0], $0[1], share: 0.3)
            return nil
        }
        try compare("exchange", shapes: [shape, shape], tolerance: 0, seed: seed) {
            try Fused.exchange($0[0], $0[1])
            return nil
        }
        try compare("sumOfSquares", shapes: [shape, [3]], seed: seed) {
            try Tensor(Fused.sumOfSquares($0), dtype: $0[0].dtype)
        }
    }

    /// AdamW with moments in 8 bits: what is within rounding of halfway between two numbers may take either.
    private func compare(_ name: String, _ shape: Shape, _ step: OptimizerStep, steps: Int, seed: UInt64) throws {
        var stream = RandomStream(seed: seed &+ 77)
        func random() throws -> Tensor {
            try Tensor((0..<shape.elementCount).map { _ in Float(stream.nextNormal()) }, shape: shape)
        }
        func moments() throws -> [BlockwiseMoment] {
            try [true, false].map { try BlockwiseMoment(shape: shape, isSigned: $0) }
        }
        let single = try random(), double = try single.to(.float64)
        let (a, b) = (try moments(), try moments())
        for _ in 0..<steps {
            let gradient = try random()
            try Fused.blockwiseAdamW(single, gradient: gradient, mean: a[0], square: a[1], step)
            try Fused.blockwiseAdamW(double, gradient: gradient.to(.float64), mean: b[0], square: b[1], step)
        }
        for (one, other) in zip(a, b) {
            let codes = zip(try one.codes.toArray(as: UInt8.self), try other.codes.toArray(as: UInt8.self))
            #expect(codes.count { $0 != $1 } <= shape.elementCount / 1000 + 1)
            let scales = zip(try one.scales.toArray(as: Double.self), try other.scales.toArray(as: Double.self))
            #expect(scales.allSatisfy { abs($0 - $1) <= 1e-4 * $1 })
            // A map of 256 numbers is within a seventieth of the largest element everywhere, and nearer to small ones.
            let largest = try one.values().abs().max(axes: []).item(as: Double.self)
            let error = try (one.values() - other.values()).abs().max(axes: []).item(as: Double.self)
            #expect(error <= largest / 60)
        }
        let error = try (single.to(.float64) - double).abs().max(axes: []).item(as: Double.self)
        #expect(error <= (steps == 1 ? 1e-5 : 0.1), "\(name) of \(shape)")
    }

    @Test func dynamicMapsHave256DifferentNumbers() {
        for isSigned in [true, false] {
            let numbers = BlockwiseMoment.numbers(isSigned: isSigned)
            #expect(numbers.count == 256 && Set(numbers).count == 256 && numbers.contains(0) && numbers.last == 1)
            #expect((numbers[0] < 0) == isSigned && numbers == numbers.sorted())
        }
    }

    @Test(arguments: [(1, 1), (7, 30), (41, 9), (64, 64), (300, 17)])
    func stepsOfMatricesFollowTheirFormulas(height: Int, width: Int) throws {
        let seed = UInt64(height * width)
        // Of full rank, so that the directions that rounding adds stay small.
        try compare("orthogonalized", shapes: [[height, width]], tolerance: 2e-3, seed: seed) {
            try Fused.orthogonalized($0[0].copied(), epsilon: 1e-7)
        }
        for isMatrix in [false, true] {
            var step = AdafactorStep(relativeRate: 0.01, share: 0.3, epsilon1: 1e-4, epsilon2: 1e-3, clip: 1)
            step.keep = 0.99
            step.gradientScale = 0.5
            let moments: [Shape] = isMatrix ? [[height], [width]] : [[1], [height * width]]
            let shape: Shape = isMatrix ? [height, width] : [height * width]
            try compare("adafactor", shapes: [shape, shape] + moments, squares: [2, 3], seed: seed) { [step] in
                try Fused.adafactor($0[0], gradient: $0[1], rows: isMatrix ? $0[2] : nil, columns: $0[3], step)
                return nil
            }
        }
        try compare("addLowRank", shapes: [[height, width], [height, 7], [5, width], [7, 5]], seed: seed) {
            let term = LowRankTerm(down: $0[2], up: $0[3], scale: 0.5)
            try Fused.addLowRank($0[0], [LowRankPart(rows: height / 2..<height, output: 0, .plain(term))], to: [$0[1]])
            return nil
        }
        // Packed as adapters are served; on some rows two, in their order. Ranks that fill vectors, and ones that do not; as
        // codes A and B are rounded to 8 bits.
        for (rank, isCoded) in [(5, false), (16, false), (64, false), (1, true), (16, true), (40, true)] {
            let tolerance = isCoded ? 3e-2 : 1e-5
            try compare(
                "addLowRank", shapes: [[height, width], [height, 7], [rank, width], [7, rank]], tolerance: tolerance,
                seed: seed
            ) {
                let term = LowRankTerm(down: $0[2], up: $0[3], scale: 0.5)
                // What computes in float64 is given the same term as it is.
                let isPacked = PackedLowRankTerms.takes(term)
                let packed = try PackedLowRankTerms(
                    isPacked ? [term, term] : [], areCoded: isPacked ? [isCoded, isCoded] : [])
                let parts = [0..<height / 2, height / 2..<height, height / 2..<height].enumerated().map {
                    LowRankPart(rows: $1, output: 0, isPacked ? .packed(packed, $0 % 2) : .plain(term))
                }
                try Fused.addLowRank($0[0], parts, to: [$0[1]])
                return nil
            }
        }
        try compare("addRow", shapes: [[height, width], [width]], seed: seed) {
            try Fused.addRow($0[1], to: $0[0])
            return nil
        }
    }

    /// Codes change no number that is a whole part of a row's largest, however small or large the row is; what is not finite
    /// stays float32.
    @Test func codesOfTermsAreRoundedOnceInEachRow() throws {
        var stream = RandomStream(seed: 8)
        /// Whole numbers up to 127, which each row has, times a factor.
        func codes(_ shape: Shape, _ factor: Float) throws -> Tensor {
            let numbers = (0..<shape.elementCount).map { index in
                index % shape[1] == 0 ? 127 * factor : Float(Int(stream.next() % 255) - 127) * factor
            }
            return try Tensor(numbers, shape: shape)
        }
        for (factor, rows) in [(Float(1), 3), (0x1p-20, 1), (0x1p20, 40)] {
            let x = try Tensor.normal([rows, 33], mean: 0, std: 1, using: &stream)
            let term = LowRankTerm(down: try codes([20, 33], factor), up: try codes([50, 20], 1 / factor), scale: 0.3)
            let packed = try PackedLowRankTerms([term], areCoded: [true])
            #expect(packed.entries[0].isCoded && packed.byteCount < 20 * 33 + 64 * 20 + 4 * (32 + 64) + 256)
            let unpacked = packed.unpacked(0)
            #expect(try unpacked.down.toArray(as: Float.self) == term.down.toArray(as: Float.self))
            #expect(try unpacked.up.toArray(as: Float.self) == term.up.toArray(as: Float.self))
            let one = try Tensor.normal([rows, 50], mean: 0, std: 1, using: &stream), other = one.copied()
            try Fused.addLowRank(x, [LowRankPart(rows: 0..<rows, output: 0, .plain(term))], to: [one])
            try Fused.addLowRank(x, [LowRankPart(rows: 0..<rows, output: 0, .packed(packed, 0))], to: [other])
            let (wanted, found) = (try one.toArray(as: Float.self), try other.toArray(as: Float.self))
            let largest = wanted.map(abs).max() ?? 0
            #expect(zip(wanted, found).allSatisfy { abs($0 - $1) < 1e-5 * largest })
        }
        // Rows of zeros, and of numbers that only subnormal scales would fit, are zeros.
        let small = LowRankTerm(
            down: try Tensor([Float(0), 0, 1e-40, -1e-40], shape: [2, 2]), up: try Tensor.zeros([3, 2]), scale: 1)
        let zeros = try PackedLowRankTerms([small], areCoded: [true]).unpacked(0)
        #expect(try zeros.down.toArray(as: Float.self) == [0, 0, 0, 0])
        // What takes back nearly all of itself.
        let large = try Tensor.normal([1, 40], using: &stream),
            other = try large + Tensor.normal([1, 40], using: &stream) * 0.01
        let up = try Tensor.normal([30, 1], using: &stream)
        let difference = LowRankTerm(
            down: try Tensor.concatenate([large, other]), up: try Tensor.concatenate([up, up.negative()], axis: 1),
            scale: 1)
        #expect(try !PackedLowRankTerms([difference], areCoded: [true]).entries[0].isCoded)
        let broken = LowRankTerm(
            down: try Tensor([Float.infinity, 1], shape: [1, 2]), up: try Tensor.zeros([2, 1]), scale: 1)
        #expect(try !PackedLowRankTerms([broken], areCoded: [true]).entries[0].isCoded)
        let unfit = LowRankTerm(down: try Tensor.zeros([2, 3]), up: try Tensor.zeros([4, 1]), scale: 1)
        #expect(throws: TensorError.self) { try PackedLowRankTerms([unfit], areCoded: [false]) }
    }

    /// Two sequences whose keys and values lie in blocks against whole sequences: all rows at once, and the last ones alone.
    @Test(arguments: [(1, 8), (5, 6), (37, 16), (70, 24)], [0, 1, 2, 3])
    func pagesAreSeenAsWholeSequences(_ size: (length: Int, dimension: Int), _ kind: Int) throws {
        let (length, dimension) = size, heads = 4, keyValueHeads = 2
        let reach = [AttentionMask.Reach.causal, .window(9), .prefix(length / 2), .prefix(length, window: 9)][kind]
        let tokens = 2 * length
        let layout = KVLayout(
            heads: keyValueHeads, headDimension: dimension, valueDimension: dimension, offset: 0)
        let shape = AttentionShape(heads: heads, keyValueHeads: keyValueHeads, headDimension: dimension, scale: 0.3)
        let width = keyValueHeads * dimension
        for dtype in [DType.float32, .float16] {
            func attend(_ x: [Tensor], from first: Int) throws -> Tensor {
                if x[0].dtype == .float64 {
                    return try Fused.attention(
                        x[0], x[1], x[2], mask: AttentionMask(reach, within: [0..<length, length..<tokens]), shape)
                }
                var sequences: [PagedQueries] = []
                for rows in [0..<length, length..<tokens] {
                    let count = (length + KVBlock.length - 1) / KVBlock.length
                    let blocks = (0..<count).map { _ in
                        KVBlock(byteCount: layout.elementCount * dtype.blockByteCount, ledger: nil)
                    }
                    // In two parts, as a prompt and what follows it.
                    let middle = rows.lowerBound + length / 2
                    try Fused.append(
                        x[1], x[2], rows: rows.lowerBound..<middle, to: blocks, at: 0, layout, dtype)
                    try Fused.append(
                        x[1], x[2], rows: middle..<rows.upperBound, to: blocks, at: length / 2, layout, dtype)
                    sequences.append(
                        PagedQueries(
                            rows: (rows.lowerBound + first)..<rows.upperBound, blocks: blocks, keyCount: length,
                            firstPosition: first, reach: reach))
                }
                return try Fused.attention(x[0], sequences, layout, dtype, shape)
            }
            let tolerance = dtype == .float32 ? 1e-5 : 3e-3
            // One comparison for both: what is appended is what is attended to.
            try compare(
                "attendPages", shapes: [[tokens, heads * dimension], [tokens, width], [tokens, width]],
                tolerance: tolerance, seed: UInt64(length)
            ) { try attend($0, from: 0) }
            try compare(
                "appendToPages", shapes: [[tokens, heads * dimension], [tokens, width], [tokens, width]],
                tolerance: tolerance, seed: UInt64(length + 1)
            ) { x in
                let all = try attend(x, from: length - 1)
                return try Tensor.concatenate([length - 1, tokens - 1].map { try all.narrow(0, from: $0, length: 1) })
            }
        }
    }

    /// A table over a cache, and a window whose earlier blocks have been released.
    @Test func pagesAreSeenThroughTablesAndReleasedInFrontOfWindows() throws {
        let length = 200, width = 16, firstRow = 150
        let layout = KVLayout(heads: 2, headDimension: 8, valueDimension: 8, offset: 0)
        let shape = AttentionShape(heads: 4, keyValueHeads: 2, headDimension: 8, scale: 0.3)
        var stream = RandomStream(seed: 31)
        let q = try Tensor.normal([length, 32], mean: 0, std: 1, using: &stream)
        let k = try Tensor.normal([length, width], mean: 0, std: 1, using: &stream)
        let v = try Tensor.normal([length, width], mean: 0, std: 1, using: &stream)
        let blocks = (0..<4).map { _ in KVBlock(byteCount: layout.elementCount * 4, ledger: nil) }
        try Fused.append(k, v, rows: 0..<length, to: blocks, at: 0, layout, .float32)
        func attend(_ reach: AttentionMask.Reach, released: Int = 0) throws -> [Float] {
            let queries = PagedQueries(
                rows: 0..<(length - firstRow), blocks: Array(blocks[released...]), firstKey: released * KVBlock.length,
                keyCount: length, firstPosition: firstRow, reach: reach)
            return try Fused.attention(
                q.narrow(0, from: firstRow, length: length - firstRow).contiguous(), [queries], layout, .float32, shape
            ).toArray(as: Float.self)
        }
        func whole(_ reach: AttentionMask.Reach) throws -> [Float] {
            let result = try Fused.attention(
                q.to(.float64), k.to(.float64), v.to(.float64), mask: AttentionMask(reach, within: [0..<length]), shape)
            return try result.narrow(0, from: firstRow, length: length - firstRow).toArray(as: Float.self)
        }
        // Of the last rows, with keys on both sides of them.
        func sees(_ query: Int, _ key: Int) -> Bool { (query * 7 + key * 3) % 5 == 0 || key == query }
        let rows = AttentionTable(queries: length - firstRow, keys: length) { sees($0 + firstRow, $1) }
        let all = AttentionTable(queries: length, keys: length, sees)
        for window in [nil, 20] {
            let found = try attend(.table(rows, window: window)), wanted = try whole(.table(all, window: window))
            #expect(zip(found, wanted).allSatisfy { abs($0 - $1) < 1e-5 })
        }
        // Row 150 sees positions from 128 on: two blocks lie before them.
        let window = AttentionMask.Reach.window(23)
        #expect(try attend(window, released: 2) == attend(window))
        #expect(try attend(.table(rows, window: 23), released: 2) == attend(.table(rows, window: 23)))
        for (reach, released) in [(AttentionMask.Reach.window(24), 2), (.causal, 1)] {
            #expect {
                try attend(reach, released: released)
            } throws: {
                "\($0)".contains("see keys that are not in the cache, which begins at position")
            }
        }
    }

    @Test func whatDoesNotFitIsNamed() throws {
        let w = try Tensor.zeros([4]), g = try Tensor.zeros([5]), step = OptimizerStep(learningRate: 1)
        #expect { try Fused.sgd(w, gradient: g, momentum: nil, step) } throws: {
            "\($0)".hasPrefix("sgd: [5] does not fit")
        }
        #expect { try Fused.sgd(w, gradient: w.to(.float64), momentum: nil, step) } throws: {
            ($0 as? TensorError)?.kind == .dtype
        }
        let file = MappedFile(path: "w", contents: [UInt8](repeating: 0, count: 16))
        let mapped = Tensor(storage: Storage(borrowing: file.bytes, owner: file), dtype: .float32, shape: [4])
        #expect { try Fused.lion(mapped, gradient: w, momentum: w.copied(), step) } throws: {
            ($0 as? TensorError)?.kind == .storage
        }
    }

    /// The closed list against the comparisons of this file and of `FusedGradientTests`.
    @Test func everyFusedOperationIsComparedWithItsFormula() throws {
        let root = #filePath.replacing("Tests/TensorTests/Autograd/FusedStepTests.swift", with: "")
        let list = try text(root + "Sources/Tensor/Backends/FusedOperations.swift")
        let operations = Set(list.matches(of: /static func (\w+)\(/).map { String($0.1) })
        #expect(operations.count > 20)
        var compared: Set<String> = []
        for file in ["FusedStepTests.swift", "FusedGradientTests.swift", "RecurrentOperationTests.swift"] {
            let tests = try text(#filePath.replacing("FusedStepTests.swift", with: file))
            compared.formUnion(tests.matches(of: /compare\(\s*"(\w+)/).map { String($0.1) })
        }
        #expect(operations.subtracting(compared).isEmpty, "not compared: \(operations.subtracting(compared).sorted())")
    }

    private func text(_ path: String) throws -> String {
        let file = try MappedFile(path: path)
        return withExtendedLifetime(file) { String(decoding: file.bytes, as: UTF8.self) }
    }
}
