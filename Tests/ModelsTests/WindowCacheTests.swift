import MartletModels
import MartletNN
import MartletTensor
import Testing

/// Layers with a sliding window keep what it sees, and nothing else changes.
struct WindowCacheTests {
    /// Windows as of Gemma 3: in most layers, small beside the context; one layer has another.
    private static func configuration(_ windows: [Int?]) -> DecoderConfiguration {
        var attention = AttentionSpec(heads: 4, keyValueHeads: 2, headDimension: 12)
        attention.rotary = RotaryEmbedding.Configuration(theta: 10_000, dimension: 12)
        let layer = LayerSpec(
            norm: NormSpec(epsilon: 1e-5), attention: attention,
            feedForward: FeedForwardSpec(size: 40, activation: .silu))
        var configuration = DecoderConfiguration(
            family: "test", vocabularySize: 30, hiddenSize: 48, contextLength: 4096, layerCount: windows.count,
            layer: layer, tiedEmbeddings: true)
        for (index, window) in windows.enumerated() { configuration.layers[index].attention.window = window }
        return configuration
    }

    private static func decoder(_ windows: [Int?]) -> Decoder {
        Decoder(Initializer(.normal(deviation: 0.3, layers: 1), seed: 5), configuration(windows))
    }

    private static let tokens: [Int32] = (0..<700).map { (index: Int) in Int32((index * 7 + index / 11) % 30) }

    /// The states of tokens computed in pieces over one cache.
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

    static let windows: [[Int?]] = [[40, nil, 100], [64, 64], [1, nil], [65, 129, 63]]

    @Test(arguments: windows, [Precision.exact, .exactSums, .fast])
    func whatIsReleasedIsNeverMissed(_ windows: [Int?], _ precision: Precision) throws {
        let decoder = Self.decoder(windows)
        try decoder.prepare(precision)
        let whole = try Self.states(
            decoder, KVCache(decoder.configuration, precision: precision, rollback: .max), Self.tokens[...],
            pieces: [700])
        for pieces in [[1], [64], [200, 1, 1, 7]] {
            for rollback in [0, KVCache.defaultRollback, .max] {
                let cache = KVCache(decoder.configuration, precision: precision, rollback: rollback)
                #expect(try Self.states(decoder, cache, Self.tokens[...], pieces: pieces) == whole)
                #expect(cache.length == 700)
            }
        }
    }

    @Test func bytesAreThoseOfTheWindows() throws {
        let decoder = Self.decoder([40, nil, 40]), spec = decoder.configuration
        // Two heads of keys and values of twelve numbers, padded to sixteen, in float32.
        let position = 2 * (16 + 16) * 4
        let bounded = KVCache(spec, precision: .exact, rollback: 0)
        let full = KVCache(spec, precision: .exact, rollback: .max)
        for cache in [bounded, full] { _ = try Self.states(decoder, cache, Self.tokens[...], pieces: [16]) }
        // Eleven blocks of 64 positions hold 700; the last window of 40 and sixteen tokens lies in one.
        #expect(full.byteCount == 3 * 11 * 64 * position)
        #expect(bounded.byteCount == (11 + 2) * 64 * position)
        #expect(spec.cacheBytes(tokens: 700, precision: .exact, rows: 16) >= bounded.byteCount)
        #expect(spec.cacheBytes(tokens: 700, precision: .exact, rows: 16) <= bounded.byteCount + 2 * 64 * position)
        #expect(spec.cacheBytes(tokens: 30, precision: .exact) == 3 * 64 * position)
        #expect(Self.configuration([nil]).cacheBytes(tokens: .max) == .max)
        var absurd = spec
        absurd.layers[1].attention.headDimension = 1 << 60
        #expect(absurd.cacheBytes(tokens: 1) == .max)
    }

    /// Biases of positions (ALiBi) are carried by queries and keys, which are wider for it.
    @Test func keysThatCarryBiasesCountWhole() {
        var spec = Self.configuration([nil])
        spec.layers[0].attention.headDimension = 16
        spec.layers[0].attention.rotary = nil
        let plain = spec.cacheBytes(tokens: 64)
        #expect(plain == 64 * 2 * (16 + 16) * 2)
        spec.layers[0].attention.linearBias = LinearBias()
        #expect(spec.cacheBytes(tokens: 64) == 64 * 2 * (24 + 16) * 2)
    }

    @Test func draftsMayBeDroppedAndMoreStartsAnew() throws {
        let decoder = Self.decoder([40, nil, 100])
        let expected = try Self.states(
            decoder, KVCache(decoder.configuration, precision: .exact, rollback: .max), Self.tokens[...], pieces: [700])
        let width = decoder.configuration.hiddenSize
        let cache = KVCache(decoder.configuration, precision: .exact, rollback: 30)
        _ = try Self.states(decoder, cache, Self.tokens[..<400], pieces: [1])
        // Thirty drafts that are wrong, rejected one step after the other.
        for dropped in [1, 7, 30] {
            let wrong = Array(repeating: Int32(1), count: dropped)
            _ = try Self.states(decoder, cache, wrong[...], pieces: [1])
            #expect(cache.truncate(to: 400) == 400)
        }
        #expect(
            try Self.states(decoder, cache, Self.tokens[400..<500], pieces: [1])
                == Array(expected[(400 * width)..<(500 * width)]))
        // Further back than the windows keep: what is left is nothing, and says so.
        #expect(cache.truncate(to: 300) == 0 && cache.length == 0 && cache.byteCount == 0)
        #expect(
            try Self.states(decoder, cache, Self.tokens[..<300], pieces: [64]) == Array(expected[..<(300 * width)]))
    }

    /// Copies share blocks; each releases its own.
    @Test func beamsGoOnFromReleasedWindows() throws {
        let decoder = Self.decoder([40, nil])
        let prompt = KVCache(decoder.configuration, precision: .exact, rollback: 0)
        _ = try Self.states(decoder, prompt, Self.tokens[..<310], pieces: [100])
        let (first, second) = (prompt.fork(), prompt.fork())
        let one = try Self.states(decoder, first, Self.tokens[310..<600], pieces: [1])
        let other = try Self.states(decoder, second, Self.tokens[310..<600], pieces: [50])
        #expect(one == other)
        #expect(try Self.states(decoder, prompt, Self.tokens[310..<600], pieces: [3]) == one)
    }
}
