import CKernels
import Glibc
import Testing

/// A sequence, its cache and how its queries see it.
private struct Scene {
    var tokens = 150, kvHeads = 2, group = 2, dimension = 64
    var before = Int(MARTLET_ALL_KEYS), after = 0, prefix = 0
    /// A byte for each token and key; of the keys above, only those whose byte is not 0 are seen.
    var seen: [UInt8]?
    var softCap: Float = 0
    var slopes: [Float]?
    var sinks: [Float]?
    var half = false
    /// Of a quantised cache: 8 or 4.
    var bits = 0
    /// Over a cache of float32 with scores, weights and sums in float64.
    var wide = false
    /// Whether keys are the values, which are not stored again.
    var sharesValues = false
    var seed: UInt64 = 1

    var heads: Int { kvHeads * group }
    var scale: Float { 1 / Float(dimension).squareRoot() }

    /// - Parameter stored: keys and values as the cache holds them. Those of four bits are found again as they are; of eight
    ///   bits the largest may move by one code where its neighbour is even, so that the scale would be another.
    func inputs(stored: Bool = false) -> (q: [Float], k: [Float], v: [Float]) {
        var generator = SeededGenerator(state: seed)
        let q = generator.floats(tokens * heads * dimension, in: -2...2)
        var k = generator.floats(tokens * kvHeads * dimension, in: -2...2)
        var v = sharesValues ? k : generator.floats(tokens * kvHeads * dimension)
        if bits == 8 {
            // So coarse that turning a head is exact: which of two codes is nearer does not hang on a rounding.
            (k, v) = (k.map { ($0 * 64).rounded() / 64 }, v.map { ($0 * 64).rounded() / 64 })
        }
        if bits == 4 || bits == 8 && stored {
            return (q, quantized(k, top: bits == 8 ? 255 : 8), quantized(v, top: bits == 8 ? 127 : 8))
        }
        guard half else { return (q, k, v) }
        return (q, k.map { Float(Float16($0)) }, v.map { Float(Float16($0)) })
    }

    /// H x / √span of every span of a head, by definition: H[i, j] = −1 to the number of bits that i and j share.
    private func turned(_ values: [Float]) -> [Float] {
        let span = dimension & -dimension, factor = 1 / Float(span).squareRoot()
        var result = values
        for first in stride(from: 0, to: values.count, by: span) {
            for row in 0..<span {
                var sum = 0.0
                for column in 0..<span {
                    let isOdd = (row & column).nonzeroBitCount % 2 == 1
                    sum += Double(isOdd ? -values[first + column] : values[first + column])
                }
                result[first + row] = Float(sum) * factor
            }
        }
        return result
    }

    /// What runs of the turned heads stand for as codes and a half precision scale, turned back.
    private func quantized(_ values: [Float], top: Float) -> [Float] {
        var result = turned(values)
        let length = martlet_cache_run(Int32(bits), dimension)
        for first in stride(from: 0, to: values.count, by: length) {
            let run = result[first..<first + length]
            let extreme = run.max { abs($0) < abs($1) } ?? 0
            let scale = Float(Float16(bits == 8 ? abs(extreme) / top : extreme / -8))
            let range: ClosedRange<Float> = bits == 8 ? -top...top : -8...7
            if top == 255 {
                for index in stride(from: first, to: first + length, by: 2) {
                    let codes = pair(result[index] * (1 / scale), result[index + 1] * (1 / scale))
                    for k in 0..<2 { result[index + k] = scale * codes[k] }
                }
                continue
            }
            for index in run.indices {
                let code = (result[index] * (scale == 0 ? 0 : 1 / scale)).rounded(.toNearestOrEven)
                result[index] = scale * min(max(code, range.lowerBound), range.upperBound)
            }
        }
        return turned(result)
    }

    /// The nearest two codes within ±255 that are both even or both odd.
    private func pair(_ a: Float, _ b: Float) -> [Float] {
        func nearest(_ value: Float, _ odd: Float) -> Float {
            min(max(2 * ((value - odd) / 2).rounded(.toNearestOrEven) + odd, -254 - odd), 254 + odd)
        }
        func miss(_ x: [Float]) -> Float { (x[0] - a) * (x[0] - a) + (x[1] - b) * (x[1] - b) }
        let even = [nearest(a, 0), nearest(b, 0)], odd = [nearest(a, 1), nearest(b, 1)]
        return miss(odd) < miss(even) ? odd : even
    }

