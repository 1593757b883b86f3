import MartletJSON
import MartletNN
import MartletTensor

/// An encoder with a head over every token: named entities, parts of speech, or the first and last token of an answer
/// (question answering).
///
/// ```swift
/// let model = try Checkpoint(path: "bert-base-NER").tokenClassifier()
/// try model.prepare(.fast)
/// let logits = try model([tokens])        // [tokens, labels]
/// ```
public final class TokenClassifier {
    public let encoder: Encoder
    public let tree: ModuleTree
    private let head: EncoderHead
    /// Logits of each token: one for each class; for question answering two, of the answer's first and last token.
    public let labelCount: Int
    /// Whether it marks answers to questions.
    public let answersQuestions: Bool

    /// - Parameter newLabels: the classes of a new head, on whatever encoder there is; nil reads the head of the files.
    fileprivate init(
        _ checkpoint: Checkpoint, newLabels: Int? = nil,
        _ wrapped: (CheckpointParameters) -> any ParameterSource = { $0 }
    ) throws {
        if newLabels == nil { try checkpoint.demand(.classifies) }
        guard case .encoder(let form)? = Family.named(checkpoint.modelType)?.body else {
            throw ModelError.unsupported(
                file: checkpoint.path, reason: "token classifiers are read with an encoder (BERT and what follows it)")
        }
        let config = checkpoint.configuration, spec = try EncoderConfiguration(config)
        let parameters = CheckpointParameters(
            checkpoint.tensors, file: checkpoint.path, places: checkpoint.encoderPlaces)
        let stored = checkpoint.encoderPlaces("token_classifier.weight").lazy
            .compactMap { checkpoint.tensors.entry($0.storedName) }.first
        let count: Int
        if let newLabels {
            (count, answersQuestions) = (newLabels, false)
        } else {
            guard let stored, let rows = stored.shape.first, rows > 0, stored.shape.count == 2 else {
                throw ModelError.missingTensors(
                    file: checkpoint.path, names: ["classifier.weight", "qa_outputs.weight"])
            }
            count = rows
            answersQuestions = stored.name.contains("qa_outputs") || checkpoint.isQuestionAnswering
            if answersQuestions, let reason = form.head.whyNoTexts {
                throw ModelError.unsupported(file: checkpoint.path, reason: reason)
            }
            guard !answersQuestions || count == 2 else {
                throw ModelError.wrongShapes(
                    file: checkpoint.path,
                    [.init(name: stored.name, found: Array(stored.shape), expected: [2, spec.hiddenSize])])
            }
        }
        labelCount = count
        let source = ModuleTree.Builder(wrapped(parameters))
        encoder = Encoder(source, spec)
        head = try EncoderHead(source, form.head, config, spec, labels: count, isOverTokens: true)
        tree = source.tree
        try parameters.finish()
    }

    public func prepare(_ precision: Precision) throws {
        try tree.prepare(precision)
        try encoder.checkFiles()
    }

    /// The logits of every token of several texts: `[tokens of all texts, labels]`.
    /// - Parameter dropout: in training, of the encoder and of what the head's output takes.
    public func callAsFunction(
        _ texts: [[Int32]], types: [[Int32]]? = nil, dropout: DecoderDropout? = nil
    ) throws -> Tensor {
        try head(encoder(texts, types: types, dropout: dropout), dropout: dropout)  // [tokens, labels]
    }
}

extension Checkpoint {
    /// The model with a head over every token.
    /// - Throws: `ModelError.wrongKind` when it is none.
    public func tokenClassifier() throws -> TokenClassifier { try TokenClassifier(self) }

    /// The same with trainable float32 parameters, and those parameters.
    public func trainableTokenClassifier(
        where isTrained: @escaping (String) -> Bool = { _ in true }
    ) throws -> (TokenClassifier, [Parameter]) {
        var source: TrainableParameters?
        let model = try TokenClassifier(self) {
            let trainable = TrainableParameters($0, where: isTrained)
            source = trainable
            return trainable
        }
        try source?.finish()
        return (model, source?.parameters ?? [])
    }

    /// A classifier of tokens to train on the encoder in this checkpoint; see `newClassifier`.
    package func newTokenClassifier(
        labels: Int, keepsOutput: Bool, seed: UInt64, where isTrained: @escaping (String) -> Bool
    ) throws -> TrainableEncoder<TokenClassifier> {
        try withNewHead(seed: seed, keepsOutput: keepsOutput, where: isTrained) {
            try TokenClassifier(self, newLabels: labels, $0)
        }
    }

    /// Whether the architecture is one that marks answers.
    public var isQuestionAnswering: Bool { architecture?.hasSuffix("ForQuestionAnswering") ?? false }
    /// Whether it gives each token logits.
    public var isOverTokens: Bool {
        isQuestionAnswering || architecture?.hasSuffix("ForTokenClassification") ?? false
    }

    /// The first of `architectures`.
    private var architecture: String? { configuration.json["architectures"]?.array?.first?.string }

    /// The names of the classes, by their numbers; the numbers where the files have no names.
    public func labels(count: Int) -> [String] {
        let names = configuration.json["id2label"]
        return (0..<count).map { names?["\($0)"]?.string ?? "\($0)" }
    }
}
