import MartletInference
import MartletModels
import MartletNN
import MartletTensor
import Testing
import TinyModels

import MartletInterpretability

/// Probes, steering vectors and autoencoders on data whose answer is known.
struct LearntTests {
    /// Numbers from −1 to 1 that are the same every time.
    private struct Noise {
        var state: UInt64
        mutating func next() -> Float {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(state >> 40) / Float(1 << 24) * 2 - 1
        }
    }

    @Test func probesFindWhatIsThereAndNothingElse() throws {
        var noise = Noise(state: 1)
        let rows = (0..<120).map { _ in (0..<6).map { _ in noise.next() } }
        let labels = rows.map { $0[0] + 0.5 * $0[1] > 0 ? 1 : 0 }
        let found = try LinearProbe.validate(rows, labels: labels, steps: 400)
        #expect(found.accuracies.count == 5 && found.mean > 0.93)
        var other = Noise(state: 2)
        let chance = try LinearProbe.validate(rows, labels: rows.map { _ in other.next() > 0 ? 1 : 0 })
        #expect(abs(chance.mean - chance.baseline) < 0.2)
        let three = try LinearProbe(rows, labels: rows.map { $0[2] < -0.3 ? 0 : $0[2] < 0.3 ? 1 : 2 }, steps: 400)
        #expect(rows.count { three($0) == ($0[2] < -0.3 ? 0 : $0[2] < 0.3 ? 1 : 2) } > 100)
        #expect(throws: InterpretabilityError.self) { try LinearProbe([[1], [2]], labels: [0, 0]) }
        #expect(throws: InterpretabilityError.self) { try LinearProbe.validate([[1]], labels: [0]) }
    }

    @Test func autoencodersFindSparseDirections() throws {
        var noise = Noise(state: 3)
        let width = 12, directions = 16
        let dictionary = (0..<directions).map { _ in (0..<width).map { _ in noise.next() } }
        let rows = (0..<1500).map { _ -> [Float] in
            var row = [Float](repeating: 0, count: width)
            for direction in dictionary where noise.next() > 0.8 {
                let size = abs(noise.next()) + 0.5
                for index in row.indices { row[index] += size * direction[index] }
            }
            return row
        }
        var options = SparseAutoencoder.Options()
        (options.features, options.steps, options.batch, options.penalty) = (48, 1200, 128, 0.02)
        options.learningRate = 3e-3
        let autoencoder = try SparseAutoencoder(width: width, options)
        let matrix = try Tensor(rows.flatMap { $0 }, shape: [rows.count, width])
        let before = try autoencoder.report(matrix)
        try autoencoder.train(matrix)
        let after = try autoencoder.report(matrix)
        #expect(after.explainedVariance > 0.9 && after.explainedVariance > before.explainedVariance)
        #expect(after.activeFeatures < 24 && after.deadShare < 0.8 && after.rows == rows.count)
        // The report by its definition, and the strongest rows of each feature.
        let features: [Float] = try autoencoder.features(matrix).toArray(),
            uses = try autoencoder.uses(matrix, examples: 3)
        #expect(after.activeFeatures == Double(features.count { $0 > 0 }) / Double(rows.count))
        #expect(after.deadShare == Double(uses.count { $0.count == 0 }) / 48 && uses.count == 48)
        for (feature, use) in uses.enumerated() {
            let column = rows.indices.map { (row: $0, value: features[$0 * 48 + feature]) }.filter { $0.value > 0 }
            let sorted = column.sorted { $0.value != $1.value ? $0.value > $1.value : $0.row < $1.row }
            #expect(use.count == column.count && use.top.map(\.row) == sorted.prefix(3).map(\.row))
        }
        // Trained on some rows alone, and told of others.
        let part = try SparseAutoencoder(width: width, options)
        try part.train(matrix, of: Array(0..<1200))
        let unseen = try part.report(matrix, of: Array(1200..<1500))
        #expect(unseen.rows == 300 && unseen.explainedVariance > 0.85)
        #expect(throws: InterpretabilityError.self) { try part.report(matrix, of: [1500]) }
        let scratch = try Scratch()
        try autoencoder.write(to: scratch.file("sae.safetensors"))
        #expect(throws: InterpretabilityError.self) { try autoencoder.train(Tensor([1], shape: [1, 1])) }
    }

    /// Activations and the training's state are kept: a study that is stopped twice comes to the bits of one that is not.
    @Test func aStudyOfFeaturesGoesOnWhereItWasStopped() throws {
        let model = try PatchingTests.model(), scratch = try Scratch(), name = ActivationName(layer: 1, .residualAfter)
        var options = SparseAutoencoder.Options()
        (options.features, options.steps, options.batch) = (32, 80, 64)
        let text = String(repeating: "the cat sat on a mat. Some dogs ran! ", count: 400)
        // More pieces than one file of activations holds.
        func study(_ folder: String?, tokens: Int = 5000, until limit: Int = .max) throws -> (FeatureStudy, Int) {
            var calls = 0
            let study = try FeatureStudy(
                model, text: text, at: name, tokenLimit: tokens, options, keepingIn: folder,
                identity: ["model": "tiny"],
                isCancelled: { calls >= limit }, progress: { _, _, _ in calls += 1 })
            return (study, calls)
        }
        let (whole, calls) = try study(nil)
        for limit in [18, calls - 20] {
            #expect(throws: CancellationError.self) { try study(scratch.path, until: limit) }
        }
        let (resumed, fewer) = try study(scratch.path)
        #expect(fewer < calls - 50)
        #expect(resumed.json["explained_variance"] == whole.json["explained_variance"])
        #expect(try resumed.autoencoder.encoder.toArray() as [Float] == whole.autoencoder.encoder.toArray())
        #expect(resumed.features.map(\.share) == whole.features.map(\.share))
        // Another text's activations are not taken for this one's.
        #expect(throws: InterpretabilityError.self) { try study(scratch.path, tokens: 4900) }
    }

