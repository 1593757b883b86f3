import MartletModels
import MartletNN
import MartletTensor
import Testing

/// Quantised caches of layers whose queries and keys are normalised with weights: keys are divided by factors that queries
/// are multiplied by.
struct QuantizedCacheTests {
    /// Ways in which layers have such norms.
    struct Kind: Sendable, CustomStringConvertible {
        var norm = QueryKeyNorm.eachHead
        var layout: RotaryEmbedding.Layout? = .halfSplit
        var normalizesRotated = false
        /// The third layer uses the keys of the first, which has as many heads.
        var lends = false
        var window: Int?

        var description: String {
            "\(norm) \(String(describing: layout)) rotated first: \(normalizesRotated) lent: \(lends) window: \(window ?? 0)"
        }
        /// Two numbers of a head that a rotation mixes.
        var pair: [Int] { layout == .interleaved ? [6, 7] : [3, 19] }
    }

    static let kinds = [
        Kind(), Kind(norm: .allHeads), Kind(norm: .ownWeights), Kind(layout: .interleaved), Kind(layout: nil),
        Kind(normalizesRotated: true), Kind(lends: true), Kind(window: 70), Kind(lends: true, window: 70),
    ]
    private static let size = 32

    /// A norm's weights of a pair of numbers multiplied by `outlier` for keys and divided by it for queries: the same
    /// function.
    private final class Source: ParameterSource {
        private let plain = Initializer(.normal(deviation: 0.3, layers: 1), seed: 5)
        private let pair: [Int], outlier: Float

        init(_ pair: [Int], outlier: Float) { (self.pair, self.outlier) = (pair, outlier) }

        func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor {
            let tensor = plain.parameter(name, shape: shape, role: role)
            let isKey = name.contains("k_norm."), isQuery = name.contains("q_norm.")
            guard isKey || isQuery, var numbers = try? tensor.toArray(as: Float.self) else { return tensor }
            for i in numbers.indices where pair.contains(i % QuantizedCacheTests.size) {
                numbers[i] *= isKey ? outlier : 1 / outlier
            }
            return (try? Tensor(numbers, shape: shape)) ?? tensor
        }
    }

    private static func decoder(_ kind: Kind, outlier: Float = 1) -> Decoder {
        var attention = AttentionSpec(heads: 4, keyValueHeads: 2, headDimension: size)
        attention.rotary = kind.layout.map {
            RotaryEmbedding.Configuration(theta: 10_000, dimension: size, layout: $0)
        }
        attention.queryKeyNorm = kind.norm
        attention.normalizesRotated = kind.normalizesRotated
        attention.window = kind.window
        let layer = LayerSpec(
            norm: NormSpec(epsilon: 1e-5), attention: attention,
            feedForward: FeedForwardSpec(size: 40, activation: .silu))
        var configuration = DecoderConfiguration(
            family: "test", vocabularySize: 30, hiddenSize: 48, contextLength: 4096, layerCount: 3, layer: layer,
            tiedEmbeddings: true)
        if kind.lends {
            configuration.layers[0].attention.lendsKeys = true
            configuration.layers[2].attention.sharesKeysOf = 0
        }
        return Decoder(Source(kind.pair, outlier: outlier), configuration)
    }

    private static let tokens: [Int32] = (0..<200).map { Int32(($0 * 7 + $0 / 11) % 30) }

    private static func states(
        _ decoder: Decoder, _ type: KVCacheType, pieces: [Int] = [200], dropping dropped: Int = 0
    ) throws -> [Float] {
        let cache = KVCache(decoder.configuration, precision: .exact, type: type)
        var next = 0, turn = 0, states: [Float] = []
        while next < tokens.count {
            let end = min(next + pieces[turn % pieces.count], tokens.count)
            if dropped > 0, end + dropped <= tokens.count {
                // A rejected draft: other tokens, computed and dropped again.
                let draft = Array(tokens[next..<end]) + [Int32](repeating: 29, count: dropped)
                _ = try decoder.hiddenStates(draft, [DecoderSequence(rows: 0..<draft.count, cache: cache)])
                #expect(cache.truncate(to: next) == next)
            }
            states += try noGrad {
                try decoder.hiddenStates(
                    Array(tokens[next..<end]), [DecoderSequence(rows: 0..<end - next, cache: cache)]
                ).toArray(as: Float.self)
            }
            next = end
            turn += 1
        }
        return states
    }

    /// The root of the mean square of the differences, among that of the second.
    private static func distance(_ a: [Float], _ b: [Float]) -> Double {
        let squares = zip(a, b).reduce((0.0, 0.0)) {
            ($0.0 + Double($1.0 - $1.1) * Double($1.0 - $1.1), $0.1 + Double($1.1) * Double($1.1))
        }
        return (squares.0 / squares.1).squareRoot()
    }

    /// A number of keys that is 40 times the others, and of queries a 40th, is as if it were none: without factors the
    /// cache loses tens of times as much.
    @Test(arguments: kinds) func largeWeightsOfNormsCostNothing(_ kind: Kind) throws {
        let plain = Self.decoder(kind), large = Self.decoder(kind, outlier: 40)
        for decoder in [plain, large] { try decoder.prepare(.exact) }
        let exact = try Self.states(plain, .f16)
        #expect(try Self.distance(Self.states(large, .f16), exact) < 1e-4)
        for (type, bound) in [(KVCacheType.q8, 0.02), (.q4, 0.3)] {
            let loss = try Self.distance(Self.states(plain, type), exact)
            let largeLoss = try Self.distance(Self.states(large, type), exact)
            #expect(loss > 0 && loss < bound, "\(type)")
            #expect(largeLoss < 1.5 * loss, "\(type): \(largeLoss), without large weights \(loss)")
        }
    }

    @Test(arguments: kinds) func promptsTokensAndDroppedDraftsAreTheSameBits(_ kind: Kind) throws {
        let decoder = Self.decoder(kind, outlier: 40)
        try decoder.prepare(.exact)
        for type in [KVCacheType.q8, .q4] {
            let whole = try Self.states(decoder, type)
            for pieces in [[1], [64], [90, 1, 1, 7]] {
                #expect(try Self.states(decoder, type, pieces: pieces) == whole, "\(type) \(pieces)")
                #expect(try Self.states(decoder, type, pieces: pieces, dropping: 3) == whole, "\(type) \(pieces)")
            }
        }
    }
}
