import MartletChat
import MartletModels
import MartletTensor
import MartletTokenizers
import Synchronization

/// Scores how well a text matches a query with a cross-encoder, which reads both together (reranking): an encoder, a
/// decoder or an encoder-decoder with a head of one number.
///
/// ```swift
/// let scorer = try TextScorer(path: "bge-reranker-base")
/// let scores = try scorer.scores("capital of France", ["Paris is a city in France.", "Rome is old."])
/// ```
///
/// Several tasks may use it at a time: what it computes for one waits for what it computes for the others.
public final class TextScorer: @unchecked Sendable {
    package let model: TextHead
    public let tokenizer: Tokenizer
    public let contextLength: Int
    private let activation: DenseActivation
    /// What a pair is rendered with, where the files say so.
    private let template: ChatTemplate?
    /// What stands before the query, or in a system message.
    private let prompt: String?
    /// Held while `model` computes; everything else is constant.
    private let turn = Mutex(())

    /// Opens a cross-encoder: a folder or a GGUF file.
    public convenience init(path: String) throws { try self.init(ModelFiles(path: path)) }

    /// - Throws: `ModelError.wrongKind` when the model does not give one score, but classifies texts or something else.
    public init(_ files: ModelFiles) throws {
        if files.adapters.isEmpty { try files.checkpoint.demand(.scores) }
        let opened = try ReadyClassifier(files)
        guard case .texts(let model) = opened.model, model.labelCount == 1 else {
            throw ModelError.unsupported(
                file: files.path,
                reason: "it has \(opened.labels.count) classes; a model that scores pairs of texts has one output")
        }
        self.model = model
        tokenizer = try files.tokenizer()
        let size = opened.vocabularySize
        guard tokenizer.vocabularySize <= size else {
            throw ModelError.vocabularyMismatch(model: size, tokenizer: tokenizer.vocabularySize)
        }
        let settings = try SentenceSettings(files), limit = settings.maximumLength ?? .max
        activation = settings.activation ?? model.activation
        template = settings.rendersPairs ? try files.chatTemplate(tokenizer) : nil
        guard template != nil || !settings.rendersPairs else {
            throw ModelError.unsupported(
                file: files.path,
                reason:
                    "sentence_bert_config.json has pairs as messages, and there is no chat template to render them with"
            )
        }
        prompt = settings.defaultPromptName.flatMap { settings.prompts[$0] }.flatMap { $0.isEmpty ? nil : $0 }
        contextLength = min(opened.contextLength, limit)
        try model.prepare(.fast)
    }

    /// The tokens of a pair of texts, and the segment of each token.
    public func tokens(_ query: String, _ text: String) throws -> (ids: [Int32], types: [Int32]) {
        guard let template else { return try tokenizer.encode((prompt ?? "") + query, with: text) }
        let instruction = prompt.map { [ChatMessage(role: "system", content: $0)] } ?? []
        let rendered = try template.render(
            messages: instruction + [
                ChatMessage(role: "query", content: query), ChatMessage(role: "document", content: text),
            ])
        let segments = rendered.segments.map { Tokenizer.Segment($0.text, isTrusted: $0.isTrusted) }
        let ids = try tokenizer.encode(segments: segments, addSpecialTokens: false)
        return (ids, [Int32](repeating: 0, count: ids.count))
    }

    /// One score per text, after the model's own activation function (usually the sigmoid: between 0 and 1).
    /// - Throws: `ModelError.contextExceeded` for a pair longer than the model's context.
    public func scores(_ query: String, _ texts: [String]) throws -> [Float] {
        try texts.chunks(of: 16).flatMap { part in
            try scores(part.map { try tokens(query, $0) })
        }
    }

    /// One score per tokenized pair of texts.
    public func scores(_ pairs: [(ids: [Int32], types: [Int32])]) throws -> [Float] {
        for pair in pairs where pair.ids.count > contextLength {
            throw ModelError.contextExceeded(tokens: pair.ids.count, limit: contextLength)
        }
        guard !pairs.isEmpty else { return [] }
        let logits = try turn.withLock { _ throws -> [Float] in
            try model(pairs.map(\.ids), types: pairs.map(\.types)).toArray(as: Float.self)
        }
        return logits.prefix(pairs.count).map { activation($0) }
    }
}

extension Array {
    fileprivate func chunks(of size: Int) -> [ArraySlice<Element>] {
        stride(from: 0, to: count, by: size).map { self[$0..<Swift.min($0 + size, count)] }
    }
}
