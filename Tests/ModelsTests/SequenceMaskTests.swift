import MartletModels
import MartletNN
import MartletTensor
import Testing

/// Passes in which tokens see something else than their layers say: prefixes that see themselves, and tables.
struct SequenceMaskTests {
    private static let count = 90, prefix = 37
    private static let tokens: [Int32] = (0..<count).map { (index: Int) in Int32((index * 7 + index / 5) % 30) }

    private static func decoder(window: Int? = nil) -> Decoder {
        var attention = AttentionSpec(heads: 4, keyValueHeads: 2, headDimension: 12)
        attention.rotary = RotaryEmbedding.Configuration(theta: 10_000, dimension: 12)
        let layer = LayerSpec(
            norm: NormSpec(epsilon: 1e-5), attention: attention,
            feedForward: FeedForwardSpec(size: 40, activation: .silu))
        var spec = DecoderConfiguration(
            family: "test", vocabularySize: 30, hiddenSize: 48, contextLength: 256, layerCount: 3, layer: layer,
            tiedEmbeddings: true)
        spec.layers[1].attention.window = window
        return Decoder(Initializer(.normal(deviation: 0.3, layers: 1), seed: 5), spec)
    }

    private static func cached(
        _ decoder: Decoder, _ cache: KVCache, _ rows: Range<Int>, _ mask: SequenceMask?
    ) throws -> [Float] {
        let pass = Pass(
            .cached([DecoderSequence(rows: 0..<rows.count, cache: cache)]), masks: mask.map { [$0] } ?? [])
        return try decoder.hiddenStates(Array(tokens[rows]), pass).toArray(as: Float.self)
    }

    /// The prompt at once, and its prefix followed by token after token: the same bits; and those of whole sequences, of
    /// the formulas, and of a table that says the same.
    @Test(arguments: [nil, 20]) func aPrefixSeesItself(_ window: Int?) throws {
        let decoder = Self.decoder(window: window)
        func cache() -> KVCache { KVCache(decoder.configuration, precision: .exact) }
        let mask = SequenceMask.prefix(Self.prefix)
        let atOnce = try Self.cached(decoder, cache(), 0..<Self.count, mask)
        let stepped = cache()
        var steps = try Self.cached(decoder, stepped, 0..<Self.prefix, mask)
        for row in Self.prefix..<Self.count { steps += try Self.cached(decoder, stepped, row..<(row + 1), mask) }
        #expect(atOnce == steps)
        // Behind the prefix, the mask is the layers' own rule.
        let plain = cache()
        var rest = try Self.cached(decoder, plain, 0..<Self.prefix, mask)
        rest += try Self.cached(decoder, plain, Self.prefix..<Self.count, nil)
        #expect(rest == atOnce)
        #expect(try Self.cached(decoder, cache(), 0..<Self.count, nil) != atOnce)

        let pass = Pass(.whole([0..<Self.count]), masks: [mask])
        let whole = try decoder.hiddenStates(Self.tokens, pass).toArray(as: Float.self)
        #expect(FamilyTests.relativeError(whole, atOnce) < 1e-5)
        let reference = Self.decoder(window: window)
        try reference.tree.convert(to: .float64)
        let formulas = try reference.hiddenStates(Self.tokens, pass).toArray(as: Float.self)
        #expect(FamilyTests.relativeError(whole, formulas) < 2e-5)
    }

    @Test func gradientsGoThroughAPrefix() throws {
        let fast = Self.decoder(window: 20), reference = Self.decoder(window: 20)
        try fast.tree.convert(to: .float32, trained: true)
        try reference.tree.convert(to: .float64, trained: true)
        let table = AttentionTable(queries: 40, keys: 40) { query, key in
            key <= query && (key + query) % 3 != 1 || key == query
        }
        for decoder in [fast, reference] {
            let pass = Pass(.whole([0..<50, 50..<90]), masks: [.prefix(30), .table(table)])
            let hidden = try decoder.hiddenStates(Self.tokens, pass)
            try (hidden * hidden.detach().sin()).sum().backward()
        }
        for (one, other) in zip(fast.tree.trained, reference.tree.trained) {
            let wanted = try #require(other.tensor.gradient), found = try #require(one.tensor.gradient)
            let scale: Double = try max(1e-2, wanted.abs().max(axes: []).item())
            let error: Double = try (found.to(.float64) - wanted).abs().max(axes: []).item()
            #expect(error < 2e-4 * scale, "\(one.name): \(error) of \(scale)")
        }
    }

    /// Two continuations of one text side by side in a sequence see the text and themselves, as if each were alone.
    @Test func aTableHoldsATree() throws {
        let decoder = Self.decoder()
        func cache() -> KVCache { KVCache(decoder.configuration, precision: .exact) }
        let stem = 0..<30, width = decoder.configuration.hiddenSize
        let alone = cache()
        _ = try Self.cached(decoder, alone, stem, nil)
        let first = try Self.cached(decoder, alone.fork(), 30..<34, nil)
        let joined = cache()
        _ = try Self.cached(decoder, joined, stem, nil)
        // Positions follow from the place in the sequence, so only the first of the two can be compared.
        let table = AttentionTable(queries: 8, keys: 38) { query, key in
            key < 30 || (key <= query + 30 && (key < 34) == (query < 4))
        }
        let both = try Self.cached(decoder, joined, 30..<38, .table(table))
        #expect(Array(both[..<(4 * width)]) == first)
        let causal = AttentionTable(queries: 8, keys: 38) { $1 <= $0 + 30 }
        let again = cache()
        _ = try Self.cached(decoder, again, stem, nil)
        #expect(try Self.cached(decoder, again, 30..<38, .table(causal)) != both)
        let plain = cache()
        _ = try Self.cached(decoder, plain, stem, nil)
        let third = cache()
        _ = try Self.cached(decoder, third, stem, nil)
        #expect(
            try Self.cached(decoder, third, 30..<38, .table(causal)) == Self.cached(decoder, plain, 30..<38, nil))
    }

    @Test func whatDoesNotFitIsNamed() throws {
        let decoder = Self.decoder(), cache = KVCache(decoder.configuration, precision: .exact)
        #expect {
            try Self.cached(decoder, cache, 0..<20, .prefix(Self.prefix))
        } throws: {
            "\($0)".contains("a prefix of 37 tokens is computed in one pass, not tokens 0 to 20 of it")
        }
        #expect(throws: TensorError.self) {
            try decoder.hiddenStates([1, 2], Pass(.whole([0..<2]), masks: [.prefix(1), .prefix(1)]))
        }
        #expect(throws: TensorError.self) {
            try decoder.hiddenStates([1, 2], Pass(.whole([0..<2]), masks: [.prefix(3)]))
        }
        let table = AttentionTable(queries: 1, keys: 1) { _, _ in true }
        #expect(throws: TensorError.self) {
            try decoder.hiddenStates([1, 2], Pass(.whole([0..<2]), masks: [.table(table)]))
        }
        decoder.prompt = VirtualPrompt(count: 2, .embeddings { try Tensor.zeros([2, 48]) })
        #expect {
            try decoder.hiddenStates([1], Pass(.whole([0..<1]), masks: [.table(table)]))
        } throws: {
            "\($0)".contains("learnt tokens")
        }
        // A prefix begins with the learnt tokens.
        #expect(try decoder.hiddenStates([1, 2], Pass(.whole([0..<2]), masks: [.prefix(1)])).shape == [2, 48])
    }
}
