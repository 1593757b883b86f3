import MartletModels
import MartletTensor
import MartletTokenizers

/// Vectors of texts, as the model was published: with its prompts, its pooling, its dense layers, of unit length where
/// it says so.
public final class TextEmbedder {
    public let model: EmbeddingModel
    public let tokenizer: Tokenizer
    /// Texts to be put before a text, by name: "query", "passage", ….
    public let prompts: [String: String]
    /// The prompt of texts for which none is named.
    public let defaultPromptName: String?
    /// Tokens that a text may have at most: the least of the positions and of `max_seq_length`.
    public let contextLength: Int
    /// Numbers of a vector: those of the model, or the first `truncate_dim` of them.
    public let dimension: Int
    /// What of the files is passed over and may matter.
    public let warnings: [String]
    private let lowercases: Bool
    /// The beginning of every text that has the default prompt.
    private let defaultPrefix: [Int32]

    /// Opens a folder, or a GGUF file, of a model that embeds.
    public convenience init(path: String) throws { try self.init(ModelFiles(path: path)) }

    public init(_ files: ModelFiles) throws {
        model = try files.checkpoint.embeddingModel()
        tokenizer = try files.tokenizer()
        guard tokenizer.vocabularySize <= model.vocabularySize else {
            throw ModelError.vocabularyMismatch(
                model: model.vocabularySize, tokenizer: tokenizer.vocabularySize)
        }
        let settings = try SentenceSettings(files)
        prompts = settings.prompts
        defaultPromptName = settings.defaultPromptName
        contextLength = min(model.contextLength, settings.maximumLength ?? .max)
        dimension = min(model.dimension, settings.keptNumbers ?? .max)
        lowercases = settings.lowercases
        warnings = try files.checkpoint.warnings()
        defaultPrefix =
            try settings.defaultPromptName.flatMap { settings.prompts[$0] }.map { [tokenizer] in
                try Self.prefix(settings.lowercases ? $0.lowercased() : $0, tokenizer)
            } ?? []
        try model.prepare(.fast)
    }

    /// What a prompt and the special tokens before it become; the tokens behind it are left out.
    private static func prefix(_ prompt: String, _ tokenizer: Tokenizer) throws -> [Int32] {
        guard !prompt.isEmpty else { return [] }
        var tokens = try tokenizer.encode(prompt)
        let ends = Set([tokenizer.details.separatorToken].compactMap { $0 }).union(tokenizer.eosTokens)
        if let last = tokens.last, ends.contains(last) { tokens.removeLast() }
        return tokens
    }

    /// A text's tokens, with a prompt before it.
    /// - Parameter prompt: the name of one of `prompts`; the default one where absent.
    public func tokens(_ text: String, prompt name: String? = nil) throws -> [Int32] {
        var whole = text
        if let name = name ?? defaultPromptName {
            guard let prompt = prompts[name] else {
                throw OptionError(
                    option: "prompt", value: name,
                    expected: prompts.isEmpty
                        ? "none: the model has no prompts" : prompts.keys.sorted().joined(separator: ", "))
            }
            whole = prompt + whole
        }
        return try tokenizer.encode(lowercases ? whole.lowercased() : whole)
    }

    /// The tokens of a text that is too long, without the last of the text's own; what the tokenizer puts behind every
    /// text stays.
    public func truncated(_ tokens: [Int32]) -> [Int32] {
        guard tokens.count > contextLength else { return tokens }
        let ends = Set([tokenizer.details.separatorToken].compactMap { $0 }).union(tokenizer.eosTokens)
        let behind = tokenizer.specialTokensAdded > 0 && tokens.last.map(ends.contains) ?? false ? 1 : 0
        return tokens.prefix(contextLength - behind) + tokens.suffix(behind)
    }

    /// One vector for each text. Texts longer than the model reads are refused, unless they may be cut.
    /// - Parameters:
    ///   - prompt: the name of one of `prompts`; the default one where absent.
    ///   - truncating: cuts what is longer than `contextLength`.
    public func embed(_ texts: [String], prompt: String? = nil, truncating: Bool = false) throws -> [[Float]] {
        let prefix =
            try prompt.flatMap { prompts[$0] }.map { try Self.prefix(lowercases ? $0.lowercased() : $0, tokenizer) }
            ?? defaultPrefix
        var vectors: [[Float]] = []
        // A few texts at a time bounds the memory of a long list.
        for start in stride(from: 0, to: texts.count, by: 16) {
            let batch = try texts[start..<min(start + 16, texts.count)].map { text in
                let whole = try tokens(text, prompt: prompt)
                return truncating ? truncated(whole) : whole
            }
            vectors += try embed(tokens: batch, prefix: prefix)
        }
        return vectors
    }

    /// One vector for each sequence of tokens. Where the model leaves its prompt out of the vector, so is the default
    /// prompt at a sequence's beginning.
    public func embed(tokens: [[Int32]]) throws -> [[Float]] { try embed(tokens: tokens, prefix: defaultPrefix) }

    private func embed(tokens: [[Int32]], prefix: [Int32]) throws -> [[Float]] {
        for sequence in tokens where sequence.count > contextLength {
            throw ModelError.contextExceeded(tokens: sequence.count, limit: contextLength)
        }
        let result = try model.embeddings(tokens, prompts: tokens.map { $0.starts(with: prefix) ? prefix.count : 0 })
        return try result.withHostValues { values in
            tokens.indices.map { Array(values[$0 * model.dimension..<($0 * model.dimension + dimension)]) }
        }
    }
}
