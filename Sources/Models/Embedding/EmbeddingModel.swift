import MartletFormats
import MartletJSON
import MartletNN
import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A text embedding model: an encoder or a decoder, pooling, and the layers after it.
///
/// ```swift
/// let model = try Checkpoint(path: "all-MiniLM-L6-v2").embeddingModel()
/// try model.prepare(.fast)
/// let vectors = try model.embeddings([tokens])   // [1, dimension]
/// ```
public final class EmbeddingModel {
    fileprivate enum Body {
        case encoder(Encoder)
        case decoder(Decoder)
    }

    private enum Step {
        case dense(Linear, DenseActivation, Residual)
        case normalize
    }

    /// What is added to the output of a dense layer.
    private enum Residual {
        case none
        case input
        case projected(Linear)
    }

    private let body: Body
    public let pooling: Pooling
    private let steps: [Step]
    private var precision = Precision.exact
    /// The largest number of tokens per text.
    public let contextLength: Int
    public let vocabularySize: Int
    /// The dimension of an embedding vector.
    public let dimension: Int

    /// The language model behind it; nil of a text encoder.
    package var decoder: Decoder? { if case .decoder(let decoder) = body { decoder } else { nil } }

    convenience init(_ checkpoint: Checkpoint) throws {
        try checkpoint.demand(.embeds)
        try self.init(
            checkpoint,
            checkpoint.hasEncoder ? .encoder(checkpoint.encoder()) : .decoder(checkpoint.decoder()))
    }

    fileprivate init(_ checkpoint: Checkpoint, _ body: Body) throws {
        self.body = body
        var width: Int
        switch body {
        case .encoder(let encoder):
            let spec = encoder.configuration
            (contextLength, vocabularySize, width) = (spec.contextLength, spec.vocabularySize, spec.hiddenSize)
        case .decoder(let decoder):
            let spec = decoder.configuration
            (contextLength, vocabularySize, width) = (spec.contextLength, spec.vocabularySize, spec.embeddingSize)
        }
        let modules = try checkpoint.sentenceModules()
        pooling = modules.pooling
        width *= pooling.modes.count
        var steps: [Step] = []
        for step in modules.steps {
            switch step {
            case .normalize: steps.append(.normalize)
            case .dense(let folder, let configuration):
                let (dense, size) = try Self.dense(folder, configuration, from: width)
                steps.append(dense)
                width = size
            }
        }
        self.steps = steps
        dimension = width
    }

    private static func dense(
        _ folder: String, _ config: ConfigurationReader, from width: Int
    ) throws -> (Step, Int) {
        let inputs = try config.integer("in_features"), outputs = try config.integer("out_features")
        guard inputs == width else {
            throw ModelError.wrongValue(
                file: config.file, key: "in_features", found: "\(inputs)",
                expected: "\(width), the size of the previous step")
        }
        for key in ["module_input_name", "module_output_name"] {
            let name = try config.string(key, default: "sentence_embedding")
            guard name == "sentence_embedding" else {
                throw ModelError.wrongValue(
                    file: config.file, key: key, found: "\"\(name.prefix(40))\"", expected: "sentence_embedding")
            }
        }
        let activation = try DenseActivation(config, key: "activation_function", default: .tanh)
        let parameters = CheckpointParameters(try SafetensorsFolder(path: folder), file: folder) { [.tensor($0)] }
        let linear = Linear(
            parameters, "linear", from: inputs, to: outputs, bias: try config.flag("bias", default: true))
        var residual = Residual.none
        if try config.flag("use_residual", default: false) {
            residual =
                inputs == outputs ? .input : .projected(Linear(parameters, "residual", from: inputs, to: outputs))
        }
        try parameters.finish()
        return (.dense(linear, activation, residual), outputs)
    }

    public func prepare(_ precision: Precision) throws {
        self.precision = precision
        switch body {
        case .encoder(let encoder): try encoder.prepare(precision)
        case .decoder(let decoder): try decoder.prepare(precision)
        }
    }

    /// Checks that the weight files have not changed since they were loaded, as every pass does at its end.
    package func checkFiles() throws(ModelError) {
        switch body {
        case .encoder(let encoder): try encoder.checkFiles()
        case .decoder(let decoder): try decoder.checkFiles()
        }
    }

