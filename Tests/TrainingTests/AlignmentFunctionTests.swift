import Foundation
import MartletModels
import MartletTensor
import MartletTraining
import Testing

/// By hand, from the handout's formulas.
struct AlignmentFunctionTests {
    private func near(_ a: Tensor, _ b: [Double], _ tolerance: Double = 1e-5) throws -> Bool {
        let found: [Double] = try a.toArray()
        return found.count == b.count && zip(found, b).allSatisfy { abs($0 - $1) <= tolerance }
    }

    @Test func promptsAndRepliesArePadded() throws {
        let found = try AlignmentFunctions.inputsLabelsMask(
            prompts: [[1, 2], [3]], replies: [[4], [5, 6, 7]], padToken: 0)
        #expect(try found.inputs.toArray(as: Int32.self) == [1, 2, 4, 3, 5, 6])
        #expect(try found.labels.toArray(as: Int32.self) == [2, 4, 0, 5, 6, 7])
        #expect(try found.mask.toArray(as: Float.self) == [0, 1, 0, 1, 1, 1])
    }

    @Test func entropiesAndProbabilitiesAreThoseOfTheSoftmax() throws {
        let logits = try Tensor([0.0, 0, 0, 0, 1, 2, 3, 4] as [Float], shape: [1, 2, 4])
        #expect(try near(AlignmentFunctions.entropy(logits), [1.386294, 0.947537]))
        let labels = try Tensor([1, 3] as [Int32], shape: [1, 2])
        #expect(try near(AlignmentFunctions.logProbabilities(logits, labels: labels), [-1.386294, -0.440190]))
    }

