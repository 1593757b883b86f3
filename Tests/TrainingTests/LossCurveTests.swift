import MartletFormats
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import Testing

/// Training from the same weights on the same batches as PyTorch. See Goldens/make_loss_curve.py.
struct LossCurveTests {
    private static let goldens = String(#filePath.dropLast("LossCurveTests.swift".count)) + "Goldens/"
    private static let vocabulary = 96, length = 24, batch = 4

    private func token(_ step: Int, _ row: Int, _ place: Int) -> Int32 {
        let start = (step * 7 + row * 13) % Self.vocabulary, stride = 1 + (step + row) % 5
        return Int32((start + stride * place) % Self.vocabulary)
    }

    @Test(arguments: ["llama", "gpt2"])
    func everyStepHasPyTorchsLoss(name: String) throws {
        let curve = try JSON(parsing: Folder.read(Self.goldens + name + "/curve.json"))
        let losses = try #require(curve["losses"]?.array).compactMap(\.double)
        let norms = try #require(curve["norms"]?.array).compactMap(\.double)
        let (model, parameters) = try Checkpoint(path: Self.goldens + name).trainableDecoder()
        let optimizer = AdamW(ParameterGroup.decaying(parameters, weightDecay: 0.1))
        let segments = (0..<Self.batch).map { $0 * Self.length..<($0 + 1) * Self.length }
        for (step, wanted) in losses.enumerated() {
            let rows = (0..<Self.batch).map { row in (0...Self.length).map { token(step, row, $0) } }
            let hidden = try model.hiddenStates(rows.flatMap { $0.dropLast() }, segments: segments)
            let loss = try Fused.crossEntropy(
                hidden, model.headWeight, targets: rows.flatMap { $0.dropFirst() },
                divisor: Double(Self.batch * Self.length))
            try loss.backward()
            let norm = try parameters.gradientNorm()
            let found: Double = try loss.item()
            #expect(abs(found - wanted) <= 1e-3 * wanted, "step \(step): \(found), PyTorch \(wanted)")
            #expect(abs(norm - norms[step]) <= 1e-2 * norms[step], "step \(step): norm \(norm), \(norms[step])")
            let rate = LearningRateSchedule.cosine.rate(
                step: step, highest: 3e-3, lowest: 3e-4, warmup: 10, total: losses.count)
            try optimizer.step(learningRate: rate, gradientScale: min(1, 1 / (norm + 1e-6)))
            parameters.clearGradients()
        }
        #expect(losses.count == 200)
    }
}
