import MartletAdapters
import MartletInference
import MartletModels
import MartletNN
import MartletTensor
import Testing
import TinyModels

/// Requests of different adapters in one batch.
struct AdapterTests {
    /// Adapters that change something, as folders.
    private func folder(_ scratch: Scratch, _ model: LanguageModel, _ kind: String, seed: UInt64) throws -> String {
        var configuration = try AdapterConfiguration(named: kind)
        // A rank that fills vectors, and one that does not.
        (configuration.rank, configuration.alpha) = (seed == 1 ? 16 : 3, 6)
        if kind == "ia3" {
            configuration.targets = .names(["k_proj", "down_proj"])
            configuration.feedForwardModules = ["down_proj"]
        }
        let adapter = try Adapter(configuration, of: model.decoder, seed: seed)
        var random = RandomStream(seed: seed, stream: 9)
        for parameter in adapter.parameters {
            let noise = try Tensor.normal(parameter.tensor.shape, mean: 0, std: 0.3, using: &random)
            try noGrad { try parameter.tensor.copy(from: parameter.tensor.detach() + noise) }
        }
        let path = scratch.path + "/\(kind)-\(seed)"
        try PEFTFolder.write(adapter, to: path, base: "tiny", fingerprint: BaseFingerprint.of(model.decoder))
        return path
    }

    /// Alone and mixed, drawn and greedy, prompts found again or not: the same bytes.
    @Test(arguments: [Precision.fast, .exact]) func repliesAreTheSameAloneAndMixed(_ precision: Precision) async throws
    {
        let scratch = try Scratch()
        try TinyModel().write(folder: scratch.path)
        let model = try LanguageModel(path: scratch.path, precision: precision)
        var adapters: [LoadedAdapter?] = [nil]
        for (kind, seed) in [("lora", UInt64(1)), ("dora", 2), ("lora", 3), ("ia3", 4)] {
            adapters.append(try model.loadAdapter(folder(scratch, model, kind, seed: seed), name: "\(kind)\(seed)"))
        }
        var requests: [EngineRequest] = []
        for number in 0..<15 {
            var request = EngineRequest.numbered(number % 3, length: 20, maximum: 12, sampled: number % 2 == 0)
            request.options.adapter = adapters[number % adapters.count]
            request.options.topLogProbabilities = 0
            requests.append(request)
        }
        var alone: [Outcome] = []
        for request in requests {
            // An engine of its own: nothing is kept from others.
            alone.append(try await Outcome(Engine(model), request))
        }
        let texts = Set(alone[..<5].map { $0.replies[0].tokens })
        #expect(texts.count > 1, "the adapters change replies")
        let engine = try Engine(model)
        for _ in 0..<2 {
            let together = try requests.map { try engine.submit($0) }
            for (index, reply) in together.enumerated() {
                let outcome = try await Outcome(reply, requests[index])
                #expect(outcome.replies == alone[index].replies, "request \(index)")
            }
        }
        // The model with an adapter on its layers says the same.
        let path = try folder(scratch, model, "lora", seed: 1)
        let whole = try LanguageModel(
            ModelFiles(path: scratch.path, adapters: [AdapterReference(path)]), precision: precision)
        var plain = requests[1]
        plain.options.adapter = nil
        #expect(try await Outcome(Engine(whole), plain).replies == alone[1].replies)
    }

    /// Keys and values belong to the adapter they were computed with.
    @Test func promptsAreFoundAgainByTheirAdapterAlone() async throws {
        let scratch = try Scratch()
        try TinyModel().write(folder: scratch.path)
        let model = try LanguageModel(path: scratch.path)
        let engine = try Engine(model), path = try folder(scratch, model, "lora", seed: 5)
        let one = try model.loadAdapter(path, name: "one"), other = try model.loadAdapter(path, name: "one")
        func cached(_ adapter: LoadedAdapter?) async throws -> Int {
            var request = EngineRequest.numbered(1, length: 40, maximum: 2, sampled: false)
            request.options.adapter = adapter
            return try await Outcome(engine, request).cachedTokens
        }
        #expect(try await cached(nil) == 0)
        #expect(try await cached(one) == 0)
        #expect(try await cached(one) == 39)
        #expect(try await cached(nil) == 39)
        // Loaded again it may be another: a name is no identity.
        #expect(try await cached(other) == 0)
    }

    /// Learnt tokens before every prompt: their places are the context's, and replies are those of the whole sequence.
    @Test(arguments: ["prompt", "prefix"]) func learntTokensStandBeforeEveryPrompt(_ kind: String) async throws {
        let scratch = try Scratch()
        try TinyModel().write(folder: scratch.path)
        let plain = try LanguageModel(path: scratch.path, precision: .exact)
        var configuration = try AdapterConfiguration(named: kind)
        configuration.virtualTokens = 5
        let adapter = try Adapter(configuration, of: plain.decoder)
        var random = RandomStream(seed: 3)
        for parameter in adapter.parameters {
            let noise = try Tensor.normal(parameter.tensor.shape, mean: 0, std: 0.5, using: &random)
            try noGrad { try parameter.tensor.copy(from: noise) }
        }
        let path = scratch.path + "/\(kind)"
        try PEFTFolder.write(adapter, to: path, base: nil)
        let files = try ModelFiles(path: scratch.path, adapters: [AdapterReference(path)])
        let model = try LanguageModel(files, precision: .exact)
        let request = EngineRequest.numbered(2, length: 12, maximum: 6, sampled: false)
        let outcome = try await Outcome(Engine(model), request)
        // The same greedily, over whole sequences.
        let decoder = try files.decoder()
        var tokens = request.prompt
        for token in outcome.replies[0].tokens {
            let hidden = try decoder.hiddenStates(tokens, segments: [0..<tokens.count])
            let last: [Float] = try decoder.logits(hidden.slice(0, from: tokens.count - 1, to: tokens.count)).reshape([
                -1
            ])
            .toArray()
            #expect(last.indices.max { last[$0] < last[$1] } == Int(token))
            tokens.append(token)
        }
        #expect(outcome.replies[0].tokens != (try await Outcome(Engine(plain), request)).replies[0].tokens)
        var scored = request
        scored.promptLogProbabilities = 0
        let prompt = try await Outcome(Engine(model), scored).prompt
        #expect(prompt.count == request.prompt.count && prompt[0] == nil && prompt.dropFirst().allSatisfy { $0 != nil })
        var long = request
        long.options.maximumTokens = model.configuration.contextLength - 12
        #expect(throws: EngineError.self) { try Engine(model).submit(long) }
    }

    @Test func whatCannotBeMixedIsRefused() throws {
        let scratch = try Scratch()
        try TinyModel().write(folder: scratch.path)
        let model = try LanguageModel(path: scratch.path)
        var configuration = AdapterConfiguration(.lora)
        configuration.savedModules = ["model.norm"]
        let adapter = try Adapter(configuration, of: model.decoder)
        try PEFTFolder.write(adapter, to: scratch.path + "/saved", base: nil, fingerprint: "0123456789abcdef")
        #expect {
            try model.loadAdapter(scratch.path + "/saved", name: "x")
        } throws: { "\($0)".contains("martlet merge") }
        let files = try ModelFiles(
            path: scratch.path, adapters: [AdapterReference(scratch.path + "/saved", strength: 1)])
        #expect(try LanguageModel(files).warnings.contains { $0.contains("another base") })
        let half = try ModelFiles(
            path: scratch.path, adapters: [AdapterReference(scratch.path + "/saved", strength: 0.5)])
        #expect(throws: AdapterError.self) { try LanguageModel(half) }
    }
}