    @Test func steeringAddsTheDifferenceOfMeans() throws {
        let model = try PatchingTests.model(), probe = ModelProbe(model)
        let vector = try SteeringVector(probe, layer: 0, towards: [[5, 6, 7], [8, 9]], from: [[10, 11]])
        let name = ActivationName(layer: 0, .residualAfter)
        func last(_ tokens: [Int32]) throws -> [Float] {
            try probe.run(tokens, keeping: [name] as Set)(name).slice(0, from: tokens.count - 1, to: tokens.count)
                .toArray()
        }
        let a = try last([5, 6, 7]), b = try last([8, 9]), c = try last([10, 11])
        for index in a.indices { #expect(abs(vector.values[index] - ((a[index] + b[index]) / 2 - c[index])) < 1e-5) }
        let plain = try last([20, 21])
        let hook = try vector.steer(model.decoder, strength: 2)
        let steered = try last([20, 21])
        hook.remove()
        for index in plain.indices { #expect(abs(steered[index] - plain[index] - 2 * vector.values[index]) < 1e-4) }
        #expect(try last([20, 21]) == plain)
    }

    @Test func featuresOfATextAreShown() throws {
        let model = try PatchingTests.model()
        var options = SparseAutoencoder.Options()
        (options.features, options.steps, options.batch) = (64, 300, 64)
        let text = String(repeating: "the cat sat on a mat. Some dogs ran! ", count: 80)
        let study = try FeatureStudy(
            model, text: text, at: ActivationName(layer: 1, .residualAfter), tokenLimit: 1500, options)
        #expect(study.report.explainedVariance > 0.5 && study.tokenCount == 1500)
        #expect(!study.features.isEmpty && study.features.allSatisfy { !$0.examples.isEmpty && $0.share > 0 })
        #expect(study.html.contains("variance explained"))
        #expect(throws: InterpretabilityError.self) {
            try FeatureStudy(
                model, text: "short", at: ActivationName(layer: 0, .residualAfter), tokenLimit: 100, options)
        }
    }

    /// A model of two layers learns to go on with random tokens that are written twice; its induction heads show, and
    /// without them it is lost.
    @Test func aModelOfRepeatedTextHasInductionHeads() throws {
        let folder = try Scratch()
        var tiny = TinyModel()
        tiny.seed = 11
        try tiny.write(folder: folder.path)
        let decoder = try Checkpoint(path: folder.path).decoder()
        try decoder.tree.train("*")
        let parameters = decoder.tree.trained
        let optimizer = AdamW([ParameterGroup(parameters)], beta2: 0.98)
        var noise = Noise(state: 5)
        let half = 12, texts = 24, steps = 900
        for step in 0..<steps {
            let rows = (0..<texts).flatMap { _ -> [Int32] in
                let part = (0..<half).map { _ in Int32(clamping: Int((noise.next() + 1) * 12)) + 40 }
                return part + part
            }
            let segments = (0..<texts).map { $0 * 2 * half..<($0 + 1) * 2 * half }
            let hidden = try decoder.hiddenStates(rows, segments: segments)
            let logits = try decoder.logits(hidden).logSoftmax(axis: 1)  // [tokens, vocabulary]
            var places: [Int64] = [], targets: [Int64] = []
            for segment in segments {
                for row in segment.lowerBound + half - 1..<segment.upperBound - 1 {
                    places.append(Int64(row))
                    targets.append(Int64(rows[row + 1]))
                }
            }
            let chosen = try logits.take(rows: Tensor(places, shape: [places.count]))
            let loss = try -(chosen.gather(1, Tensor(targets, shape: [targets.count, 1]))).mean()
            try loss.backward()
            try optimizer.step(
                learningRate: 4e-3 * min(1, Double(step + 1) / 50) * (1 - 0.9 * Double(step) / Double(steps)))
            parameters.clearGradients()
        }
        for leaf in decoder.tree.leaves { leaf.replaceParameters { $1.detach() } }
        let probe = ModelProbe(decoder)
        let found = try InductionHeads(probe, drawingFrom: Array(40..<64), length: half, repeats: 4, ablating: 2)
        let best = try #require(found.best.first)
        #expect(best.layer == 1)
        #expect(found.scores[best.layer][best.head] > 0.4)
        #expect(found.loss < 0.5, "\(found)")
        #expect(found.lossWithout > found.loss + 0.5, "\(found)")
        #expect(found.lossWithout > found.lossWithoutOthers)
    }
}
