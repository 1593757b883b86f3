import MartletFormats
import MartletModels
import MartletNN
import MartletTensor
import Testing

/// What a pass carries in and out.
struct PassTests {
    private static func decoder(_ family: String) throws -> Decoder {
        try Checkpoint(path: "\(FamilyTests.goldens)/\(family)").decoder()
    }

    private static let tokens: [Int32] = [5, 9, 40, 31, 7, 22, 12, 3, 66]

    /// An adapter that changes something.
    private static func adapter(_ layer: Linear, seed: UInt64) throws -> LowRankAdapter {
        var stream = RandomStream(seed: seed)
        let down = try Tensor.normal([2, layer.inputSize], mean: 0, std: 0.3, using: &stream)
        let up = try Tensor.normal([layer.outputSize, 2], mean: 0, std: 0.3, using: &stream)
        return try LowRankAdapter(of: layer, down: down, up: up, scale: 1)
    }

    @Test(arguments: ["llama", "mixtral", "gpt2"], [false, true])
    func eachSequenceHasItsOwnAdapters(_ family: String, cached: Bool) throws {
        func states(_ decoder: Decoder, _ rows: [Range<Int>], _ sets: [AdapterSet?]) throws -> [Float] {
            func pass(_ rows: [Range<Int>]) -> Pass {
                guard cached else { return Pass(.whole(rows), adapters: sets) }
                return Pass(
                    .cached(
                        rows.map { DecoderSequence(rows: $0, cache: KVCache(decoder.configuration, precision: .exact)) }
                    ),
                    adapters: sets)
            }
            let count = rows.map(\.upperBound).max() ?? 0
            let text = Array((Self.tokens + Self.tokens)[..<count])
            return FamilyTests.floats(try decoder.hiddenStates(text, pass(rows)))
        }
        let mixed = try Self.decoder(family)
        var sets: [AdapterSet] = []
        for seed in [UInt64(1), 2] {
            var adapters: [String: any LinearAdapter] = [:]
            for layer in mixed.tree.linears where layer.path.hasPrefix("model.layers.") {
                adapters[layer.path] = try Self.adapter(layer, seed: seed)
            }
            sets.append(try mixed.tree.adapterSet(adapters))
        }
        let width = mixed.configuration.hiddenSize
        let together = try states(mixed, [0..<4, 4..<9, 9..<13], [sets[0], nil, sets[1]])
        // Alone, with the adapters on the layers themselves.
        func alone(_ seed: UInt64?) throws -> Decoder {
            let decoder = try Self.decoder(family)
            guard let seed else { return decoder }
            for layer in decoder.tree.linears where layer.path.hasPrefix("model.layers.") {
                layer.adapters.append(try Self.adapter(layer, seed: seed))
            }
            return decoder
        }
        let first = try states(alone(1), [0..<4], [])
        let all = try states(alone(nil), [0..<4, 4..<9], [])
        let last = try states(alone(2), [0..<9, 9..<13], [])
        #expect(Array(together[..<(4 * width)]) == first)
        #expect(Array(together[(4 * width)..<(9 * width)]) == Array(all[(4 * width)...]))
        #expect(Array(together[(9 * width)...]) == Array(last[(9 * width)...]))
        #expect(first != Array(all[..<(4 * width)]))
        #expect(throws: TensorError.self) { try states(mixed, [0..<4, 4..<9], [nil]) }
    }

    private struct Weak {
        weak var layer: Linear?
        init(_ layer: Linear) { self.layer = layer }
    }

