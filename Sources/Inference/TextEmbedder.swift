import MartletAdapters
import MartletModels
import MartletTensor
import MartletTokenizers
import Synchronization

/// Text embeddings as the model was published: with its prompts, pooling, dense layers and normalisation.
///
/// ```swift
/// let embedder = try TextEmbedder(path: "all-MiniLM-L6-v2")
/// let vectors = try embedder.embed(["a cat", "a kitten"])   // [[Float]], one per text
/// ```
///
/// Several tasks may use it at a time: what it computes for one waits for what it computes for the others. `model` by itself
/// is not for several.
public final class TextEmbedder: @unchecked Sendable {
    public let model: EmbeddingModel
    public let tokenizer: Tokenizer
    /// Texts that are put before a text, by name: "query", "passage", ….
    public let prompts: [String: String]
    /// The name of the prompt used by default.
    public let defaultPromptName: String?
    /// The maximum number of tokens per text: the minimum of the positions and `max_seq_length`.
    public let contextLength: Int
    /// The dimension of a vector: the model's, or `truncate_dim`.
    public let dimension: Int
    /// What is ignored in the files and may matter.
    public let warnings: [String]
    /// What of adapters' files is ignored and may matter.
    public let adapterNotes: [String]
    private let sentences: SentenceTokenizer
    /// The first tokens of every text with the default prompt.
    private let defaultPrefix: [Int32]
    /// Held while `model` computes; everything else is constant.
    private let turn = Mutex(())

    /// Opens an embedding model: a folder or a GGUF file.
    public convenience init(path: String) throws { try self.init(ModelFiles(path: path)) }

    public init(_ files: ModelFiles) throws {
        model = try files.checkpoint.embeddingModel()
        var notes: [String] = []
        if !files.adapters.isEmpty {
            notes = try files.attachAdapters(to: AdapterBase(model, of: files.checkpoint))
        }
        tokenizer = try files.tokenizer()
        let settings = try SentenceSettings(files)
        sentences = try SentenceTokenizer(
            tokenizer, settings, contextLength: model.contextLength, vocabularySize: model.vocabularySize)
        prompts = settings.prompts
        defaultPromptName = settings.defaultPromptName
        contextLength = sentences.contextLength
        dimension = min(model.dimension, settings.keptNumbers ?? .max)
        warnings = try files.checkpoint.warnings() + notes
        adapterNotes = notes
        defaultPrefix = try sentences.prefix(sentences.prompt(named: nil) ?? "")
        try model.prepare(.fast)
    }

    /// The tokens of a text with its prompt.
    /// - Parameter name: the name of one of `prompts`; the default one if omitted.
    public func tokens(_ text: String, prompt name: String? = nil) throws -> [Int32] {
        try sentences.tokens(text, prompt: sentences.prompt(named: name))
    }

    /// Shortens the tokens of a text that is too long: drops the text's last tokens and keeps the special tokens at the
    /// end.
    public func truncated(_ tokens: [Int32]) -> [Int32] { sentences.truncated(tokens) }

    /// The vector of each text. A text longer than `contextLength` throws, unless `truncating`.
    /// - Parameters:
    ///   - prompt: the name of one of `prompts`; the default one if omitted.
    ///   - truncating: whether to cut texts longer than `contextLength`.
    public func embed(_ texts: [String], prompt: String? = nil, truncating: Bool = false) throws -> [[Float]] {
        let prefix =
            try prompt.flatMap { prompts[$0] }.map { try sentences.prefix($0) } ?? defaultPrefix
        var vectors: [[Float]] = []
        // A few texts at a time, to bound the memory for a long list.
        for start in stride(from: 0, to: texts.count, by: 16) {
            let batch = try texts[start..<min(start + 16, texts.count)].map { text in
                let whole = try tokens(text, prompt: prompt)
                return truncating ? truncated(whole) : whole
            }
            vectors += try embed(tokens: batch, prefix: prefix)
        }
        return vectors
    }

    /// The vector of each token sequence. If the model excludes its prompt from pooling, the default prompt at the
    /// start of a sequence is excluded too.
    public func embed(tokens: [[Int32]]) throws -> [[Float]] { try embed(tokens: tokens, prefix: defaultPrefix) }

    private func embed(tokens: [[Int32]], prefix: [Int32]) throws -> [[Float]] {
        for sequence in tokens where sequence.count > contextLength {
            throw ModelError.contextExceeded(tokens: sequence.count, limit: contextLength)
        }
        let prompts = tokens.map { $0.starts(with: prefix) ? prefix.count : 0 }
        return try turn.withLock { _ throws -> [[Float]] in
            try model.embeddings(tokens, prompts: prompts).withHostValues { values in
                tokens.indices.map { Array(values[$0 * model.dimension..<($0 * model.dimension + dimension)]) }
            }
        }
    }
}
