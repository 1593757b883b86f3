import MartletTensor
import MartletTraining
import Testing

/// By hand, from the handout's formulas.
@Suite struct AlignmentFunctionTests {
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
}
