import MartletInference
import MartletModels
import MartletNN
import Testing
import TinyModels

/// What `LanguageModel.benchmark` measures, and what it refuses.
struct BenchmarkTests {
    @Test func moreTokensThanTheContextHoldsAreRefused() throws {
        let model = try LanguageModel.tiny()
        for (prompt, new) in [(Int.max, 1), (1, Int.max), (Int.max, Int.max), (model.configuration.contextLength, 1)] {
            #expect(throws: ModelError.self) {
                _ = try model.benchmark(promptTokens: prompt, newTokens: new, seed: 0)
            }
        }
    }

    /// It is the model's own cache that is measured, not the usual one.
    @Test(arguments: [KVCacheType.f16, .q8, .q4]) func theCacheIsTheModels(type: KVCacheType) throws {
        let scratch = try Scratch()
        try TinyModel().write(folder: scratch.path)
        let model = try LanguageModel(ModelFiles(path: scratch.path), cache: type)
        #expect(model.cacheType == type)
        #expect(try model.benchmark(promptTokens: 4, newTokens: 2, seed: 0).promptTokensPerSecond > 0)
    }
}
