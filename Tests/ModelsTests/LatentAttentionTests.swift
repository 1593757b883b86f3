import Foundation
import MartletFormats
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import Testing
import TinyModels

/// Latent attention over the cache of latent vectors against the form with keys and values of every head.
struct LatentAttentionTests {
    @Test(arguments: ["deepseek_v2", "deepseek_v2-lite", "deepseek_v3", "deepseek_v3-half", "glm4_moe_lite"])
    func absorbedDecodeEqualsTheNaiveForm(_ name: String) throws {
        let golden = try FamilyGolden(name)
        try golden.withFolder { path in
            let decoder = try Checkpoint(path: path).decoder()
            try decoder.prepare(.exact)
            let count = golden.tokens.count
            let naive = try FamilyTests.floats(
                decoder.logits(decoder.hiddenStates(golden.tokens, segments: [0..<count])))
            let cache = KVCache(decoder.configuration, precision: .exact)
            let absorbed = try FamilyTests.floats(
                decoder.logits(
                    decoder.hiddenStates(golden.tokens, [DecoderSequence(rows: 0..<count, cache: cache)])))
            #expect(FamilyTests.relativeError(absorbed, naive) < 1e-5)
        }
    }

    /// The cache keeps one latent vector, which is key and value, and the rotated key: of the published sizes a fiftieth of
    /// what keys and values of every head would take.
    @Test func theCacheHoldsLatentVectors() throws {
        try FamilyGolden("deepseek_v3").withFolder { path in
            let spec = try Checkpoint(path: path).decoderConfiguration()
            let latent = try #require(spec.attention.latent)
            let own = latent.rank + latent.rotatedDimension
            #expect(spec.cacheElementsPerToken == spec.layerCount * own)
            // What a cache takes is what `show` says, but for heads that are padded to eights.
            let cache = KVCache(spec, precision: .fast), padded = (own + 7) / 8 * 8
            #expect(cache.blockByteCount == 2 * KVCache.blockLength * spec.layerCount * padded)
            #expect(spec.cacheBytes(tokens: KVCache.blockLength) == cache.blockByteCount)
            let counts = spec.parameterCounts
            let experts = 3 * spec.hiddenSize * 12 * 2
            #expect(counts.all - counts.active == experts * (8 - 3))
        }
    }

    /// DeepSeek V3 with its sizes divided, but for the feed-forward parts, which have no cache.
    private static func deepSeek(dividedBy part: Int, layers: Int) throws -> DecoderConfiguration {
        let numbers = [
            ("num_attention_heads", 128 / part), ("kv_lora_rank", 512 / part), ("q_lora_rank", 1536 / part),
            ("qk_nope_head_dim", 128 / part), ("qk_rope_head_dim", 64 / part), ("v_head_dim", 128 / part),
            ("num_hidden_layers", layers), ("first_k_dense_replace", layers), ("hidden_size", 7168 / part / part),
            ("intermediate_size", 64), ("vocab_size", 96), ("max_position_embeddings", 8192),
        ]
        var members: JSONObject = ["model_type": "deepseek_v3"]
        for (key, value) in numbers { members[key] = .integer(Int64(value)) }
        return try Family.configuration(ConfigurationReader(file: "DeepSeek V3", json: .object(members))).1
    }

    /// The same with keys and values of every head in the cache.
    private static func naive(_ spec: DecoderConfiguration) -> DecoderConfiguration {
        var spec = spec
        for layer in spec.layers.indices { spec.layers[layer].attention.latent = nil }
        return spec
    }

    /// The published model keeps a seventieth of the bytes; an eighth of its heads, each an eighth as wide, and of its rank,
    /// still less than a fifth. What is counted is what a cache of so many tokens takes.
    @Test(arguments: [(1, 70.0), (8, 5.0)]) func theCacheOfFourThousandTokensIsSmall(_ part: Int, _ times: Double)
        throws
    {
        let spec = try Self.deepSeek(dividedBy: part, layers: 2), context = 4096
        let latent = spec.cacheBytes(tokens: context), naive = Self.naive(spec).cacheBytes(tokens: context)
        #expect(Double(naive) / Double(latent) >= times, "\(naive) and \(latent) bytes")
        let attention = spec.attention, rank = try #require(attention.latent)
        #expect(latent == 2 * 2 * context * (rank.rank + rank.rotatedDimension))
        #expect(naive == 2 * 2 * context * attention.heads * (attention.headDimension + attention.valueDimension))
    }

    /// A token decoded behind 4,096 others has the logits of the naive form, which computes keys and values of every head
    /// for the whole text.
    @Test func decodeAtFourThousandTokensHasTheLogitsOfTheNaiveForm() throws {
        let spec = try Self.deepSeek(dividedBy: 8, layers: 2), context = 4096
        let decoder = Decoder(Initializer(.normal(deviation: 0.1, layers: 2), seed: 4), spec)
        try decoder.prepare(.exact)
        let tokens = (0...context).map { place -> Int32 in
            let mixed: Int = place * 37 + place / 5 * 11 + place * place / 97
            return Int32(mixed % 96)
        }
        let cache = KVCache(spec, precision: .exact)
        for first in stride(from: 0, to: context, by: 512) {
            let rows = Array(tokens[first..<first + 512])
            _ = try decoder.hiddenStates(rows, [DecoderSequence(rows: 0..<512, cache: cache)])
        }
        let last = try decoder.hiddenStates([tokens[context]], [DecoderSequence(rows: 0..<1, cache: cache)])
        let decoded = try FamilyTests.floats(decoder.logits(last))
        let whole = try noGrad { try decoder.hiddenStates(tokens, segments: [0..<context + 1]) }
        let naive = try FamilyTests.floats(decoder.logits(whole.narrow(0, from: context, length: 1).contiguous()))
        #expect(FamilyTests.relativeError(decoded, naive) < 1e-5)
        #expect(cache.length == context + 1)
    }

