import Foundation
import MartletFormats
import MartletModels
import MartletNN
import MartletTensor
import Testing

/// Encoder and decoder in one model, built of the one block.
struct EncoderDecoderTests {
    private static let golden = "\(FamilyTests.goldens)/encoder-decoder.safetensors"

    /// Parameters of the golden file, which are named as the model names them.
    private final class Stored: ParameterSource {
        let file: SafetensorsFile
        init(_ file: SafetensorsFile) { self.file = file }
        func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor {
            guard let tensor = try? file.tensor(name), tensor.shape == shape else {
                return Tensor(uninitialized: [0, 0])
            }
            return tensor
        }
    }

    /// BART of `make_encoder_decoder.py`: norms behind each half-block, learned positions, plain feed-forward.
    private static var bart: EncoderDecoderConfiguration {
        let norm = NormSpec(kind: .layer, epsilon: 1e-5)
        var attention = AttentionSpec(heads: 3, headDimension: 8)
        attention.inputBias = true
        attention.outputBias = true
        let feedForward = FeedForwardSpec(size: 40, activation: .gelu, isGated: false, bias: true)
        let decoder = LayerSpec(
            norm: norm, normPlacement: .after, attention: attention, crossAttention: attention,
            feedForward: feedForward)
        var encoder = decoder
        encoder.crossAttention = nil
        encoder.attention.reach = .everything
        var spec = EncoderDecoderConfiguration(
            vocabularySize: 48, hiddenSize: 24, contextLength: 32, encoder: [encoder, encoder],
            decoder: [decoder, decoder])
        spec.embeddingNorm = norm
        spec.learnedPositions = true
        spec.embeddingScale = Float(24).squareRoot()
        return spec
    }

    private static func pairs(_ file: SafetensorsFile) throws -> (sources: [[Int32]], targets: [[Int32]]) {
        func ids(_ name: String) throws -> [Int32] { try file.tensor(name).toArray(as: Int32.self) }
        return ([try ids("source.0"), try ids("source.1")], [try ids("target.0"), try ids("target.1")])
    }

    private static func error(_ found: Tensor, _ wanted: Tensor) throws -> Double {
        let scale: Double = try max(1e-2, wanted.abs().max(axes: []).item())
        return try (found.detach().to(.float64) - wanted.to(.float64)).abs().max(axes: []).item(as: Double.self) / scale
    }

    @Test(arguments: [DType.float32, .float64]) func logitsLossAndGradientsAreThoseOfTransformers(_ type: DType) throws
    {
        let file = try SafetensorsFile(path: Self.golden), (sources, targets) = try Self.pairs(file)
        let model = EncoderDecoder(Stored(file), Self.bart)
        try model.tree.convert(to: type, trained: true)
        let hidden = try model(sources: sources, targets: targets)
        let logits = try model.logits(hidden)
        let split = targets[0].count
        #expect(try Self.error(logits.slice(0, from: 0, to: split), file.tensor("logits.0")) < 1e-5)
        #expect(try Self.error(logits.slice(0, from: split, to: hidden.shape[0]), file.tensor("logits.1")) < 1e-5)
        // The next token of each; the last of a target has none.
        let next = targets.flatMap { Array($0.dropFirst()) + [Int32(-100)] }
        let count = next.count { $0 >= 0 }
        let loss = try Fused.crossEntropy(hidden, model.headWeight, targets: next, divisor: Double(count))
        #expect(try Self.error(loss.reshape(1), file.tensor("loss")) < 1e-5)
        try loss.backward()
        for parameter in model.tree.trained {
            let gradient = try #require(parameter.tensor.gradient, "\(parameter.name)")
            #expect(
                try Self.error(gradient, file.tensor("gradient." + parameter.name)) < 1e-4, "\(parameter.name)")
        }
    }

    /// With keys of the source computed once, token by token, two targets of different sources in a batch.
    @Test func stepsWithCachedSourcesAreThePassOverTheWhole() throws {
        let file = try SafetensorsFile(path: Self.golden), (sources, targets) = try Self.pairs(file)
        let model = EncoderDecoder(Stored(file), Self.bart)
        try model.prepare(.exact)
        let memory = try model.sourceCaches(sources), caches = [model.targetCache(), model.targetCache()]
        for place in 0..<targets[0].count {
            // Named in another order than their rows.
            let steps = [
                TargetSequence(rows: 1..<2, cache: caches[1], source: memory[1]),
                TargetSequence(rows: 0..<1, cache: caches[0], source: memory[0]),
            ]
            let logits = try model.logits(model.hiddenStates([targets[0][place], targets[1][place]], steps))
            for text in 0..<2 {
                let wanted = try file.tensor("logits.\(text)").select(0, place)
                #expect(try Self.error(logits.select(0, text), wanted) < 1e-5)
            }
        }
    }

    /// Trained from nothing to write four letters backwards, which it can only know from the encoder.
    @Test func itLearnsToReverse() throws {
        var spec = EncoderDecoderConfiguration(
            vocabularySize: 12, hiddenSize: 32, contextLength: 16, layerCount: 1, heads: 2, feedForwardSize: 64)
        spec.learnedPositions = true
        let source = TrainableParameters(Initializer(.xavierUniform, seed: 7))
        let model = EncoderDecoder(source, spec)
        let optimizer = AdamW(ParameterGroup.decaying(source.parameters, weightDecay: 0), beta1: 0.9, beta2: 0.98)
        var stream = RandomStream(seed: 11)
        func text() -> [Int32] { (0..<4).map { _ in 3 + Int32(stream.next() % 9) } }
        for step in 0..<250 {
            let sources = (0..<32).map { _ in text() }
            let targets = sources.map { [Int32(1)] + $0.reversed() }
            let wanted = sources.flatMap { Array($0.reversed()) + [Int32(2)] }
            let loss = try Fused.crossEntropy(
                model(sources: sources, targets: targets), model.headWeight, targets: wanted,
                divisor: Double(wanted.count))
            try loss.backward()
            try optimizer.step(learningRate: step < 200 ? 3e-3 : 1e-3, gradientScale: 1)
            source.parameters.clearGradients()
        }
        var right = 0
        for _ in 0..<20 {
            let source = text()
            let reply = try model.generate(from: source, start: 1, end: 2, maximumLength: 8)
            right += reply == source.reversed() ? 1 : 0
        }
        #expect(right >= 18, "\(right) of 20")
    }

    @Test func whatDoesNotFitIsNamed() throws {
        let spec = EncoderDecoderConfiguration(
            vocabularySize: 12, hiddenSize: 16, contextLength: 8, layerCount: 1, heads: 2, feedForwardSize: 16)
        let model = EncoderDecoder(Initializer(.xavierUniform, seed: 7), spec)
        #expect(throws: TensorError.self) { try model(sources: [[1]], targets: [[1], [2]]) }
        #expect(throws: TensorError.self) { try model(sources: [[]], targets: [[1]]) }
        #expect(throws: ModelError.contextExceeded(tokens: 9, limit: 8)) {
            try model.encode([Array(repeating: 1, count: 9)])
        }
        #expect(throws: ModelError.tokenOutOfRange(token: 12, vocabularySize: 12)) {
            try model(sources: [[1, 12]], targets: [[1]])
        }
    }
}
