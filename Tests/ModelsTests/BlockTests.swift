import MartletModels
import MartletNN
import MartletTensor
import Testing

/// Blocks of every kind of part: kernels over a cache, kernels over whole sequences, and formulas are one function.
struct BlockTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let spec: LayerSpec
        var testDescription: String { name }

        init(_ name: String, _ change: (inout LayerSpec) -> Void) {
            var attention = AttentionSpec(heads: 4, keyValueHeads: 2, headDimension: 12)
            attention.rotary = RotaryEmbedding.Configuration(theta: 10_000, dimension: 12)
            var spec = LayerSpec(
                norm: NormSpec(epsilon: 1e-5), attention: attention,
                feedForward: FeedForwardSpec(size: 40, activation: .silu))
            change(&spec)
            (self.name, self.spec) = (name, spec)
        }
    }

    static let cases: [Case] = [
        Case("before") { _ in },
        Case("after") { $0.normPlacement = .after },
        Case("on the update") { $0.normPlacement = .onUpdate },
        Case("around") { $0.normPlacement = .around },
        Case("parallel, layer norms, plain feed-forward") {
            $0.normPlacement = .parallel
            $0.norm.kind = .layer
            $0.feedForward.isGated = false
        },
        Case("sinks and a window") {
            $0.attention.hasSinks = true
            $0.attention.window = 5
        },
        Case("values wider than keys") { $0.attention.ownValueDimension = 20 },
        Case("values narrower than keys, sinks") {
            $0.attention.ownValueDimension = 5
            $0.attention.hasSinks = true
        },
        Case("norms of all heads, a cap") {
            $0.attention.queryKeyNorm = .allHeads
            $0.attention.softCap = 3
        },
        Case("centred norms of each head, limits behind them") {
            $0.attention.queryKeyNorm = .eachHeadCentered
            $0.attention.clip = 0.7
            $0.attention.clipsNormalized = true
        },
        Case("three of five experts, sums that are not scaled") {
            $0.feedForward.experts = RouterSpec(count: 5, active: 3, normalizesWeights: false)
        },
    ]

    private static func configuration(_ spec: LayerSpec) -> DecoderConfiguration {
        var configuration = DecoderConfiguration(
            family: "test", vocabularySize: 30, hiddenSize: 48, contextLength: 64, layerCount: 2, layer: spec,
            tiedEmbeddings: true)
        // A layer of another width and number of heads: caches hold layers of their own kinds.
        configuration.layers[1].attention.headDimension = 8
        configuration.layers[1].attention.keyValueHeads = 4
        configuration.layers[1].attention.rotary?.dimension = 8
        configuration.layers[1].feedForward.size = 24
        return configuration
    }

    private static func decoder(_ spec: LayerSpec) throws -> Decoder {
        let decoder = Decoder(Initializer(.normal(deviation: 0.3, layers: 1), seed: 5), configuration(spec))
        // Biases and sinks begin as zero, norms as one.
        var random = RandomStream(seed: 8)
        for leaf in decoder.tree.leaves {
            try leaf.replaceParameters { parameter, tensor in
                guard parameter.path.contains("norm") || parameter.path.hasSuffix("sinks") else { return tensor }
                return try tensor + Tensor.normal(tensor.shape, mean: 0, std: 0.3, using: &random)
            }
        }
        return decoder
    }

    private static let tokens: [Int32] = (0..<23).map { Int32(($0 * 7) % 30) }

    @Test(arguments: cases) func allWaysAgree(_ test: Case) throws {
        let fast = try Self.decoder(test.spec), reference = try Self.decoder(test.spec)
        try reference.tree.convert(to: .float64)
        let rows = [0..<9, 9..<23]
        let formulas = try reference.hiddenStates(Self.tokens, segments: rows).toArray(as: Float.self)
        let whole = try fast.hiddenStates(Self.tokens, segments: rows).toArray(as: Float.self)
        #expect(FamilyTests.relativeError(whole, formulas) < 2e-5)
        // A part of each text at first, then the rest, in one batch.
        let caches = rows.map { _ in KVCache(fast.configuration, precision: .exact) }
        var cached = [[Float]](repeating: [], count: 2)
        for part in [(0..<3, 9..<14), (3..<9, 14..<23)] {
            let first = part.0.count, text = Array(Self.tokens[part.0]) + Array(Self.tokens[part.1])
            let states = try fast.hiddenStates(
                text,
                [
                    DecoderSequence(rows: 0..<first, cache: caches[0]),
                    DecoderSequence(rows: first..<text.count, cache: caches[1]),
                ])
            cached[0] += try states.slice(0, from: 0, to: first).toArray(as: Float.self)
            cached[1] += try states.slice(0, from: first, to: text.count).toArray(as: Float.self)
        }
        #expect(FamilyTests.relativeError(cached[0] + cached[1], formulas) < 2e-5)
    }

    @Test(arguments: cases) func gradientsAreThoseOfTheFormulas(_ test: Case) throws {
        let fast = try Self.decoder(test.spec), reference = try Self.decoder(test.spec)
        try fast.tree.convert(to: .float32, trained: true)
        try reference.tree.convert(to: .float64, trained: true)
        for decoder in [fast, reference] {
            let hidden = try decoder.hiddenStates(Self.tokens, segments: [0..<9, 9..<23])
            try (hidden * hidden.detach().sin()).sum().backward()
        }
        #expect(fast.tree.trained.count == reference.tree.trained.count)
        for (one, other) in zip(fast.tree.trained, reference.tree.trained) {
            let wanted = try #require(other.tensor.gradient), found = try #require(one.tensor.gradient)
            let scale: Double = try max(1e-2, wanted.abs().max(axes: []).item())
            let error: Double = try (found.to(.float64) - wanted).abs().max(axes: []).item()
            #expect(error < 2e-4 * scale, "\(one.name): \(error) of \(scale)")
        }
    }

    /// x + attention(norm(x)) + feedForward(norm(x)), of what the layers themselves say.
    @Test func bothPartsOfAParallelBlockReadTheSame() throws {
        let decoder = try Self.decoder(Self.cases[4].spec), record = PassRecord(residualsAfter: [0])
        let table = try #require(try decoder.tree.find("embed_tokens").first as? Embedding)
        let x = try table(Self.tokens)
        let seen = Seen()
        for name in ["layers.0.self_attn.o_proj", "layers.0.mlp.down_proj", "layers.0.post_attention_layernorm"] {
            try decoder.tree.hook(name) { _, result in
                seen.add(result.copied())
                return nil
            }
        }
        _ = try decoder.hiddenStates(Self.tokens, Pass(.whole([0..<Self.tokens.count]), record: record))
        let norm = try #require(try decoder.tree.find("layers.0.post_attention_layernorm").first as? Norm)
        let parts = seen.all
        try #require(parts.count == 3)
        #expect(try parts[1].toArray(as: Float.self) == norm(x).toArray(as: Float.self))
        let sum = try x + parts[0] + parts[2]
        #expect(try record.residuals[0]?.toArray(as: Float.self) == sum.toArray(as: Float.self))
    }

    private final class Seen: @unchecked Sendable {
        private(set) var all: [Tensor] = []
        func add(_ tensor: Tensor) { all.append(tensor) }
    }
}
