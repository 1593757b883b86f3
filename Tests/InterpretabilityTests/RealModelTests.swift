import Foundation
import MartletInference
import MartletModels
import MartletTensor
import Testing

import MartletInterpretability

/// SmolLM2 itself, where `MARTLET_TEST_MODELS` names a folder with `smollm2/`.
@Suite(.serialized, .enabled(if: ProcessInfo.processInfo.environment["MARTLET_TEST_MODELS"] != nil))
struct RealModelTests {
    private static func model() throws -> LanguageModel {
        let folder = ProcessInfo.processInfo.environment["MARTLET_TEST_MODELS"] ?? ""
        return try LanguageModel(path: "\(folder)/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    }

    @Test func theCapitalIsKnownAndFoundWhereTheCountryStands() throws {
        let model = try Self.model(), probe = ModelProbe(model)
        let clean = try model.tokenizer.encode("The capital of France is"),
            other = try model.tokenizer.encode("The capital of Italy is")
        let paris = try #require(model.tokenizer.encode(" Paris", addSpecialTokens: false).first)
        let rome = try #require(model.tokenizer.encode(" Rome", addSpecialTokens: false).first)
        let attribution = try DirectAttribution(probe, clean, token: paris, less: rome)
        #expect(attribution.difference > 1)
        #expect(abs(attribution.rest) < 0.02 * abs(attribution.difference) + 0.02, "\(attribution.rest)")
        let patching = try ActivationPatching(
            probe, clean: clean, corrupted: other, answer: paris, wrong: rome, includesHeads: false)
        // Early it is the country's token that carries the answer, at the end the last one.
        #expect(patching.residuals[2][3] > 0.8 && patching.residuals[2][4] < 0.2, "\(patching.residuals[2])")
        #expect((patching.residuals.last?.last ?? 0) > 0.99)
        let gradients = try GradientAttribution(probe, clean, token: paris, less: rome, steps: 16)
        print("smollm2: difference \(attribution.difference), rest \(attribution.rest), IG gap \(gradients.gap)")
        let induction = try InductionHeads(probe, drawingFrom: Array(300..<20_000), length: 24, repeats: 2)
        print(
            "smollm2: induction \(induction.best) loss \(induction.loss) \(induction.lossWithout) \(induction.lossWithoutOthers)"
        )
        #expect((induction.scores.flatMap { $0 }.max() ?? 0) > 0.4)
    }
}