    /// A set does not keep the model that it was made for, and can be used with another of the same layers.
    @Test func setsOutliveTheirModels() throws {
        func set(_ kind: String) throws -> (AdapterSet, () -> Bool) {
            let decoder = try Self.decoder("llama")
            let layers = decoder.tree.linears.filter { $0.path.hasPrefix("model.layers.") }
            let first = Weak(layers[0])
            var adapters: [String: any LinearAdapter] = [:]
            for layer in layers {
                let one = try Self.adapter(layer, seed: 3)
                adapters[layer.path] =
                    kind == "lora"
                    ? one
                    : try MagnitudeAdapter(
                        of: layer, down: one.down, up: one.up, magnitude: Tensor.ones([layer.outputSize]), scale: 1)
            }
            return (try decoder.tree.adapterSet(adapters), { first.layer == nil })
        }
        let other = try Self.decoder("llama"), rows = 0..<Self.tokens.count
        let plain = FamilyTests.floats(try other.hiddenStates(Self.tokens, Pass(.whole([rows]))))
        let (low, isGone) = try set("lora")
        #expect(isGone())
        let found = FamilyTests.floats(try other.hiddenStates(Self.tokens, Pass(.whole([rows]), adapters: [low])))
        for layer in other.tree.linears where layer.path.hasPrefix("model.layers.") {
            layer.adapters.append(try Self.adapter(layer, seed: 3))
        }
        #expect(found == FamilyTests.floats(try other.hiddenStates(Self.tokens, Pass(.whole([rows])))))
        #expect(found != plain)
        // Magnitudes need the model's matrices.
        let (magnitudes, isGoneToo) = try set("dora")
        #expect(isGoneToo())
        #expect {
            try other.hiddenStates(Self.tokens, Pass(.whole([rows]), adapters: [magnitudes]))
        } throws: { "\($0)".contains("no longer in memory") }
    }

    @Test func adaptersOfNoLayerAreNamed() throws {
        let decoder = try Self.decoder("llama"), layer = decoder.tree.linears[0]
        let adapter = try Self.adapter(layer, seed: 1)
        #expect {
            try decoder.tree.adapterSet(["model.layers.0.self_attn.q_project": adapter])
        } throws: { "\($0)".contains("q_proj\"") }
    }

    @Test(arguments: ["llama", "gemma2", "gpt2"]) func embeddingsInPlaceOfTokens(_ family: String) throws {
        let decoder = try Self.decoder(family), spec = decoder.configuration
        let table = try #require(try decoder.tree.find("embed_tokens").first as? Embedding)
        let vectors = try table(Self.tokens, scale: spec.embeddingScale), kept = try vectors.toArray(as: Float.self)
        let pass = Pass(.whole([0..<Self.tokens.count]))
        let found = try decoder.hiddenStates(embeddings: vectors, pass)
        #expect(FamilyTests.floats(found) == FamilyTests.floats(try decoder.hiddenStates(Self.tokens, pass)))
        #expect(try vectors.toArray(as: Float.self) == kept)
        #expect(throws: TensorError.self) {
            try decoder.hiddenStates(embeddings: Tensor.zeros([2, 3]), Pass(.whole([0..<2])))
        }
    }

    /// The formula of the balance, from the loads and the router's own probabilities.
    @Test func routersSayTheirLoads() throws {
        let decoder = try Self.decoder("mixtral")
        try decoder.tree.convert(to: .float32, trained: true)
        let record = PassRecord(auxiliaryLosses: true, residualsAfter: [0])
        _ = try decoder.hiddenStates(Self.tokens, Pass(.whole([0..<Self.tokens.count]), record: record))
        #expect(record.routerLoads.count == 2 && record.auxiliaryLosses.count == 2)
        #expect(record.routerLoads[1]?.reduce(0, +) == 2 * Self.tokens.count)
        #expect(record.residuals[0]?.shape == [Self.tokens.count, decoder.configuration.hiddenSize])
        // Two experts for each token: even loads and probabilities give 2.
        for loss in record.auxiliaryLosses { #expect(try loss.item(as: Float.self) > 1.5) }
        try record.auxiliaryLosses[0].backward()
        let router = try #require(try decoder.tree.find("layers.0.mlp.gate").first as? Linear)
        #expect(try (router.matrix.dense?.gradient).map { try $0.abs().max(axes: []).item(as: Float.self) } ?? 0 > 0)
        // Layers that are computed again count their loads once, and have the same losses.
        decoder.recomputesLayers = true
        let again = PassRecord(auxiliaryLosses: true)
        _ = try decoder.hiddenStates(Self.tokens, Pass(.whole([0..<Self.tokens.count]), record: again))
        #expect(again.routerLoads == record.routerLoads)
        for (one, other) in zip(again.auxiliaryLosses, record.auxiliaryLosses) {
            #expect(try one.item(as: Float.self) == other.item(as: Float.self))
        }
    }

    /// A cache has no gradient: what is recorded over one says so instead of ending the tape.
    @Test func nothingIsRecordedOverACache() throws {
        let decoder = try Self.decoder("llama")
        try decoder.tree.convert(to: .float32, trained: true)
        func run() throws {
            let cache = KVCache(decoder.configuration, precision: .exact)
            _ = try decoder.hiddenStates(Self.tokens, [DecoderSequence(rows: 0..<Self.tokens.count, cache: cache)])
        }
        #expect { try run() } throws: { "\($0)".contains("noGrad") }
        try noGrad { try run() }
    }
}
