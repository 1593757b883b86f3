import MartletInference
import MartletModels
import MartletNN
import MartletTensor
import Testing
import TinyModels

import MartletInterpretability

struct AttributionTests {
    private let tokens = PatchingTests.clean

    @Test func contributionsAddUpToTheDifference() throws {
        let probe = ModelProbe(try PatchingTests.model())
        let found = try DirectAttribution(probe, tokens, token: 12, less: 40)
        #expect(abs(found.rest) < 1e-4 * max(1, abs(found.difference)))
        #expect(found.contributions.count == 1 + 2 * (4 + 2))
        #expect(found.contributions.contains { $0.part == "layers.1.head.3" && $0.value != 0 })
    }

    @Test func integratedGradientsMissNothing() throws {
        let probe = ModelProbe(try PatchingTests.model())
        let found = try GradientAttribution(probe, tokens, token: 12, less: 40, steps: 200)
        #expect(abs(found.gap) < 0.02 * max(1, abs(found.value - found.baseline)))
        #expect(found.integrated.count == tokens.count)
    }

    @Test func gradientsAreThoseOfDifferences() throws {
        let probe = ModelProbe(try PatchingTests.model()), decoder = probe.decoder
        let found = try GradientAttribution(probe, tokens, token: 12, less: nil, steps: 1)
        let embedded = try decoder.embedded(tokens).copied(), values: [Float] = try embedded.toArray()
        func logit(_ values: [Float]) throws -> Double {
            let x = try Tensor(values, shape: embedded.shape)
            let hidden = try decoder.hiddenStates(embeddings: x, Pass(.whole([0..<tokens.count])))
            let logits: [Float] = try decoder.logits(hidden).toArray()
            return Double(logits[(tokens.count - 1) * decoder.configuration.vocabularySize + 12])
        }
        let width = embedded.shape[1]
        for row in tokens.indices {
            // Along the row itself: Σ x ∂d/∂x.
            func scaled(_ factor: Float) -> [Float] {
                values.enumerated().map { $0.offset / width == row ? $0.element * factor : $0.element }
            }
            let slope = try (logit(scaled(1.01)) - logit(scaled(0.99))) / 0.02
            #expect(abs(slope - found.gradientTimesInput[row]) < 2e-3 * max(1, abs(slope)))
        }
    }

    @Test func rolloutIsAMixture() throws {
        let probe = ModelProbe(try PatchingTests.model())
        let pass = try probe.run(tokens, keeping: ["layers.*.attention.pattern"])
        let rollout = try AttentionRollout.matrix(pass, layerCount: 2)
        for (row, shares) in rollout.enumerated() {
            let sum = shares.reduce(0, +)
            #expect(abs(sum - 1) < 1e-6)
            #expect(shares.dropFirst(row + 1).allSatisfy { $0 == 0 })
        }
    }

    @Test func theLensEndsWithTheModelsOwnWords() throws {
        let model = try PatchingTests.model(), probe = ModelProbe(model)
        let lens = try LogitLens(probe, tokens, count: 3, target: 12)
        let logits = try probe.run(tokens, keeping: [] as Set).lastLogits()
        let best = logits.indices.max { logits[$0] < logits[$1] }
        #expect(lens.guesses.count == 3 && lens.logProbabilities?.count == 3)
        #expect(lens.guesses.last?.last?.first?.token == best.map { Int32($0) })
        var questions = ModelStudy.Questions()
        (questions.lens, questions.heads, questions.attribution, questions.gradients) = (true, true, true, true)
        questions.corrupted = "xyqw"
        let study = try ModelStudy(model, "xyzw", questions)
        _ = study.html
        #expect(study.json["lens"]?.array?.count == 3)
        #expect(study.json["patching"]?["residuals"]?.array?.count == 2)
    }
}