    /// Softmax over the visible keys in double precision, by definition.
    func reference() -> [Double] {
        let (q, k, v) = inputs(stored: true)
        var out = [Double](repeating: 0, count: tokens * heads * dimension)
        for t in 0..<tokens {
            let range = t < prefix ? 0...(prefix - 1) : max(0, t - before)...min(tokens - 1, t + after)
            let keys = range.filter { seen?[t * tokens + $0] != 0 }
            for h in 0..<heads {
                let row = (t * heads + h) * dimension
                let scores = keys.map { j -> Double in
                    let key = (j * kvHeads + h / group) * dimension
                    var s = 0.0
                    for d in 0..<dimension { s += Double(q[row + d]) * Double(k[key + d]) }
                    s *= Double(scale)
                    if softCap != 0 { s = Double(softCap) * tanh(s / Double(softCap)) }
                    return s + Double(slopes?[h] ?? 0) * Double(j - t)
                }
                let largest = max(scores.max() ?? 0, sinks.map { Double($0[h]) } ?? -.infinity)
                let weights = scores.map { exp($0 - largest) }
                let total = weights.reduce(0, +) + (sinks.map { exp(Double($0[h]) - largest) } ?? 0)
                for (w, j) in zip(weights, keys) {
                    for d in 0..<dimension {
                        out[row + d] += w / total * Double(v[(j * kvHeads + h / group) * dimension + d])
                    }
                }
            }
        }
        return out
    }

    /// The kernel's output: `step` tokens enter the cache and ask at a time, rows in ranges of at most `rows`.
    /// Slots not yet written hold NaN.
    func run(_ kernels: martlet_attention_kernels, step: Int, rows: Int = .max, k changed: [Float]? = nil) -> [Float] {
        let (q, original, v) = inputs()
        let k = changed ?? original
        var out = [Float](repeating: .nan, count: tokens * heads * dimension)
        let pages = (tokens + Int(MARTLET_PAGE_TOKENS) - 1) / Int(MARTLET_PAGE_TOKENS)
        let elements = dimension * Int(MARTLET_PAGE_TOKENS)
        // Quantised caches count bytes.
        func stride(keys: Bool) -> Int {
            bits == 0 ? elements : martlet_cache_page_bytes(Int32(bits), keys, dimension)
        }
        let keyStride = stride(keys: true), valueStride = stride(keys: false)
        // One page holds keys then values of all heads; pages lie in reverse order.
        let bytes = kvHeads * (keyStride + valueStride) * (bits > 0 ? 1 : half ? 2 : 4)
        let append =
            bits == 8
            ? kernels.append_q8 : bits == 4 ? kernels.append_q4 : half ? kernels.append_f16 : kernels.append_f32
        let attend =
            bits == 8
            ? kernels.attend_q8
            : bits == 4
                ? kernels.attend_q4
                : half ? kernels.attend_f16 : wide ? kernels.attend_wide : kernels.attend_f32
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes * pages, alignment: 64)
        defer { memory.deallocate() }
        guard let base = memory.baseAddress else { return [] }
        memset(base, 0xFF, memory.count)
        let table = (0..<pages).map { base + (pages - 1 - $0) * bytes }
        let readOnly = table.map { UnsafeRawPointer($0) }
        let slopes = slopes ?? [], sinks = sinks ?? []
        let seen = UnsafeMutablePointer<UInt8>.allocate(capacity: tokens * tokens)
        defer { seen.deallocate() }
        for (index, byte) in (self.seen ?? []).enumerated() { seen[index] = byte }