    /// The embedding vectors of several texts, `[texts, dimension]`. The vector of a text does not depend on the other
    /// texts.
    /// - Parameters:
    ///   - texts: the token ids of each text.
    ///   - prompts: how many tokens at the start of each text are a prompt; 0 by default.
    /// - Throws: `ModelError.contextExceeded`, `ModelError.tokenOutOfRange`, `TensorError` for a text without tokens.
    public func embeddings(_ texts: [[Int32]], prompts: [Int]? = nil) throws -> Tensor {
        guard !texts.isEmpty else { return try Tensor.zeros([0, dimension]) }
        var ranges: [Range<Int>] = []
        for text in texts {
            guard text.count <= contextLength else {
                throw ModelError.contextExceeded(tokens: text.count, limit: contextLength)
            }
            guard !text.isEmpty else { throw TensorError(.argument, "embeddings", "a text has no tokens") }
            let start = ranges.last?.upperBound ?? 0
            ranges.append(start..<(start + text.count))
        }
        let states = try states(texts, ranges)  // [tokens, hidden]
        let pooled = try Tensor.stack(
            ranges.enumerated().map { try pooling.pool(states, rows: $1, prompt: prompts?[$0] ?? 0) }
        )  // [texts, width]
        return try finished(pooled)
    }

    /// The layers after the pooling.
    private func finished(_ pooled: Tensor) throws -> Tensor {
        var result = pooled
        for step in steps {
            switch step {
            case .normalize: result = try result.rowsOfLengthOne()  // [texts, width]
            case .dense(let linear, let activation, let residual):
                let projected = try activation(linear(result))  // [texts, out]
                switch residual {
                case .none: result = projected
                case .input: result = try projected + result
                case .projected(let linear): result = try projected + linear(result)
                }
            }
        }
        return result
    }

    /// The hidden states of all tokens, `[tokens, hidden]`.
    private func states(_ texts: [[Int32]], _ ranges: [Range<Int>]) throws -> Tensor {
        switch body {
        case .encoder(let encoder): return try encoder(texts)
        case .decoder(let decoder):
            let sequences = ranges.map {
                DecoderSequence(rows: $0, cache: KVCache(decoder.configuration, precision: precision))
            }
            return try decoder.hiddenStates(texts.flatMap { $0 }, sequences)
        }
    }
}

extension EmbeddingModel {
    /// The body, where it is a text encoder.
    package var encoder: Encoder? { if case .encoder(let encoder) = body { encoder } else { nil } }

    /// Activation checkpointing in training.
    package var recomputesLayers: Bool {
        get {
            switch body {
            case .encoder(let encoder): encoder.recomputesLayers
            case .decoder(let decoder): decoder.recomputesLayers
            }
        }
        set {
            switch body {
            case .encoder(let encoder): encoder.recomputesLayers = newValue
            case .decoder(let decoder): decoder.recomputesLayers = newValue
            }
        }
    }

    /// Whether there are dense layers after the pooling.
    package var hasDense: Bool { steps.contains { if case .dense = $0 { true } else { false } } }

    /// The embedding vectors in training, `[texts, dimension]`: the same function as `embeddings`, noted for gradients. Whole
    /// sequences are computed without caches whether or not gradients are noted, so that both have the same bits.
    /// - Parameter dropout: of the body; a probability of 0 drops nothing.
    package func trainedEmbeddings(
        _ texts: [[Int32]], prompts: [Int], dropout: DecoderDropout
    ) throws -> Tensor {
        var ranges: [Range<Int>] = [], start = 0
        for text in texts {
            guard text.count <= contextLength else {
                throw ModelError.contextExceeded(tokens: text.count, limit: contextLength)
            }
            guard !text.isEmpty else { throw TensorError(.argument, "embeddings", "a text has no tokens") }
            ranges.append(start..<start + text.count)
            start += text.count
        }
        guard !texts.isEmpty else { return try Tensor.zeros([0, dimension]) }
        let states: Tensor  // [tokens, hidden]
        switch body {
        case .encoder(let encoder): states = try encoder(texts, dropout: dropout)
        case .decoder(let decoder):
            states = try decoder.hiddenStates(texts.flatMap { $0 }, segments: ranges, dropout: dropout)
        }
        return try finished(pooling.pool(states, ranges, prompts: prompts))
    }
}