    @Test func meansLookAtWhatCounts() throws {
        let x = try Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [2, 3])
        let mask = try Tensor([1, 0, 1, 0, 1, 1] as [Float], shape: [2, 3])
        #expect(try near(AlignmentFunctions.maskedMean(x, mask: mask), [3.75]))
        #expect(try near(AlignmentFunctions.maskedMean(x, mask: mask, axis: 1), [2, 5.5]))
        #expect(try near(AlignmentFunctions.maskedNormalize(x, mask: mask, constant: 2), [7.5]))
        #expect(try near(AlignmentFunctions.maskedNormalize(x, mask: mask, constant: 2, axis: 0), [0.5, 2.5, 4.5]))
    }

    @Test func microBatchesHaveTheFormulasLossAndGradient() throws {
        let values: [Float] = [-1, -2, -0.5, -0.3, -0.7, -1.1]
        let mask = try Tensor([1, 1, 0, 1, 0, 0] as [Float], shape: [2, 3])
        let logP = try Tensor(values, shape: [2, 3]).requiringGrad()
        let loss = try AlignmentFunctions.supervisedStep(logP, mask: mask, accumulationSteps: 2, constant: 3)
        #expect(try near(loss, [3.3 / 3 / 4]))
        #expect(try near(try #require(logP.gradient), [1, 1, 0, 1, 0, 0].map { -$0 / 12 }))

        let policy = try Tensor(values, shape: [2, 3]).requiringGrad()
        let old = try Tensor([-1.5, -2, -0.5, 0.2, -0.7, -1.1] as [Float], shape: [2, 3])
        let advantages = try Tensor([2, -1] as [Float], shape: [2, 1])
        let clipped = try AlignmentFunctions.policyLoss(policy, advantages: advantages, old: old, .clipped(0.2))
        // ρ = e^0.5, 1, 1, e^−0.5, 1, 1: the first is clipped at 1.2, the fourth at 0.8.
        #expect(try near(clipped, [-2.4, -2, -2, 0.8, 1, 1]))
        let step = try AlignmentFunctions.policyStep(
            policy, mask: mask, advantages: advantages, old: old, .clipped(0.2), accumulationSteps: 2)
        #expect(try near(step, [(-2.2 + 0.8) / 2 / 2]))
        // What is clipped has no gradient.
        #expect(try near(try #require(policy.gradient), [0, -0.25, 0, 0, 0, 0]))
        let free = try AlignmentFunctions.policyLoss(policy, advantages: advantages, old: old, .unclipped)
        #expect(try near(free, [-3.297443, -2, -2, 0.606531, 1, 1]))
        let plain = try AlignmentFunctions.policyLoss(policy, advantages: advantages, .noBaseline)
        #expect(try near(plain, [2, 4, 1, -0.3, -0.7, -1.1]))
    }

    /// The numbers of the assignment's own tests.
    @Test func publishedNumbersAreMet() throws {
        // torch.randn(2, 10) and torch.rand(2, 10) > 0.5, both with the seed 42.
        let values: [Float] = [
            1.9269153, 1.4872841, 0.9007172, -2.105521, -0.75813115, 1.0783176, 0.80080056, 1.6806206, 0.3558599,
            -0.686623, -0.49335635, 0.24148779, -0.23162432, 0.041759491, -0.2515753, 0.8598585, -0.30972677,
            -0.3957105,
            0.80340934, -0.6215954,
        ]
        let mask: [Float] = [1, 1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 0, 1]
        let logP = try Tensor(values, shape: [2, 10]).requiringGrad()
        let loss = try AlignmentFunctions.supervisedStep(
            logP, mask: Tensor(mask, shape: [2, 10]), accumulationSteps: 2)
        #expect(try near(loss, [-0.60078377], 1e-6))
        #expect(try near(try #require(logP.gradient), mask.map { -Double($0) / 4 }))
        let rewards = [0.2, 0.5, 0, 0.4, 0.9, 0.7, 0.2, 0]
        let found = try AlignmentFunctions.groupNormalizedRewards(rewards, groupSize: 4)
        let wanted = [-0.33824, 1.01472, -1.24021, 0.56373, 1.07062, 0.59479, -0.59479, -1.07062]
        #expect(zip(found, wanted).allSatisfy { abs($0 - $1) < 1e-5 }, "\(found)")
        let centred = try AlignmentFunctions.groupNormalizedRewards(rewards, groupSize: 4, dividesByDeviation: false)
        let means = [0.275, 0.45]
        #expect(centred.indices.allSatisfy { abs(centred[$0] - (rewards[$0] - means[$0 / 4])) < 1e-12 })
        #expect(throws: TensorError.self) { try AlignmentFunctions.groupNormalizedRewards([1, 2, 3], groupSize: 2) }
    }

    /// Against the formula over whole logits; ln 2 where policy and reference are one.
    @Test func directPreferencesHaveTheFormulasLoss() throws {
        let folder = String(#filePath.dropLast("AlignmentFunctionTests.swift".count)) + "Goldens/objectives/"
        let policy = try Checkpoint(path: folder + "policy").decoder()
        let reference = try Checkpoint(path: folder + "reference").decoder()
        let prompt: [Int32] = [5, 6], chosen: [Int32] = [7, 8, 9], rejected: [Int32] = [3, 4]
        func logP(_ decoder: Decoder, _ reply: [Int32]) throws -> Double {
            let all = prompt + reply, width = decoder.configuration.vocabularySize
            let rows = try noGrad {
                try decoder(Array(all.dropLast())).to(.float64).logSoftmax(axis: 1).toArray(as: Double.self)
            }
            return reply.enumerated().reduce(0) { $0 + rows[(prompt.count - 1 + $1.offset) * width + Int($1.element)] }
        }
        let ratios = try [chosen, rejected].map { try logP(policy, $0) - logP(reference, $0) }
        let wanted = -log(1 / (1 + exp(-0.5 * (ratios[0] - ratios[1]))))
        func loss(_ policy: Decoder) throws -> Double {
            try AlignmentFunctions.directPreferenceLoss(
                policy, reference: reference, prompt: prompt, chosen: chosen, rejected: rejected, beta: 0.5
            ).item()
        }
        #expect(try abs(loss(policy) - wanted) < 1e-5 && abs(wanted - 0.6931472) > 1e-3)
        #expect(try abs(loss(reference) - 0.6931472) < 1e-6)
    }
}
