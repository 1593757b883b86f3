import MartletFormats
import MartletNN
import MartletTensor

/// A classifier on a decoder or on an encoder-decoder: the state of one token gives the logits of a text, or of a pair.
///
///     logits = W h                                a decoder; h the state of the last token (Radford et al. 2018)
///     logits = Wo tanh(Wd h + bd) + bo            an encoder-decoder, whose decoder reads the same text one place to the
///                                                 right; h its state at the text's end token (Lewis et al. 2020)
///     score = logit(yes) − logit(no)              a language model that was asked (`ScoreTokens`)
///
/// Tokens of padding behind a decoder's text are passed over. These are `LlamaForSequenceClassification` and
/// `BartForSequenceClassification` of transformers, and the same of other families.
///
/// ```swift
/// let model = try Checkpoint(path: "bart-large-mnli").decoderClassifier()
/// try model.prepare(.fast)
/// let logits = try model([tokens])        // [1, labels]
/// ```
public final class DecoderClassifier {
    private enum Body {
        case decoder(Decoder, output: Linear, padding: Int32?)
        case tokens(Decoder, ScoreTokens)
        case encoderDecoder(EncoderDecoder, dense: Linear, output: Linear, TextRule)
    }

    /// How the decoder of an encoder-decoder is given a text.
    private struct TextRule {
        /// The first token of its input; nil: the text's last one, which goes round (mBART).
        let start: Int32?
        /// The token whose state is taken.
        let end: Int32
    }

    private let body: Body
    /// The layers of the body.
    public let tree: ModuleTree
    /// The layers of the head.
    private let headTree: ModuleTree
    /// The number of outputs per text: one score, or one logit per class.
    public let labelCount: Int
    /// The activation function applied to a score, as published with the model.
    public let activation: DenseActivation
    /// The largest number of tokens per text.
    public let contextLength: Int
    public let vocabularySize: Int
    private var precision = Precision.exact

    /// - Parameters:
    ///   - asked: the tokens whose logits are the score of a language model whose files do not say them.
    ///   - given: the head of a decoder whose files have another or none, `[labels, hidden]`.
    fileprivate init(_ checkpoint: Checkpoint, asked: ScoreTokens? = nil, head given: Tensor? = nil) throws {
        if given != nil {
            try checkpoint.demand(.generates, .scores, .classifies)
        } else if asked == nil {
            try checkpoint.demand(.scores, .classifies)
        } else {
            try checkpoint.demand(.generates)
        }
        guard !checkpoint.hasEncoder, !checkpoint.isOverTokens else {
            throw ModelError.unsupported(
                file: checkpoint.path,
                reason: checkpoint.hasEncoder
                    ? "it is a classifier on an encoder, which Checkpoint.classifier() opens"
                    : "heads over each token are read on encoders (BERT and what follows it), not on "
                        + checkpoint.modelType)
        }
        let config = checkpoint.configuration
        let isPair = checkpoint.hasEncoderDecoder
        let name = isPair ? "classification_head.out_proj" : "score"
        let stored = given == nil ? checkpoint.tensors.entry(name + ".weight") : nil
        let places: (String) -> [WeightPlace] = { [.tensor($0)] }
        let parameters = CheckpointParameters(
            checkpoint.tensors, file: checkpoint.path, places: places, packed: try PackedFormats.reader(config))
        let source = ModuleTree.Builder(given.map { GivenHead($0) as any ParameterSource } ?? parameters)
        if isPair {
            let (model, rule) = try Self.encoderDecoder(checkpoint)
            let width = model.configuration.hiddenSize
            labelCount = try checkpoint.outputCount(stored, name + ".weight", width: width)
            body = .encoderDecoder(
                model, dense: Linear(source, "classification_head.dense", from: width, to: width, bias: true),
                output: Linear(source, name, from: width, to: labelCount, bias: true), rule)
            tree = model.tree
            (contextLength, vocabularySize) = (model.configuration.longestText, model.configuration.vocabularySize)
        } else if let scoreTokens = asked ?? checkpoint.scoreTokens {
            let model = try checkpoint.decoder(), spec = model.configuration
            for token in [scoreTokens.yes] + (scoreTokens.no.map { [$0] } ?? []) where token >= spec.vocabularySize {
                throw ModelError.tokenOutOfRange(token: Int(token), vocabularySize: spec.vocabularySize)
            }
            labelCount = 1
            body = .tokens(model, scoreTokens)
            tree = model.tree
            (contextLength, vocabularySize) = (spec.contextLength, spec.vocabularySize)
        } else {
            let model = try checkpoint.decoder(), spec = model.configuration
            if let given, given.shape.count != 2 || given.shape[0] == 0 || given.shape[1] != spec.embeddingSize {
                throw ModelError.wrongShapes(
                    file: checkpoint.path,
                    [.init(name: name + ".weight", found: Array(given.shape), expected: [1, spec.embeddingSize])])
            }
            labelCount =
                try given?.shape[0] ?? checkpoint.outputCount(stored, name + ".weight", width: spec.embeddingSize)
            let hasBias = given == nil && checkpoint.tensors.entry("score.bias") != nil
            let output = Linear(source, name, from: spec.embeddingSize, to: labelCount, bias: hasBias)
            let padding = try config.optionalInteger("pad_token_id", in: -1...Int(Int32.max)).map { Int32($0) }
            body = .decoder(model, output: output, padding: padding)
            tree = model.tree
            (contextLength, vocabularySize) = (spec.contextLength, spec.vocabularySize)
        }
        headTree = source.tree
        try parameters.finish()
        activation = try asked == nil ? config.scoreActivation(labels: labelCount) : .sigmoid
    }