/// Activation functions after a dense layer or a classifier, by the names of PyTorch's modules.
public enum DenseActivation: String, Sendable {
    case identity = "Identity"
    case tanh = "Tanh"
    case sigmoid = "Sigmoid"
    case relu = "ReLU"
    case gelu = "GELU"
    case silu = "SiLU"

    package init(_ config: ConfigurationReader, key: String, default fallback: Self) throws(ModelError) {
        let name = try config.string(key, default: fallback.rawValue)
        guard let found = name.split(separator: ".").last.flatMap({ Self(rawValue: String($0)) }) else {
            throw .wrongValue(
                file: config.file, key: key, found: "\"\(name.prefix(60))\"",
                expected: "Identity, Tanh, Sigmoid, ReLU, GELU or SiLU of torch.nn")
        }
        self = found
    }

    /// f(x) of one number.
    public func callAsFunction(_ x: Float) -> Float {
        switch self {
        case .identity: x
        case .tanh: tanhf(x)
        case .sigmoid: 1 / (1 + expf(-x))
        case .relu: max(x, 0)
        case .gelu: 0.5 * x * (1 + erff(x / Float(2).squareRoot()))
        case .silu: x / (1 + expf(-x))
        }
    }

    /// f(x), element by element.
    func callAsFunction(_ x: Tensor) throws(TensorError) -> Tensor {
        switch self {
        case .identity: x
        case .tanh: try x.tanh()
        case .sigmoid: try x.sigmoid()
        case .relu: try x.relu()
        case .gelu: try x.gelu()
        case .silu: try x.silu()
        }
    }
}

extension Checkpoint {
    /// The pooling and the layers after it, as the model's files declare them.
    func sentenceModules() throws -> SentenceModules {
        if gguf != nil { return SentenceModules(gguf: configuration.json["martlet_pooling"]?.integer) }
        return Folder.exists(path + "/modules.json") ? try SentenceModules(folder: path) : SentenceModules()
    }

    /// A description of how a text's vector is computed: "mean pooling, dense to 256 numbers, length one".
    public func embeddingSteps() throws -> String {
        let modules = try sentenceModules()
        var steps = [modules.pooling.modes.map(\.rawValue).joined(separator: " + ") + " pooling"]
        if !modules.pooling.includesPrompt { steps[0] += " without the prompt" }
        for step in modules.steps {
            switch step {
            case .dense(_, let config): steps.append("dense to \(try config.integer("out_features")) numbers")
            case .normalize: steps.append("length one")
            }
        }
        return steps.joined(separator: ", ")
    }

    /// The text embedding model in this checkpoint.
    /// - Throws: `ModelError.wrongKind` when it is not one.
    public func embeddingModel() throws -> EmbeddingModel { try EmbeddingModel(self) }

    /// The embedding model with trainable parameters. Dense layers after the pooling stay as they are.
    /// - Parameter isTrained: returns by the model's name whether a parameter is trained.
    /// - Throws: `ModelError.wrongKind` for a language model, which embeds by no layers of its own.
    package func trainableEmbeddingModel(
        where isTrained: @escaping (String) -> Bool = { _ in true }
    ) throws -> TrainableEncoder<EmbeddingModel> {
        guard hasEncoder else {
            try demand(.embeds)
            let (decoder, parameters) = try trainableDecoder(where: isTrained)
            return TrainableEncoder(
                model: try EmbeddingModel(self, .decoder(decoder)), trained: parameters,
                all: parameters.map { ($0.name, $0.tensor) }, made: [])
        }
        let stored = CheckpointParameters(tensors, file: path, places: encoderPlaces)
        let source = NotedParameters(stored, places: encoderPlaces, where: isTrained)
        let encoder = Encoder(source, try EncoderConfiguration(configuration))
        try stored.finish()
        try tensors.checkUnchanged()
        return TrainableEncoder(
            model: try EmbeddingModel(self, .encoder(encoder)), trained: try source.finish(), all: source.all, made: [])
    }
}