        func withOptional(_ a: [Float], _ body: (UnsafePointer<Float>?) -> Void) {
            a.withUnsafeBufferPointer { body(a.isEmpty ? nil : $0.baseAddress) }
        }
        q.withUnsafeBufferPointer { q in
            k.withUnsafeBufferPointer { k in
                v.withUnsafeBufferPointer { v in
                    out.withUnsafeMutableBufferPointer { out in
                        table.withUnsafeBufferPointer { table in
                            readOnly.withUnsafeBufferPointer { readOnly in
                                guard let q = q.baseAddress, let k = k.baseAddress, let v = v.baseAddress,
                                    let out = out.baseAddress, let table = table.baseAddress,
                                    let readOnly = readOnly.baseAddress
                                else { return }
                                // Optional elements are what C's `void *const *` imports as.
                                let writable = UnsafeRawPointer(table)
                                    .assumingMemoryBound(to: UnsafeMutableRawPointer.self)
                                let stride = kvHeads * dimension
                                for start in Swift.stride(from: 0, to: tokens, by: step) {
                                    let count = min(step, tokens - start)
                                    var added = martlet_append_arguments(
                                        keys: k + start * stride, values: v + start * stride, key_stride: stride,
                                        value_stride: stride, tokens: count, first_position: start,
                                        key_pages: writable, value_pages: sharesValues ? nil : writable, key_offset: 0,
                                        value_offset: kvHeads * keyStride, key_head_stride: keyStride,
                                        value_head_stride: valueStride, head_dimension: dimension,
                                        value_dimension: dimension)
                                    append(&added, 0, kvHeads)
                                    withOptional(slopes) { slopes in
                                        withOptional(sinks) { sinks in
                                            var arguments = martlet_attention_arguments(
                                                queries: q + start * heads * dimension,
                                                output: out + start * heads * dimension,
                                                query_stride: heads * dimension, output_stride: heads * dimension,
                                                key_pages: readOnly, value_pages: sharesValues ? nil : readOnly,
                                                key_offset: 0,
                                                value_offset: kvHeads * keyStride, key_head_stride: keyStride,
                                                value_head_stride: valueStride, group: group,
                                                head_dimension: dimension, value_dimension: dimension,
                                                key_count: start + count,
                                                first_position: start, keys_before: before, keys_after: after,
                                                prefix: prefix,
                                                seen: self.seen.map { _ in UnsafePointer(seen + start * tokens) },
                                                seen_stride: tokens, scale: scale, soft_cap: softCap,
                                                alibi_slopes: slopes, relative_bias: nil, relative_span: 0,
                                                sinks: sinks, log_sums: nil, log_sum_stride: 0)
                                            for head in 0..<kvHeads {
                                                var row = 0
                                                while row < count * group {
                                                    let end = rows < count * group - row ? row + rows : count * group
                                                    attend(&arguments, head, row, end)
                                                    row = end
                                                }
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        return out
    }
}

struct AttentionTests {
    @Test func noLimitReachesSwiftUnharmed() {
        #expect(Int(MARTLET_ALL_KEYS) == 1 << 40)
    }

    private static let scenes: [Scene] = [
        Scene(), Scene(group: 1), Scene(group: 3), Scene(tokens: 97, kvHeads: 1, group: 4, dimension: 256),
        Scene(group: 1, dimension: 8), Scene(group: 5, dimension: 72), Scene(tokens: 65, kvHeads: 3, dimension: 80),
        Scene(tokens: 1), Scene(tokens: 64, group: 7, dimension: 96), Scene(tokens: 33, kvHeads: 1, dimension: 512),
        Scene(before: 39), Scene(tokens: 200, group: 1, before: 63), Scene(group: 3, before: 0),
        Scene(softCap: 2), Scene(group: 3, dimension: 40, before: 70, softCap: 5),
        Scene(group: 2, slopes: [0.5, 0.25, 0.125, 0.0625]), Scene(group: 2, sinks: [0, -1, 3, 100]),
        Scene(half: true), Scene(group: 3, dimension: 88, before: 17, half: true),
        Scene(tokens: 70, kvHeads: 1, group: 9, dimension: 128, half: true),
        Scene(sharesValues: true), Scene(group: 3, dimension: 72, before: 17, half: true, sharesValues: true),
        Scene(tokens: 70, kvHeads: 1, group: 9, dimension: 512, half: true, sharesValues: true),
        Scene(bits: 8), Scene(group: 3, dimension: 96, before: 17, bits: 8),
        Scene(group: 2, sinks: [0, -1, 3, 100], bits: 8),
        Scene(bits: 4), Scene(tokens: 70, kvHeads: 1, group: 9, dimension: 128, softCap: 3, bits: 4),
    ]

    /// Sums in float64 are rounded once, at their end; the same bits in every set, step and range of rows.
    @Test func wideSumsAreRoundedOnce() {
        for var scene in Self.scenes where !scene.half && scene.bits == 0 {
            scene.wide = true
            let expected = scene.reference()
            let first = scene.run(instructionSets[0].1.attention, step: scene.tokens)
            for (found, value) in zip(first, expected) {
                #expect(abs(Double(found) - value) <= 0x1p-24 * abs(value) + 1e-12, "\(scene)")
            }
            for (name, kernels) in instructionSets {
                #expect(scene.run(kernels.attention, step: 13, rows: 5) == first, "\(name) \(scene)")
            }
        }
    }

    @Test func agreesWithSoftmaxByDefinition() {
        for scene in Self.scenes {
            let expected = scene.reference()
            for (name, kernels) in instructionSets {
                let values = scene.run(kernels.attention, step: scene.tokens)
                let worst = zip(values, expected).reduce(0.0) { max($0, abs(Double($1.0) - $1.1)) }
                // Keys are twice as large as other values.
                let bound = scene.bits > 0 ? 5e-6 : scene.sharesValues ? 4e-6 : 2e-6
                #expect(worst < bound, "\(name) \(scene): \(worst)")
                #expect(!values.contains { $0.isNaN }, "\(name) \(scene)")
            }
        }
    }

    @Test func promptAtOnceEqualsTokenByToken() {
        for scene in Self.scenes {
            for (name, kernels) in instructionSets.dropFirst() {
                let whole = scene.run(kernels.attention, step: scene.tokens)
                for step in [1, 7, 64] {
                    #expect(sameBits(whole, scene.run(kernels.attention, step: step)), "\(name) \(step) \(scene)")
                }
                for rows in [1, 5, 12] {
                    let ranges = scene.run(kernels.attention, step: scene.tokens, rows: rows)
                    #expect(sameBits(whole, ranges), "\(name) ranges of \(rows) \(scene)")
                }
            }
        }
    }

    @Test func instructionSetsGiveTheSameBits() {
        for scene in Self.scenes {
            let first = scene.run(instructionSets[0].1.attention, step: scene.tokens)
            for (name, kernels) in instructionSets.dropFirst() {
                #expect(sameBits(first, scene.run(kernels.attention, step: scene.tokens)), "\(name) \(scene)")
            }
        }
    }

    @Test func bidirectionalQueriesSeeAllKeysOrAWindowOnBothSides() {
        for window in [Int(MARTLET_ALL_KEYS), 20] {
            let scene = Scene(tokens: 101, before: window, after: window)
            let expected = scene.reference()
            for (name, kernels) in instructionSets {
                let values = scene.run(kernels.attention, step: scene.tokens)
                let worst = zip(values, expected).reduce(0.0) { max($0, abs(Double($1.0) - $1.1)) }
                #expect(worst < 2e-6, "\(name) \(window)")
            }
        }
    }

    /// Every query sees itself and some of the keys before it: a third, in runs and one by one.
    private func table(_ tokens: Int) -> [UInt8] {
        var generator = SeededGenerator(state: 5)
        let draws = generator.floats(tokens * tokens, in: 0...1)
        return (0..<tokens * tokens).map { index in
            let (query, key) = (index / tokens, index % tokens)
            return key == query || (draws[index] < 0.3 && key / 70 % 2 == query % 2) ? 1 : 0
        }
    }

    @Test func aPrefixSeesItselfAndATableIsFollowed() {
        let scenes = [
            Scene(prefix: 70), Scene(group: 3, before: 20, prefix: 40), Scene(prefix: 1),
            Scene(seen: table(150)), Scene(group: 3, before: 39, seen: table(150), softCap: 2),
            Scene(seen: table(150), sinks: [0, -1, 3, 100]), Scene(seen: table(150), half: true),
        ]
        for scene in scenes {
            let expected = scene.reference(), first = scene.run(instructionSets[0].1.attention, step: scene.tokens)
            for (name, kernels) in instructionSets {
                let whole = scene.run(kernels.attention, step: scene.tokens)
                let worst = zip(whole, expected).reduce(0.0) { max($0, abs(Double($1.0) - $1.1)) }
                #expect(worst < 2e-6 && !whole.contains { $0.isNaN }, "\(name) \(scene.prefix)")
                #expect(sameBits(first, whole), "\(name)")
                // The prefix enters at once, what follows it token by token.
                if scene.prefix == 0 { #expect(sameBits(whole, scene.run(kernels.attention, step: 7)), "\(name)") }
            }
        }
    }

    @Test func aTableOfAllKeysChangesNoBit() {
        let plain = Scene(group: 3), asked = Scene(group: 3, seen: [UInt8](repeating: 1, count: 150 * 150))
        for (name, kernels) in instructionSets {
            #expect(
                sameBits(
                    plain.run(kernels.attention, step: 150), asked.run(kernels.attention, step: 150)), "\(name)")
        }
    }

    @Test func laterTokensNeverReachEarlierOnesEvenAsInfinityOrNaN() {
        for scene in [Scene(group: 3), Scene(group: 3, bits: 8), Scene(group: 3, bits: 4)] {
            var (_, k, _) = scene.inputs()
            let row = scene.kvHeads * scene.dimension
            for i in 100 * row..<101 * row { k[i] = i % 2 == 0 ? .nan : .infinity }
            for (name, kernels) in instructionSets {
                let clean = scene.run(kernels.attention, step: scene.tokens)
                let spoilt = scene.run(kernels.attention, step: scene.tokens, k: k)
                let before = 100 * scene.heads * scene.dimension
                #expect(sameBits(Array(clean[..<before]), Array(spoilt[..<before])), "\(name)")
                #expect(spoilt[before...].allSatisfy { $0.isNaN }, "\(name): a NaN score is not hidden")
            }
        }
    }
}
