import Foundation
import MartletFormats
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import Testing

/// BERT as a model that is found, frozen, adapted and trained like any other.
struct EncoderTrainingTests {
    private static let folder = "\(FamilyTests.goldens)/bert-masked"
    private static let texts: [[Int32]] = [[5, 9, 90, 31, 7, 90, 12], [20, 90, 4]]
    private static let masked: [[Int: Int32]] = [[2: 41, 5: 8], [1: 66]]

    @Test func lossAndGradientsAreThoseOfTransformers() throws {
        let expected = try SafetensorsFile(path: Self.folder + "/expected.safetensors")
        let (model, parameters) = try Checkpoint(path: Self.folder).trainableMaskedTokenModel()
        let loss = try model.loss(Self.texts, masked: Self.masked)
        let wanted: Float = try expected.tensor("loss").item()
        #expect(abs(try loss.item(as: Float.self) - wanted) < 1e-4)
        try loss.backward()
        #expect(parameters.count == expected.names.count - 1)
        try Self.expectGradients(of: parameters, expected, try Checkpoint(path: Self.folder))
    }

    /// A cross-encoder: logits of pairs of texts, and gradients through its pooler.
    @Test func theClassifierIsThatOfTransformers() throws {
        let checkpoint = try Checkpoint(path: "\(FamilyTests.goldens)/bert-classifier")
        let expected = try SafetensorsFile(path: checkpoint.path + "/expected.safetensors")
        let (model, parameters) = try checkpoint.trainableClassifier()
        let types: [[Int32]] = [[0, 0, 0, 1, 1, 1, 1], [0, 1, 1]]
        let logits = try model(Self.texts, types: types)
        let wanted = FamilyTests.floats(try expected.tensor("logits"))
        #expect(FamilyTests.relativeError(FamilyTests.floats(logits), wanted) < 1e-5)
        try Loss.crossEntropy(logits, targets: [2, 0]).backward()
        #expect(model.tree.trained.count == parameters.count && parameters.count == expected.names.count - 1)
        try Self.expectGradients(of: parameters, expected, checkpoint)
        let plain = try checkpoint.classifier()
        try plain.prepare(.exact)
        #expect(FamilyTests.relativeError(FamilyTests.floats(try plain(Self.texts, types: types)), wanted) < 1e-5)
    }