    /// Two sequences in a batch, an adapter on the expanding projection, and weights that change after a pass.
    @Test func whatTheWeightsBecomeIsWhatIsComputed() throws {
        try FamilyGolden("deepseek_v3").withFolder { path in
            let decoder = try Checkpoint(path: path).decoder(), tokens = try FamilyGolden("deepseek_v3").tokens
            func logits() throws -> [Float] {
                let cache = KVCache(decoder.configuration, precision: .exact)
                return try FamilyTests.floats(
                    decoder.logits(
                        decoder.hiddenStates(tokens, [DecoderSequence(rows: 0..<tokens.count, cache: cache)])))
            }
            func whole() throws -> [Float] {
                try FamilyTests.floats(decoder.logits(decoder.hiddenStates(tokens, segments: [0..<tokens.count])))
            }
            try decoder.prepare(.exact)
            #expect(try FamilyTests.relativeError(logits(), whole()) < 1e-5)
            try decoder.tree.replace("layers.*.self_attn.kv_b_proj") { try $0.matrix.float32Matrix() * 0.5 }
            let changed = try logits()
            #expect(try FamilyTests.relativeError(changed, whole()) < 1e-5)
            let layer = try #require(try decoder.tree.find("layers.1.self_attn.kv_b_proj").first as? Linear)
            let down = try Tensor.full([2, layer.inputSize], 0.1), up = try Tensor.full([layer.outputSize, 2], 0.2)
            layer.adapters = [
                try LowRankAdapter(of: layer, down: down, up: up, scale: 1)
            ]
            let adapted = try logits()
            #expect(adapted != changed)
            #expect(try FamilyTests.relativeError(adapted, whole()) < 1e-5)
        }
    }

    /// A bias that is raised for an expert without tokens and lowered for one with many.
    @Test func loadsMoveTheSelectionBias() throws {
        try FamilyGolden("deepseek_v3").withFolder { path in
            let (decoder, parameters) = try Checkpoint(path: path).trainableDecoder()
            let tokens = try FamilyGolden("deepseek_v3").tokens, record = PassRecord()
            _ = try decoder.hiddenStates(tokens, Pass(.whole([0..<tokens.count]), record: record))
            let name = "model.layers.1.mlp.gate.e_score_correction_bias"
            let bias = try #require(parameters.first { $0.name == name }?.tensor)
            let before = try bias.toArray(as: Float.self), loads = try #require(record.routerLoads[1])
            #expect(loads.reduce(0, +) == 3 * tokens.count)
            try decoder.balanceRouters(record, rate: 0.01)
            let mean = Float(loads.reduce(0, +)) / Float(loads.count)
            for (index, after) in try bias.toArray(as: Float.self).enumerated() {
                let step: Float = Float(loads[index]) > mean ? -0.01 : Float(loads[index]) < mean ? 0.01 : 0
                #expect(abs(after - before[index] - step) < 1e-6)
            }
        }
    }

    @Test(arguments: [
        ("n_group", 3, "n_group"), ("topk_group", 5, "topk_group"), ("kv_lora_rank", 600, "kv_lora_rank"),
        ("qk_rope_head_dim", 5, "qk_rope_head_dim"), ("num_key_value_heads", 2, "num_key_value_heads"),
    ])
    func shapesThatDoNotFitAreRefused(_ key: String, _ value: Int, _ named: String) throws {
        try FamilyGolden("deepseek_v3").withFolder(change: { $0[key] = .integer(Int64(value)) }) { path in
            #expect { _ = try Checkpoint(path: path).decoder() } throws: { "\($0)".contains(named) }
        }
    }

    @Test(arguments: [("scoring_func", "softmax"), ("topk_method", "greedy")])
    func anotherRouterIsRefused(_ key: String, _ value: String) throws {
        try FamilyGolden("deepseek_v3").withFolder(change: { $0[key] = .string(value) }) { path in
            #expect { _ = try Checkpoint(path: path).decoder() } throws: { "\($0)".contains(key) }
        }
    }

    /// One layer less in the configuration: what is behind it is a module that predicts further tokens if it joins states
    /// and embeddings, else a layer of a larger model.
    @Test(arguments: [true, false]) func layersBehindTheLastAreTold(_ predicts: Bool) throws {
        let join = (name: "model.layers.2.eh_proj.weight", base: Float(0), shape: [32, 64])
        try FamilyGolden("deepseek_v3").withFolder(
            change: { $0["num_hidden_layers"] = 2 }, more: predicts ? [join] : []
        ) { path in
            let checkpoint = try Checkpoint(path: path)
            let warnings = try checkpoint.warnings()
            #expect(
                warnings.count == 1 && warnings[0].contains(predicts ? "multi-token prediction" : "not read"),
                "\(warnings)")
            _ = try checkpoint.decoder()
        }
    }
}
