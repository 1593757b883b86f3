import MartletModels
import MartletNN
import MartletTensor
import Testing

/// States of sequences: in pieces, in company, copied, and dropped.
struct RecurrentCacheTests {
    private static let tokens: [Int32] = (0..<200).map { (index: Int) in Int32((index * 7 + index / 11) % 60) }

    private static func states(
        _ decoder: Decoder, _ cache: KVCache, _ tokens: ArraySlice<Int32>, pieces: [Int]
    ) throws -> [Float] {
        var rest = tokens, states: [Float] = [], turn = 0
        while !rest.isEmpty {
            let piece = Array(rest.prefix(pieces[turn % pieces.count]))
            states += try decoder.hiddenStates(piece, [DecoderSequence(rows: 0..<piece.count, cache: cache)])
                .toArray(as: Float.self)
            rest = rest.dropFirst(piece.count)
            turn += 1
        }
        return states
    }

    private static func cache(_ decoder: Decoder, _ precision: Precision = .exact) -> KVCache {
        KVCache(decoder.configuration, precision: precision)
    }

    @Test(arguments: RecurrentModel.allCases, [Precision.exact, .fast])
    func piecesChangeNothing(_ model: RecurrentModel, _ precision: Precision) throws {
        let decoder = model.decoder()
        try decoder.prepare(precision)
        let whole = try Self.states(decoder, Self.cache(decoder, precision), Self.tokens[...], pieces: [200])
        for pieces in [[1], [64], [70, 1, 1, 7]] {
            #expect(
                try Self.states(decoder, Self.cache(decoder, precision), Self.tokens[...], pieces: pieces) == whole)
        }
        guard precision == .exact, model != .mixed else { return }
        // Without a cache, where there is no attention that sums otherwise.
        let uncached = try noGrad { try decoder.hiddenStates(Self.tokens, segments: [0..<200]).toArray(as: Float.self) }
        if model == .scans { #expect(uncached == whole) }
    }

    @Test(arguments: RecurrentModel.allCases) func companyChangesNothing(_ model: RecurrentModel) throws {
        let decoder = model.decoder(), width = decoder.configuration.hiddenSize
        try decoder.prepare(.fast)
        let alone = try Self.states(decoder, Self.cache(decoder, .fast), Self.tokens[..<90], pieces: [90])
        let caches = (0..<3).map { _ in Self.cache(decoder, .fast) }
        // Three sequences at different places: 30 tokens, then 1, then the rest of each, in one pass each time.
        var found = [[Float]](repeating: [], count: 3)
        var places = [0, 0, 0]
        for lengths in [[30, 7, 1], [1, 50, 2], [59, 33, 87]] {
            var rows: [Int32] = [], parts: [DecoderSequence] = []
            for (index, length) in lengths.enumerated() {
                let first = rows.count
                rows += Self.tokens[places[index]..<places[index] + length]
                parts.append(DecoderSequence(rows: first..<rows.count, cache: caches[index]))
                places[index] += length
            }
            let hidden = try decoder.hiddenStates(rows, parts).toArray(as: Float.self)
            for (index, part) in parts.enumerated() {
                found[index] += hidden[part.rows.lowerBound * width..<part.rows.upperBound * width]
            }
        }
        for states in found { #expect(states == alone) }
    }

    @Test(arguments: RecurrentModel.allCases) func copiesGoOnApart(_ model: RecurrentModel) throws {
        let decoder = model.decoder(), prompt = Self.cache(decoder)
        _ = try Self.states(decoder, prompt, Self.tokens[..<100], pieces: [100])
        let copy = prompt.fork()
        // A state that two sequences share is counted once, and copied when one of them goes on.
        let shared = KVCache.byteCount(of: [prompt, copy])
        #expect(shared == prompt.byteCount)
        #expect(copy.growth(to: 101) >= decoder.configuration.stateBytes)
        _ = try Self.states(decoder, copy, [1, 2, 3], pieces: [1])
        let other = try Self.states(decoder, prompt, Self.tokens[100...], pieces: [20])
        let whole = try Self.states(decoder, Self.cache(decoder), Self.tokens[...], pieces: [200])
        #expect(other == Array(whole.suffix(other.count)))
    }

    @Test(arguments: RecurrentModel.allCases) func whatCannotGoBackBeginsAnew(_ model: RecurrentModel) throws {
        let decoder = model.decoder(), cache = Self.cache(decoder)
        let whole = try Self.states(decoder, cache, Self.tokens[..<50], pieces: [50])
        #expect(cache.truncate(to: 50) == 50 && cache.length == 50)
        #expect(cache.truncate(to: 49) == 0 && cache.length == 0 && cache.byteCount == 0)
        #expect(try Self.states(decoder, cache, Self.tokens[..<50], pieces: [9]) == whole)
    }

    @Test(arguments: RecurrentModel.allCases) func bytesAreThoseOfTheStates(_ model: RecurrentModel) throws {
        let spec = model.configuration, decoder = model.decoder(), cache = Self.cache(decoder)
        let counts: [RecurrentModel: Int] = [
            .convolutions: 2 * 2 * 48, .scans: 2 * (3 * 96 + 5 * 96),
            .mixed: 3 * (96 + 32) + 96 * 8 + 3 * (32 + 48) + 48 * 8,
        ]
        #expect(spec.stateBytes == 4 * counts[model, default: 0])
        _ = try Self.states(decoder, cache, Self.tokens[..<100], pieces: [100])
        let keys = cache.byteCount - spec.stateBytes
        #expect(keys == (model == .scans ? 0 : keys) && keys >= 0)
        #expect(spec.cacheBytes(tokens: 100, precision: .exact, rows: 100) == cache.byteCount)
        if model == .scans { #expect(spec.cacheBytes(tokens: 1 << 20) == spec.stateBytes) }
        #expect(cache.growth(to: 101) == 0)
    }

    /// A pass that fails leaves states of no length: they are not used.
    @Test func aFailedPassLeavesNothingToGoOnFrom() throws {
        let decoder = RecurrentModel.convolutions.decoder(), cache = Self.cache(decoder)
        _ = try Self.states(decoder, cache, Self.tokens[..<10], pieces: [10])
        struct Stop: Error {}
        let hook = try decoder.tree.hook("model.layers.2.mlp.down_proj") { _, _ in throw Stop() }
        #expect(throws: Stop.self) { try Self.states(decoder, cache, [1], pieces: [1]) }
        hook.remove()
        #expect { try Self.states(decoder, cache, [1], pieces: [1]) } throws: {
            "\($0)".contains("truncate(to: 0)")
        }
        #expect(cache.truncate(to: 10) == 0)
        #expect(try Self.states(decoder, cache, [1], pieces: [1]).count == decoder.configuration.hiddenSize)
    }

    @Test func masksOfASequenceAreRefused() throws {
        let decoder = RecurrentModel.mixed.decoder()
        #expect {
            try decoder.hiddenStates([1, 2, 3], Pass(.whole([0..<3]), masks: [.prefix(2)]))
        } throws: {
            "\($0)".contains("masks of a sequence's own")
        }
    }
}