    @Test func aClassifierWhoseConfigurationLiesIsRefused() throws {
        let source = "\(FamilyTests.goldens)/bert-classifier"
        let config = try #require(
            try JSON(parsing: [UInt8](Data(contentsOf: URL(filePath: source + "/config.json")))).object)
        let file = try SafetensorsFile(path: source + "/model.safetensors")
        let all = try file.names.map { ($0, try file.tensor($0)) }
        func said(
            _ change: (inout JSONObject) -> Void = { _ in },
            _ tensors: ([(String, Tensor)]) -> [(String, Tensor)] = { $0 }
        ) throws -> String {
            let target = NSTemporaryDirectory() + "martlet-classifier-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: target) }
            var changed = config
            change(&changed)
            try Data(JSON.object(changed).bytes()).write(to: URL(filePath: target + "/config.json"))
            try SafetensorsWriter.write(tensors(all), to: target + "/model.safetensors")
            do {
                return "loaded with \(try Checkpoint(path: target).classifier().labelCount)"
            } catch { return "\(error)" }
        }
        #expect(try said() == "loaded with 3")
        #expect(try said { $0["id2label"] = nil } == "loaded with 3")
        for count in [0, 1, 2, 4, 60_000] {
            let message = try said {
                $0["id2label"] = nil
                $0["num_labels"] = .integer(Int64(count))
            }
            #expect(message.contains("num_labels") && message.contains("3"), "\(message)")
        }
        #expect(try said { $0["id2label"] = ["0": "yes"] }.contains("id2label"))
        #expect(try said { $0["num_labels"] = .integer(.max) }.contains("num_labels"))
        #expect(try said { $0["num_labels"] = "three" }.contains("num_labels"))
        let missing = try said({ _ in }) { $0.filter { !$0.0.contains("classifier.weight") } }
        #expect(missing.contains("classifier.weight"), "\(missing)")
        let none = try said({ _ in }) { $0.filter { !$0.0.contains("classifier") } }
        #expect(none.contains("classifier"), "\(none)")
        let flat = try said({ _ in }) { tensors in
            tensors.map { ($0.0, $0.0.contains("classifier.weight") ? (try? $0.1.reshape(72)) ?? $0.1 : $0.1) }
        }
        #expect(!flat.hasPrefix("loaded"), "\(flat)")
    }

    private static func expectGradients(
        of parameters: [Parameter], _ expected: SafetensorsFile, _ checkpoint: Checkpoint
    ) throws {
        for parameter in parameters {
            let published = try #require(try checkpoint.publishedName(parameter.name))
            let name = ["gradient.", "gradient.bert."].map { $0 + published }.first { expected.entry($0) != nil }
            let golden = try expected.tensor(#require(name, "\(published)"))
            let gradient = try #require(parameter.tensor.gradient, "\(parameter.name)")
            // Weights are stored as BF16, which they are exactly.
            // The biases of keys change nothing but rounding.
            let scale: Float = try max(1e-2, golden.abs().max(axes: []).item())
            let error: Float = try (gradient - golden).abs().max(axes: []).item()
            #expect(error < 1e-3 * scale, "\(parameter.name): \(error) of \(scale)")
        }
    }

    @Test func stepsLowerTheLoss() throws {
        let (model, parameters) = try Checkpoint(path: Self.folder).trainableMaskedTokenModel()
        let optimizer = AdamW(ParameterGroup.decaying(parameters, weightDecay: 0.01), beta1: 0.9, beta2: 0.98)
        var losses: [Float] = []
        for step in 0..<30 {
            let dropout = DecoderDropout(probability: 0.1, attentionProbability: 0.1, seed: 1, step: step)
            let loss = try model.loss(Self.texts, masked: Self.masked, dropout: dropout)
            losses.append(try loss.item())
            try loss.backward()
            try optimizer.step(learningRate: 3e-3, gradientScale: 1)
            parameters.clearGradients()
        }
        #expect(losses[29] < losses[0] / 4, "\(losses)")
    }

    /// Formulas in float64, kernels over whole texts, and kernels over caches are one function.
    @Test func allWaysAgree() throws {
        let tokens = try FamilyTests.tokens(FamilyTests.expected("bert"))
        func encoder() throws -> Encoder { try Checkpoint(path: "\(FamilyTests.goldens)/bert").encoder() }
        let reference = try encoder(), recorded = try encoder()
        try reference.tree.convert(to: .float64)
        try recorded.tree.convert(to: .float32, trained: true)
        let formulas = try reference([tokens, [7, 8]]).toArray(as: Float.self)
        let whole = try recorded([tokens, [7, 8]])
        #expect(whole.requiresGrad)
        #expect(FamilyTests.relativeError(FamilyTests.floats(whole), formulas) < 2e-5)
        #expect(FamilyTests.relativeError(FamilyTests.floats(try encoder()([tokens, [7, 8]])), formulas) < 2e-5)
    }

    /// Nothing but the adapters is trained, and their gradients come through frozen layers and attention.
    @Test func adaptersOnAnEncoderAreTrained() throws {
        let model = try Checkpoint(path: Self.folder).maskedTokenModel()
        for case let layer as Linear in try model.tree.find("layers.0.self_attn.q_proj") {
            layer.adapters.append(try LowRankAdapter(of: layer, rank: 2, scale: 1, seed: 1))
        }
        let adapter = try #require(model.tree.trained.last { $0.name.hasSuffix("lora_B.weight") })
        #expect(model.tree.trained.count == 2)
        try model.loss(Self.texts, masked: Self.masked).backward()
        let gradient = try #require(adapter.tensor.gradient)
        #expect(try gradient.abs().max(axes: []).item(as: Float.self) > 0)
    }

    @Test func layersAreFoundByPath() throws {
        let encoder = try Checkpoint(path: Self.folder).encoder()
        #expect(try encoder.tree.find("self_attn.q_proj").count == encoder.configuration.layerCount)
        #expect(throws: ModuleError.self) { try encoder.tree.freeze("attention.query") }
        let model = try Checkpoint(path: Self.folder).trainableMaskedTokenModel().0
        try model.tree.freeze("embed_tokens")
        let loss = try model.loss(Self.texts, masked: Self.masked)
        try loss.backward()
        #expect(!model.tree.trained.contains { $0.name.contains("embed_tokens") })
    }

    @Test func whatIsMaskedNowhereIsRefused() throws {
        let model = try Checkpoint(path: Self.folder).maskedTokenModel()
        #expect(throws: TensorError.self) { try model.loss([[1, 2]], masked: [[:]]) }
        #expect(throws: TensorError.self) { try model.loss([[1, 2]], masked: [[2: 5]]) }
        #expect(throws: ModelError.tokenOutOfRange(token: 96, vocabularySize: 96)) {
            try model.loss([[1, 2]], masked: [[1: 96]])
        }
        #expect(throws: ModelError.self) { try Checkpoint(path: "\(FamilyTests.goldens)/llama").maskedTokenModel() }
    }
}
