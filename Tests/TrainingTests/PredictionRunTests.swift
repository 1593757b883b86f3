import MartletData
import MartletInference
import MartletJSON
import MartletModels
import MartletTraining
import Testing

/// Modules of multi-token prediction from training to drafts.
struct PredictionRunTests: TinyRuns {
    private func given(_ more: [String: JSON] = [:]) throws -> TrainingOptions {
        let usual: [String: JSON] = [
            "family": "deepseek_v3", "experts": 4, "mtp_depth": 1, "depth": 2, "learning_rate": 0.01,
        ]
        return try options(usual.merging(more, uniquingKeysWith: { $1 }))
    }

    @Test(arguments: [1, 2]) func modulesAreTrainedAndDraft(_ depth: Int) throws {
        let folder = try scratch("mtp-\(depth)"), run = folder + "/run"
        var further: [Double] = []
        let trainer = try Trainer(
            run: run, options: given(["steps": 80, "mtp_depth": .integer(Int64(depth))]),
            data: TrainingData(folder: folder + "/data"))
        try trainer.train { event in
            guard case .step(let step) = event else { return }
            let next = step["nll_loss"] ?? .nan, ahead = step["mtp_loss"] ?? .nan
            further.append(ahead)
            let sum: Double = next + ahead * 0.3 * 31 / 32
            #expect(depth > 1 || abs(step.loss - sum) < 0.02 * sum)
        }
        #expect(further.count == 80 && further[79] < further[0] - 1, "\(further)")
        var files = try ModelFiles(path: run)
        let plain = try LanguageModel(files, precision: .exact)
        try files.usePredictions()
        let drafting = try LanguageModel(files, precision: .exact)
        for (text, temperature) in [("3 is 4. 4 is 5. ", Float(0)), ("7 is ", 0), ("5 is 6. ", 0.7)] {
            let prompt = try plain.tokenizer.encode(text)
            var options = GenerationOptions()
            options.maximumTokens = 60
            options.sampling.temperature = temperature
            options.sampling.seed = 3
            let (wanted, _) = try reply(plain, prompt, options)
            for count in [1, 3] {
                options.speculation = .predictions(tokens: count)
                let (found, statistics) = try reply(drafting, prompt, options)
                #expect(found == wanted)
                #expect(statistics.draftedTokens > 0 && statistics.acceptedTokens > 0)
                #expect(statistics.acceptedTokens <= statistics.draftedTokens)
            }
        }
        // Without the modules nothing can draft.
        var options = GenerationOptions()
        options.speculation = .predictions(tokens: 1)
        #expect(throws: (any Error).self) { try reply(plain, [5, 6], options) }
    }

    private func reply(
        _ model: LanguageModel, _ prompt: [Int32], _ options: GenerationOptions
    ) throws -> ([Int32], GenerationStatistics) {
        let generator = try Generator(model)
        var tokens: [Int32] = [], statistics = GenerationStatistics()
        try generator.generate(prompt, options) { piece in
            if let token = piece.token { tokens.append(token) }
            if let last = piece.statistics { statistics = last }
        }
        return (tokens, statistics)
    }

    @Test func aRunWithModulesIsResumedToTheSameBits() throws {
        let folder = try scratch("mtp-resumed")
        try expectSameBitsWhenResumed(folder, try given(["mtp_depth": 2, "recompute": "layers"]))
    }

    @Test(
        arguments: [
            (["mtp_depth": 1], "family"), (["mtp_weight": 0.1], "mtp_depth"),
            (["family": "deepseek_v3", "mtp_depth": 1, "objective": "prefix-lm"], "prefix-lm"),
        ] as [([String: JSON], String)]) func whatDoesNotFitIsRefused(_ given: [String: JSON], _ named: String) throws
    {
        let options = try options(given)
        #expect(message { _ = try ResolvedOptions(options, vocabularySize: 64) }.contains(named))
    }
}