    /// The layers below the head of a decoder; nil of an encoder-decoder.
    package var decoder: Decoder? {
        switch body {
        case .decoder(let model, _, _), .tokens(let model, _): model
        case .encoderDecoder: nil
        }
    }

    /// The layers below the head, and how they are given a text.
    private static func encoderDecoder(_ checkpoint: Checkpoint) throws -> (EncoderDecoder, TextRule) {
        guard case .encoderDecoder(let form)? = Family.named(checkpoint.modelType)?.body,
            let classifier = form.classifier
        else {
            throw ModelError.unsupported(
                file: checkpoint.path,
                reason: "classifiers of type \(checkpoint.modelType) are not supported; those of BART, mBART and T5 are"
            )
        }
        let config = checkpoint.configuration, tokens = 0...Int(Int32.max)
        let end = try config.integer("eos_token_id", in: tokens, default: classifier.end)
        let start = try classifier.start.map { fallback throws(ModelError) in
            try config.integer("decoder_start_token_id", in: tokens, default: fallback)
        }
        let reading = try checkpoint.encoderDecoderReading()
        let parameters = CheckpointParameters(
            checkpoint.tensors, file: checkpoint.path, places: checkpoint.places(reading))
        let model = EncoderDecoder(parameters, reading.configuration)
        try parameters.finish()
        try checkpoint.tensors.checkUnchanged()
        return (model, TextRule(start: start.map { Int32($0) }, end: Int32(end)))
    }

    public func prepare(_ precision: Precision) throws {
        self.precision = precision
        try tree.prepare(precision)
        try headTree.prepare(precision)
        try checkFiles()
    }

    /// Checks that the weight files have not changed since they were loaded.
    /// - Throws: `ModelError.fileChanged`.
    package func checkFiles() throws(ModelError) {
        switch body {
        case .decoder(let model, _, _), .tokens(let model, _): try model.checkFiles()
        case .encoderDecoder(let model, _, _, _): try model.checkFiles()
        }
    }

    /// The logits of several texts, `[texts, labels]`. Those of a text do not depend on the other texts.
    /// - Parameter texts: the token ids of each text, or pair of texts.
    /// - Throws: `TensorError` for a text without tokens, or without the end token where its state is taken;
    ///   `ModelError.contextExceeded`, `ModelError.tokenOutOfRange`.
    public func callAsFunction(_ texts: [[Int32]]) throws -> Tensor {
        for text in texts {
            guard !text.isEmpty else { throw TensorError(.argument, "classifier", "a text has no tokens") }
            guard text.count <= contextLength else {
                throw ModelError.contextExceeded(tokens: text.count, limit: contextLength)
            }
        }
        guard !texts.isEmpty else { return try Tensor.zeros([0, labelCount]) }
        let tokens = texts.flatMap { $0 }
        var rows: [Range<Int>] = []
        for text in texts {
            let start = rows.last?.upperBound ?? 0
            rows.append(start..<start + text.count)
        }
        switch body {
        case .tokens(let model, let chosen):
            let states = try states(of: tokens, rows, model)  // [tokens, hidden]
            let last = rows.map { Int32($0.upperBound - 1) }
            let logits = try model.logits(Fused.embed(last, states, scale: 1))  // [texts, vocabulary]
            let yes = try logits.narrow(1, from: Int(chosen.yes), length: 1)  // [texts, 1]
            guard let no = chosen.no else { return yes.contiguous() }
            return try yes.contiguous() - logits.narrow(1, from: Int(no), length: 1).contiguous()
        case .decoder(let model, let output, let padding):
            let states = try states(of: tokens, rows, model)  // [tokens, hidden]
            let last = zip(texts, rows).map { text, rows in
                Int32(rows.lowerBound + (padding.map { id in text.lastIndex { $0 != id } ?? 0 } ?? text.count - 1))
            }
            return try output(Fused.embed(last, states, scale: 1))  // [texts, labels]
        case .encoderDecoder(let model, let dense, let output, let rule):
            let places = try zip(texts, rows).map { text, rows in
                guard let place = text.lastIndex(of: rule.end) else {
                    throw TensorError(
                        .argument, "classifier",
                        "a text lacks the end token \(rule.end), whose state is classified: encode it with special tokens"
                    )
                }
                return Int32(rows.lowerBound + place)
            }
            let inputs = texts.flatMap { text in [rule.start ?? text[text.count - 1]] + text.dropLast() }
            let sources = try model.sourceCaches(texts, precision: precision)
            let targets = zip(rows, sources).map {
                TargetSequence(rows: $0, cache: model.targetCache(precision: precision), source: $1)
            }
            let states = try model.unscaledStates(inputs, targets)  // [tokens, hidden]
            let inner = try dense(Fused.embed(places, states, scale: 1)).tanh()  // [texts, hidden]
            return try output(inner)  // [texts, labels]
        }
    }

