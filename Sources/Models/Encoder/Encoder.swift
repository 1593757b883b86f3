import MartletNN
import MartletTensor

/// The bidirectional transformer with norms after each half-block (Devlin et al. 2018).
public final class Encoder {
    public let configuration: EncoderConfiguration
    private let wordEmbedding, positionEmbedding, typeEmbedding: Tensor
    private let embeddingNorm: Norm
    private let layers: [EncoderLayer]
    private let mapped: MappedWeights

    public init(_ source: ParameterSource, _ spec: EncoderConfiguration) {
        configuration = spec
        let width = spec.hiddenSize
        wordEmbedding = source.parameter(
            "embeddings.word_embeddings.weight", shape: [spec.vocabularySize, width],
            role: .embedding)
        positionEmbedding = source.parameter(
            "embeddings.position_embeddings.weight", shape: [spec.contextLength, width], role: .embedding)
        typeEmbedding = source.parameter(
            "embeddings.token_type_embeddings.weight", shape: [spec.typeVocabularySize, width], role: .embedding)
        embeddingNorm = Norm(source, "embeddings.LayerNorm", size: width, epsilon: spec.epsilon, bias: true)
        layers = (0..<spec.layerCount).map { EncoderLayer(source, "encoder.layer.\($0)", spec) }
        mapped = MappedWeights(
            [wordEmbedding, positionEmbedding, typeEmbedding]
                + layers.flatMap(\.linears).flatMap(\.matrix.storedTensors))
    }

    package var linears: [Linear] { layers.flatMap(\.linears) }

    public func prepare(_ precision: Precision) throws {
        for linear in linears { try linear.prepare(precision) }
        try checkFiles()
    }

    /// Checks that the files which the weights are read from are what was loaded, as every pass does at its end.
    /// - Throws: `ModelError.fileChanged`.
    package func checkFiles() throws(ModelError) { try mapped.check() }

    /// The last hidden states of several texts at once, without padding: rows `[tokens of all texts, hidden]`.
    /// - Parameter types: the segment of every token, 0 where absent.
    public func callAsFunction(_ texts: [[Int32]], types: [[Int32]]? = nil) throws -> Tensor {
        var ranges: [Range<Int>] = []
        var positions: [Int32] = []
        for text in texts {
            guard text.count <= configuration.contextLength else {
                throw ModelError.contextExceeded(tokens: text.count, limit: configuration.contextLength)
            }
            ranges.append(positions.count..<(positions.count + text.count))
            positions += (0..<Int32(text.count))
        }
        let tokens = texts.flatMap { $0 }
        for token in tokens where !(0..<configuration.vocabularySize).contains(Int(token)) {
            throw ModelError.tokenOutOfRange(token: Int(token), vocabularySize: configuration.vocabularySize)
        }
        let segments = types?.flatMap { $0 } ?? Array(repeating: 0, count: tokens.count)
        guard segments.count == tokens.count,
            segments.allSatisfy({ (0..<configuration.typeVocabularySize).contains(Int($0)) })
        else {
            throw TensorError(.argument, "encoder", "the segments do not fit the \(tokens.count) tokens")
        }
        var x = try Fused.embed(tokens, wordEmbedding, scale: 1)
        x = try Fused.add(x, Fused.embed(segments, typeEmbedding, scale: 1))
        x = try Fused.add(x, Fused.embed(positions, positionEmbedding, scale: 1))
        x = try embeddingNorm(x)
        for layer in layers { x = try layer(x, ranges) }
        try checkFiles()
        return x
    }

    /// Sentence embeddings: the mean of a text's hidden states, scaled to length one. `[texts, hidden]`.
    /// Source: Reimers & Gurevych 2019.
    public func embeddings(_ texts: [[Int32]], normalized: Bool = true) throws -> Tensor {
        let hidden = try self(texts)
        let width = configuration.hiddenSize
        let result = Tensor(uninitialized: [texts.count, width])
        var row = 0
        for (index, text) in texts.enumerated() {
            let target = result.floats + index * width
            target.update(repeating: 0, count: width)
            for _ in text {
                for column in 0..<width { target[column] += hidden.floats[row * width + column] }
                row += 1
            }
            for column in 0..<width { target[column] /= Float(max(text.count, 1)) }
            guard normalized else { continue }
            var squares = 0.0
            for column in 0..<width { squares += Double(target[column]) * Double(target[column]) }
            let scale = Float(1 / max(squares.squareRoot(), 1e-12))
            for column in 0..<width { target[column] *= scale }
        }
        return result
    }
}

private final class EncoderLayer {
    let query, key, value, output, intermediate, down: Linear
    let attentionNorm, outputNorm: Norm
    let spec: EncoderConfiguration

    init(_ source: ParameterSource, _ name: String, _ spec: EncoderConfiguration) {
        let width = spec.hiddenSize
        func linear(_ part: String, _ from: Int, _ to: Int) -> Linear {
            Linear(source, "\(name).\(part)", from: from, to: to, bias: true)
        }
        query = linear("attention.self.query", width, width)
        key = linear("attention.self.key", width, width)
        value = linear("attention.self.value", width, width)
        output = linear("attention.output.dense", width, width)
        intermediate = linear("intermediate.dense", width, spec.feedForwardSize)
        down = linear("output.dense", spec.feedForwardSize, width)
        attentionNorm = Norm(
            source, name + ".attention.output.LayerNorm", size: width, epsilon: spec.epsilon, bias: true)
        outputNorm = Norm(source, name + ".output.LayerNorm", size: width, epsilon: spec.epsilon, bias: true)
        self.spec = spec
    }

    var linears: [Linear] { [query, key, value, output, intermediate, down] }

    func callAsFunction(_ x: Tensor, _ texts: [Range<Int>]) throws -> Tensor {
        let projected = try Linear.project(x, query, key, value)
        let dimension = spec.hiddenSize / spec.heads
        let attended: Tensor
        if Tensor.isRecording(projected) {
            attended = try Fused.attention(
                projected[0], projected[1], projected[2], segments: texts,
                AttentionShape(
                    heads: spec.heads, keyValueHeads: spec.heads, headDimension: dimension,
                    scale: 1 / Float(dimension).squareRoot(), isCausal: false))
        } else {
            attended = cachedAttention(projected, texts, dimension)
        }
        let middle = try attentionNorm(Fused.add(x, output(attended)))
        let inner = try Fused.activate(intermediate(middle), spec.activation.kernel)
        return try outputNorm(Fused.add(middle, down(inner)))
    }

    private func cachedAttention(_ projected: [Tensor], _ texts: [Range<Int>], _ dimension: Int) -> Tensor {
        let stored = (dimension + 7) / 8 * 8
        let parts = projected.map { $0.headsWidened(from: dimension, to: stored) }
        let mixed = Tensor(uninitialized: parts[0].shape)
        for text in texts where !text.isEmpty {
            let cache = KVCache(layers: 1, heads: spec.heads, headDimension: stored, dtype: .float32)
            cache.reserve(text.count)
            cache.append(parts[1], parts[2], rows: text, layer: 0)
            KVCache.attend(
                parts[0], [DecoderSequence(rows: text, cache: cache)], layer: 0, heads: spec.heads,
                AttentionOptions(scale: 1 / Float(dimension).squareRoot(), isCausal: false), into: mixed)
        }
        return mixed.headsNarrowed(from: stored, to: dimension)
    }
}
