import MartletModels
import MartletNN
import MartletTensor
import MartletTokenizers

/// A model that writes a text for a text: T5 and Flan-T5, BART, mBART, Pegasus, Marian, M2M-100 and NLLB.
///
/// ```swift
/// let model = try SequenceToSequenceModel(path: "opus-mt-en-de")
/// print(try model.reply(to: "The weather is fine today.").text)
/// ```
public final class SequenceToSequenceModel {
    public let generator: SequenceGenerator
    public let tokenizer: Tokenizer
    /// What of the files is passed over and may matter.
    public let warnings: [String]
    /// What a task puts before a text: "translate English to German: ", by the names in `task_specific_params`.
    public let prefixes: [String: String]
    private let vocabularySize: Int

    public struct Options: Sendable {
        /// The most tokens to write; the model's own number by default.
        public var maximumTokens: Int?
        /// By default as many beams as the model's files recommend.
        public var beams: BeamSearchOptions?
        /// The languages of the text and of the reply, as the model calls them: "fr", "fr_XX", "fra_Latn".
        public var source, target: String?

        public init() {}
    }

    public struct Reply: Sendable {
        public var text: String
        public var finishReason: FinishReason
        public var sourceTokens, replyTokens: Int
    }

    public convenience init(path: String, precision: Precision = .fast) throws {
        try self.init(ModelFiles(path: path), precision: precision)
    }

    public init(_ files: ModelFiles, precision: Precision = .fast, progress: (Int, Int) -> Void = { _, _ in }) throws {
        let model = try files.checkpoint.encoderDecoder()
        tokenizer = try files.tokenizer()
        vocabularySize = model.configuration.vocabularySize
        try model.prepare(precision, progress: progress)
        generator = SequenceGenerator(
            model, try SequenceRules(files), endTokens: tokenizer.eosTokens.union(try files.endTokens()),
            precision: precision)
        warnings = try files.checkpoint.warnings()
        let tasks = files.checkpoint.configuration.json["task_specific_params"]?.object ?? [:]
        prefixes = Dictionary(
            tasks.compactMap { task in task.value["prefix"]?.string.map { (task.key, $0) } },
            uniquingKeysWith: { first, _ in first })
    }

    /// The reply to a text.
    /// - Parameter emit: gets each piece of text as soon as it is written, where there are no beams; else the whole.
    /// - Throws: `ModelError.contextExceeded` for a text longer than the model reads; `OptionError` for a language that
    ///   it does not know; `CancellationError`.
    public func reply(
        to text: String, _ options: Options = Options(), isCancelled: () -> Bool = { false },
        emit: (String) -> Void = { _ in }
    ) throws -> Reply {
        let (source, first) = try tokens(text, options)
        var decoding = tokenizer.streamingDecoder(skipSpecialTokens: true), written = ""
        let beams = options.beams ?? generator.rules.beams
        let found = try generator.generate(
            from: source, beams: beams, maximum: options.maximumTokens, forcedFirst: first, isCancelled: isCancelled
        ) { token in
            let piece = try decoding.append(token)
            written += piece
            emit(piece)
        }
        guard let best = found?.first else { throw CancellationError() }
        if beams.width > 1 {
            written = try tokenizer.decode(best.tokens, skipSpecialTokens: true)
            emit(written)
        } else {
            let rest = decoding.finish()
            written += rest
            emit(rest)
        }
        return Reply(
            text: written, finishReason: best.finishReason, sourceTokens: source.count,
            replyTokens: best.tokens.count)
    }

    /// The encoder's tokens of a text, and the token that a reply in the target language begins with.
    func tokens(_ text: String, _ options: Options) throws -> (source: [Int32], first: Int32?) {
        var text = text, first: Int32?
        let languages = LanguageTokens(tokenizer)
        if let target = options.target {
            if let known = languages.id(target) {
                first = known
            } else if let marker = tokenizer.id(of: ">>\(target)<<").map({ _ in ">>\(target)<< " }) {
                text = marker + text
            } else if let source = options.source, let prefix = prefixes["translation_\(source)_to_\(target)"] {
                text = prefix + text
            } else {
                throw OptionError(
                    option: "the target language", value: target.quoted(limit: 40),
                    expected: languages.expected(prefixes.keys.sorted()))
            }
        }
        var ids = try tokenizer.encode(text)
        if let source = options.source, !languages.isEmpty {
            guard let id = languages.id(source) else {
                throw OptionError(
                    option: "the source language", value: source.quoted(limit: 40), expected: languages.expected([]))
            }
            if let place = ids.firstIndex(where: languages.contains) { ids[place] = id } else { ids.insert(id, at: 0) }
        }
        // Pieces that a vocabulary lacks are unknown.
        let unknown = tokenizer.details.unknownToken ?? 0
        return (ids.map { Int($0) < vocabularySize ? $0 : unknown }, first)
    }
}

/// The tokens of a multilingual model that name a language: `fr_XX` (mBART), `fra_Latn` (NLLB), `__fr__` (M2M-100).
private struct LanguageTokens {
    private var ids: [String: Int32] = [:]

    init(_ tokenizer: Tokenizer) {
        for token in tokenizer.addedTokens {
            let name =
                token.content.hasPrefix("__") && token.content.hasSuffix("__")
                ? String(token.content.dropFirst(2).dropLast(2)) : token.content
            let parts = name.split(separator: "_", omittingEmptySubsequences: false)
            let isCode = (2...3).contains(parts[0].utf8.count) && parts[0].utf8.allSatisfy { (97...122).contains($0) }
            guard isCode, parts.count == 2 || name != token.content else { continue }
            ids[name] = token.id
        }
    }

    var isEmpty: Bool { ids.isEmpty }
    func contains(_ id: Int32) -> Bool { ids.values.contains(id) }

    /// By the whole name, or by the language alone where one token is of it.
    func id(_ name: String) -> Int32? {
        if let id = ids[name] { return id }
        let found = ids.filter { $0.key.split(separator: "_").first.map(String.init) == name }
        return found.count == 1 ? found.first?.value : nil
    }

    func expected(_ tasks: [String]) -> String {
        let names = ids.keys.sorted().prefix(12).joined(separator: ", ")
        if !ids.isEmpty { return "one of \(ids.count) languages: \(names)\(ids.count > 12 ? ", …" : "")" }
        let pairs = tasks.filter { $0.hasPrefix("translation_") }
        return pairs.isEmpty
            ? "none: the model writes one language only" : "a pair of " + pairs.joined(separator: ", ")
    }
}
