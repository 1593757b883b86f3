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
    /// What a language model is asked that answers yes or no; nil of a model with a head.
    private let instruction: String?
    /// Held while `model` computes; everything else is constant.
    private let turn = Mutex(())

    /// Opens a cross-encoder: a folder or a GGUF file.
    public convenience init(path: String) throws { try self.init(ModelFiles(path: path)) }

    /// - Throws: `ModelError.wrongKind` when the model does not give one score, but classifies texts or something else.
    public init(_ files: ModelFiles) throws {
        let checkpoint = files.checkpoint
        if checkpoint.kind == .generates, files.adapters.isEmpty {
            throw ModelError.wrongKind(
                path: files.path, kind: "\(checkpoint.kind.name) (\(checkpoint.kind.uses))",
                wanted:
                    "a model that scores texts; one that answers yes or no, as Qwen publishes Qwen3-Reranker, is opened "
                    + "with martlet rerank --yes-no, or TextScorer(asking:)")
        }
        if files.adapters.isEmpty { try checkpoint.demand(.scores) }
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
        instruction = nil
        contextLength = min(opened.contextLength, limit)
        try model.prepare(.fast)
    }

    /// What Qwen3-Reranker is asked where nobody says anything else.
    public static let usualInstruction = "Given a web search query, retrieve relevant passages that answer the query"

    /// A language model that is asked whether a text fits a query, and answers yes or no: Qwen3-Reranker in the folder that
    /// Qwen publishes. score = σ(logit(yes) − logit(no)) (Zhang et al. 2025, Qwen3 Embedding, section 2).
    /// - Parameter instruction: what texts are to do for the query.
    /// - Throws: `ModelError` for a model of another kind, and one whose tokenizer lacks the tokens of the question.
    public init(asking files: ModelFiles, instruction: String = TextScorer.usualInstruction) throws {
        try files.checkpoint.demand(.generates)
        guard files.adapters.isEmpty else {
            throw ModelError.unsupported(
                file: files.path,
                reason: "it has an adapter, which is not put on a scorer: merge it into the model first")
        }
        tokenizer = try files.tokenizer()
        guard let yes = tokenizer.id(of: "yes"), let no = tokenizer.id(of: "no"),
            tokenizer.id(of: "<|im_start|>") != nil
        else {
            throw ModelError.unsupported(
                file: files.path,
                reason:
                    "its tokenizer lacks yes, no or <|im_start|>: texts are scored so by Qwen3-Reranker and by what is "
                    + "made of Qwen's models; take a model with a head of one number instead")
        }
        let own = try files.checkpoint.decoderClassifier(yes: yes, no: no)
        guard tokenizer.vocabularySize <= own.vocabularySize else {
            throw ModelError.vocabularyMismatch(model: own.vocabularySize, tokenizer: tokenizer.vocabularySize)
        }
        model = .decoder(own)
        (activation, contextLength) = (own.activation, own.contextLength)
        (template, prompt, self.instruction) = (nil, nil, instruction)
        try model.prepare(.fast)
    }

    /// The question, in the words that Qwen3-Reranker was trained with.
    private func question(_ instruction: String, _ query: String, _ text: String) -> [Tokenizer.Segment] {
        [
            Tokenizer.Segment(
                "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
                    + "provided. Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n<|im_start|>user\n",
                isTrusted: true),
            Tokenizer.Segment(
                "<Instruct>: \(instruction)\n<Query>: \(query)\n<Document>: \(text)", isTrusted: false),
            Tokenizer.Segment(
                "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n", isTrusted: true),
        ]
    }

    /// The tokens of a pair of texts, and the segment of each token.
    public func tokens(_ query: String, _ text: String) throws -> (ids: [Int32], types: [Int32]) {
        if let instruction {
            let ids = try tokenizer.encode(segments: question(instruction, query, text), addSpecialTokens: false)
            return (ids, [Int32](repeating: 0, count: ids.count))
        }
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