    /// The states of several texts, `[tokens, hidden]`.
    private func states(of tokens: [Int32], _ rows: [Range<Int>], _ model: Decoder) throws -> Tensor {
        try model.hiddenStates(
            tokens,
            rows.map { DecoderSequence(rows: $0, cache: KVCache(model.configuration, precision: precision)) })
    }
}

/// A head that is no part of the model's files.
private final class GivenHead: ParameterSource {
    let weight: Tensor
    init(_ weight: Tensor) { self.weight = weight }
    func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor { weight }
}

extension Checkpoint {
    /// A classifier on the decoder in this checkpoint with a head from elsewhere, `[labels, hidden]`: from an adapter.
    package func decoderClassifier(head: Tensor) throws -> DecoderClassifier { try DecoderClassifier(self, head: head) }

    /// The classifier on a decoder or an encoder-decoder in this checkpoint.
    /// - Throws: `ModelError.wrongKind` when it is no classifier.
    public func decoderClassifier() throws -> DecoderClassifier { try DecoderClassifier(self) }

    /// A language model that scores a prompt by its logits of two tokens behind it: logit(yes) − logit(no).
    /// - Throws: `ModelError.wrongKind` when it is no language model.
    package func decoderClassifier(yes: Int32, no: Int32) throws -> DecoderClassifier {
        try DecoderClassifier(self, asked: ScoreTokens(yes: yes, no: no))
    }

    /// How many numbers a classifier gives: the rows of its output's matrix, with which the configuration must agree.
    /// - Parameters:
    ///   - stored: the matrix, where there is one.
    ///   - name: what it is called where there is none.
    func outputCount(_ stored: TensorEntry?, _ name: String, width: Int) throws(ModelError) -> Int {
        let told = try configuration.labelCount(), count = stored?.shape.first ?? told ?? 1
        if let told, told != count {
            throw .wrongValue(
                file: configuration.file,
                key: configuration.json["id2label"]?.object == nil ? "num_labels" : "id2label",
                found: "\(told) labels", expected: "as many as \(stored?.name ?? name) has rows, \(count)")
        }
        guard count > 0 else {
            throw .wrongShapes(
                file: path, [.init(name: name, found: stored.map { Array($0.shape) } ?? [], expected: [1, width])])
        }
        return count
    }
}

extension ConfigurationReader {
    /// How many labels the configuration speaks of; nil where it does not.
    func labelCount() throws(ModelError) -> Int? {
        let number = try optionalInteger("num_labels", in: 0...65_536)
        return json["id2label"]?.object?.count ?? number
    }

    /// The activation function of a classifier's numbers where they are scores, as sentence-transformers writes it: of a
    /// single one the sigmoid by default.
    func scoreActivation(labels: Int) throws(ModelError) -> DenseActivation {
        let fallback = labels == 1 ? DenseActivation.sigmoid : .identity
        if let own = try child("sentence_transformers"), own.json["activation_fn"]?.string != nil {
            return try DenseActivation(own, key: "activation_fn", default: fallback)
        }
        return try DenseActivation(self, key: "sbert_ce_default_activation_function", default: fallback)
    }
}
