import MartletFormats
import MartletJSON

/// What a model does, according to its files.
///
/// ```swift
/// let checkpoint = try Checkpoint(path: "bge-reranker-base")
/// if checkpoint.kind == .scores { print(try TextScorer(path: checkpoint.path).scores(query, texts)) }
/// ```
public enum ModelKind: String, Sendable, CaseIterable {
    /// Continues text: a language model.
    case generates
    /// Computes embedding vectors of texts.
    case embeds
    /// Gives a text, or a pair of texts, one number: a cross-encoder (reranker) or a reward model.
    case scores
    /// Gives a text, or each of its tokens, a number for each of several classes.
    case classifies
    /// Writes one text from another, which an encoder reads (T5, BART, Marian).
    case translates

    /// What such a model is called.
    public var name: String {
        switch self {
        case .generates: "a language model"
        case .embeds: "an embedding model"
        case .scores: "a model that scores texts"
        case .classifies: "a classifier of texts"
        case .translates: "an encoder-decoder"
        }
    }

    /// What such a model is used with: commands, routes of the server, types of the library.
    public var uses: String {
        switch self {
        case .generates: "martlet run, /v1/chat/completions, LanguageModel"
        case .embeds: "martlet embed, /v1/embeddings, TextEmbedder"
        case .scores: "martlet rerank, /v1/rerank of a server, --reward, TextScorer"
        case .classifies: "martlet classify, TextClassifier"
        case .translates: "martlet translate, martlet run, /v1/completions of a server, SequenceToSequenceModel"
        }
    }
}

extension ModelKind {
    /// - Parameters:
    ///   - configuration: of the text part.
    ///   - architectures: `architectures` of the whole model.
    ///   - hasHead: whether the files contain an output projection.
    ///   - labelCount: how many numbers the classifier gives, where there is one.
    init(
        _ configuration: ConfigurationReader, architectures: [String], hasHead: Bool, isSentenceModel: Bool,
        labelCount: Int?
    ) {
        let scoring: ModelKind = labelCount ?? 1 > 1 ? .classifies : .scores
        if let name = configuration.json["model_type"]?.string, Family.named(name)?.isEncoderDecoder == true {
            self = architectures.first?.hasSuffix("ForSequenceClassification") == true ? scoring : .translates
            return
        }
        let isEncoder = configuration.json["model_type"]?.string.flatMap(Family.named)?.isEncoder ?? false
        // llama.cpp's numbers: none, mean, first, last, rank.
        switch configuration.json["martlet_pooling"]?.integer {
        case 4: self = scoring
        case 1, 2, 3: self = .embeds
        default:
            let name = architectures.first ?? ""
            if name.hasSuffix("ForSequenceClassification") {
                self = scoring
            } else if name.hasSuffix("ForTokenClassification") || name.hasSuffix("ForQuestionAnswering") {
                self = .classifies
            } else if configuration.json["is_encoder_decoder"]?.bool == true {
                self = .translates
            } else if isEncoder || isSentenceModel {
                self = .embeds
            } else {
                // `LlamaModel`, `Qwen3Model`: the layers without a head, as embedding models are published.
                let isBare = name.hasSuffix("Model") && !name.hasSuffix("LMHeadModel")
                self = isBare && !hasHead ? .embeds : .generates
            }
        }
    }

    /// How many numbers a classifier gives: the rows of its matrix, or what the configuration says; nil without either.
    static func labelCount(_ configuration: ConfigurationReader, _ tensors: any TensorSource) -> Int? {
        let names = [
            "classifier.weight", "classifier.out_proj.weight", "score.weight", "classification_head.out_proj.weight",
            "cls.output.weight",
        ]
        return names.lazy.compactMap { tensors.entry($0)?.shape.first }.first
            ?? configuration.json["id2label"]?.object?.count
            ?? configuration.json["num_labels"]?.integer.flatMap { Int(exactly: $0) }
    }
}

extension Checkpoint {
    /// - Throws: `ModelError.wrongKind`, which says what the model is used with, when it is of none of these kinds;
    ///   `ModelError.unsupportedArchitecture` for one that nothing is used with.
    public func demand(_ kinds: ModelKind...) throws(ModelError) {
        guard modelType.isEmpty || Family.named(modelType) != nil else {
            throw .unsupportedArchitecture(
                file: configuration.file, name: modelType, supported: Family.supportedArchitectures)
        }
        try demandWriter()
        guard !kinds.contains(kind) else { return }
        throw .wrongKind(
            path: path, kind: "\(kind.name) (\(kind.uses))", wanted: kinds.map(\.name).joined(separator: " or "))
    }

    /// Of an encoder-decoder's families: that it writes text.
    /// - Throws: `ModelError.unsupported` for a head of another task on one, and for the encoder of one.
    func demandWriter() throws(ModelError) {
        guard kind == .translates, let name = configuration.json["architectures"]?.array?.first?.string else { return }
        if name.hasSuffix("EncoderModel") {
            throw .unsupported(
                file: path,
                reason:
                    "\(name) is the encoder of an encoder-decoder alone, which is not read: for vectors of texts take an "
                    + "encoder such as BERT's or MPNet's")
        }
        let tasks = ["ForTokenClassification", "ForQuestionAnswering"]
        guard tasks.contains(where: name.hasSuffix) else { return }
        throw .unsupported(
            file: path,
            reason:
                "\(name) has a head over each token of an encoder-decoder, which is not read: take one on an encoder, such "
                + "as RoBERTa or DeBERTa")
    }
}
