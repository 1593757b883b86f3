import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletQuantization
import MartletTensor
import Testing
import TinyModels

/// Keys and values of eight and four bits: what they take, and what they cost.
struct CacheTypeTests {
    @Test func smallerTypesTakeTheirShareOfMemory() throws {
        let json: JSON = [
            "model_type": "llama", "vocab_size": 100, "hidden_size": 256, "intermediate_size": 256,
            "num_hidden_layers": 3,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
        ]
        let (_, configuration) = try Family.configuration(ConfigurationReader(file: "config.json", json: json))
        func bytes(_ type: KVCacheType) -> Double {
            Double(KVCache(configuration, precision: .fast, type: type).blockByteCount)
        }
        #expect(abs(bytes(.q8) / bytes(.f16) - 0.531) < 0.001)
        #expect(abs(bytes(.q4) / bytes(.f16) - 0.28) < 0.01)
    }

    @Test func aPromptAtOnceAndTokenByTokenAreTheSameBits() throws {
        let scratch = try Scratch()
        try Folder.make(scratch.file("tiny"))
        try TinyModel().write(folder: scratch.file("tiny"))
        let decoder = try ModelFiles(path: scratch.file("tiny")).decoder()
        try decoder.prepare(.fast)
        let tokens = (0..<90).map { (index: Int) in Int32(3 + index * 7 % 120) }
        for type in KVCacheType.allCases {
            let whole = KVCache(decoder.configuration, precision: .fast, type: type)
            let parts = KVCache(decoder.configuration, precision: .fast, type: type)
            let all = try noGrad {
                try decoder.hiddenStates(tokens, [DecoderSequence(rows: 0..<90, cache: whole)]).toArray(as: Float.self)
            }
            var single: [Float] = []
            for token in tokens {
                single += try noGrad {
                    try decoder.hiddenStates([token], [DecoderSequence(rows: 0..<1, cache: parts)]).toArray(
                        as: Float.self)
                }
            }
            #expect(all == single, "\(type)")
        }
    }

    @Test func predictionsMoveByAsMuchAsTheBitsSay() throws {
        let scratch = try Scratch()
        try Folder.make(scratch.file("tiny"))
        try TinyModel().write(folder: scratch.file("tiny"))
        let path = scratch.file("tiny"), files = try ModelFiles(path: path)
        let text = String(repeating: "The quick brown fox jumps over 13 lazy dogs, said Anna. ", count: 20)
        let windows = try TextWindows(
            text, name: "t", tokenizer: files.tokenizer(), method: .chunks(length: 64), limit: 6)
        let reference = try ComparedModel(path: path, precision: .fast)
        var found: [KVCacheType: Double] = [:]
        for type in KVCacheType.allCases {
            let candidate = try ComparedModel(path: path, precision: .fast, cache: type)
            let comparison = try ModelComparison(reference: reference, candidate: candidate, windows: windows)
            found[type] = comparison.meanDivergence
        }
        let (half, eight, four) = (found[.f16] ?? 1, found[.q8] ?? 1, found[.q4] ?? 1)
        #expect(half == 0 && eight < 5e-4 && four > 10 * eight && four < 0.5, "\(found)")
    }

    @Test func repliesAreMadeWithASmallerCache() throws {
        let scratch = try Scratch()
        try Folder.make(scratch.file("tiny"))
        try TinyModel().write(folder: scratch.file("tiny"))
        for type in [KVCacheType.q8, .q4] {
            let model = try LanguageModel(ModelFiles(path: scratch.file("tiny")), cache: type)
            var options = EngineOptions()
            options.cacheType = type
            let generator = try Generator(model, options)
            var tokens = 0, generation = GenerationOptions()
            generation.maximumTokens = 12
            try generator.generate([5, 9, 40], generation) { _ in tokens += 1 }
            #expect(tokens > 0, "\(type)")
        }
    }
}
