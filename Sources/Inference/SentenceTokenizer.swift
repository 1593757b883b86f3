import MartletModels
import MartletTokenizers

/// The tokens of a text as an embedding model or a classifier takes it: with its prompt, in lower case where its files say so,
/// cut to its length.
package struct SentenceTokenizer: Sendable {
    package let tokenizer: Tokenizer
    /// Texts that are put before a text, by name.
    package let prompts: [String: String]
    package let defaultPromptName: String?
    /// The maximum number of tokens.
    package let contextLength: Int
    private let lowercases: Bool
    /// The tokens that end a text with its special tokens.
    private let ends: Set<Int32>

    /// - Parameters:
    ///   - contextLength: the model's.
    ///   - vocabularySize: the model's.
    /// - Throws: `ModelError.vocabularyMismatch`.
    package init(_ files: ModelFiles, contextLength: Int, vocabularySize: Int) throws {
        try self.init(
            files.tokenizer(), SentenceSettings(files), contextLength: contextLength, vocabularySize: vocabularySize)
    }

    init(
        _ tokenizer: Tokenizer, _ settings: SentenceSettings, contextLength: Int, vocabularySize: Int
    ) throws {
        guard tokenizer.vocabularySize <= vocabularySize else {
            throw ModelError.vocabularyMismatch(model: vocabularySize, tokenizer: tokenizer.vocabularySize)
        }
        self.tokenizer = tokenizer
        prompts = settings.prompts
        defaultPromptName = settings.defaultPromptName
        self.contextLength = min(contextLength, settings.maximumLength ?? .max)
        lowercases = settings.lowercases
        ends = Set([tokenizer.details.separatorToken].compactMap { $0 }).union(tokenizer.eosTokens)
    }

    /// The text of a prompt by its name, the default one's where there is none given.
    /// - Throws: `OptionError` for a name that is none of `prompts`.
    package func prompt(named name: String?) throws -> String? {
        guard let name = name ?? defaultPromptName else { return nil }
        guard let prompt = prompts[name] else {
            throw OptionError(
                option: "prompt", value: name,
                expected: prompts.isEmpty
                    ? "none: the model has no prompts" : prompts.keys.sorted().joined(separator: ", "))
        }
        return prompt
    }

    /// The tokens of a text behind a prompt.
    package func tokens(_ text: String, prompt: String?) throws -> [Int32] {
        let whole = (prompt ?? "") + text
        return try tokenizer.encode(lowercases ? whole.lowercased() : whole)
    }

    /// The tokens of a prompt with the special tokens before it, without the special tokens after it.
    package func prefix(_ prompt: String) throws -> [Int32] {
        guard !prompt.isEmpty else { return [] }
        var tokens = try tokenizer.encode(lowercases ? prompt.lowercased() : prompt)
        if let last = tokens.last, ends.contains(last) { tokens.removeLast() }
        return tokens
    }

    /// Shortens the tokens of a text that is too long: drops the text's last tokens and keeps the special tokens at the
    /// end.
    /// - Parameter length: at most so many; the model's limit where left out.
    package func truncated(_ tokens: [Int32], to length: Int? = nil) -> [Int32] {
        let limit = min(length ?? contextLength, contextLength)
        guard tokens.count > limit else { return tokens }
        let behind = tokenizer.specialTokensAdded > 0 && tokens.last.map(ends.contains) ?? false ? 1 : 0
        return tokens.prefix(limit - behind) + tokens.suffix(behind)
    }
}
