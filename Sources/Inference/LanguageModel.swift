import Dispatch
import MartletChat
import MartletGrammar
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import MartletTokenizers
import Synchronization

/// A model that talks: decoder, tokenizer and chat template, ready to generate.
///
/// ```swift
/// let model = try LanguageModel(path: "SmolLM2-135M-Instruct.Q4_1.gguf")
/// for try await delta in model.chat([.init(role: "user", content: "Why is the sky blue?")]) { print(delta.text) }
/// ```
public final class LanguageModel: @unchecked Sendable {
    public let decoder: Decoder
    /// What reads the source for the decoder of an encoder-decoder; nil for a decoder alone.
    package let reader: SourceReader?
    public let tokenizer: Tokenizer
    /// Nil when neither the model nor the caller has one: a base model only continues text.
    public let chatTemplate: ChatTemplate?
    public let precision: Precision
    /// How keys and values of replies are stored.
    package let cacheType: KVCacheType
    /// How to draw tokens where nobody says.
    public let recommendation: SamplingRecommendation
    /// Where it was made of another model (`martlet create`): its system message, parameters and first messages.
    public let created: CreatedModel?
    /// Tokens that end a reply.
    public let endTokens: Set<Int32>
    /// What of the files is passed over and may matter; to be told once to whoever runs the model.
    public let warnings: [String]
    /// Keeps the keys and values of its last reply for the next. Only used on the queue.
    private let generator: Generator

    /// - Parameters:
    ///   - cache: how keys and values of replies are stored.
    ///   - progress: layers that are ready, and how many there are.
    public convenience init(
        _ files: ModelFiles, precision: Precision = .fast, cache: KVCacheType = .f16,
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws {
        try files.checkpoint.demand(.generates)
        let decoder = try files.checkpoint.decoder(), tokenizer = try files.tokenizer()
        let warnings = try files.checkpoint.warnings() + files.attachAdapters(to: decoder)
        let size = decoder.configuration.vocabularySize
        guard tokenizer.vocabularySize <= size else {
            throw ModelError.vocabularyMismatch(model: size, tokenizer: tokenizer.vocabularySize)
        }
        try self.init(files, decoder, tokenizer, reader: nil, warnings, precision, cache, progress)
    }

    /// An encoder-decoder (T5, BART, Marian): a prompt is a text that its encoder reads, a reply what its decoder writes.
    ///
    /// ```swift
    /// let model = try LanguageModel(encoderDecoder: ModelFiles(path: "flan-t5-small"))
    /// for try await token in model.complete("translate English to German: Hello") { print(token.text) }
    /// ```
    public convenience init(
        encoderDecoder files: ModelFiles, precision: Precision = .fast, cache: KVCacheType = .f16,
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws {
        try files.checkpoint.demand(.translates)
        guard files.adapters.isEmpty else {
            throw ModelError.unsupported(
                file: files.adapters[0].path,
                reason: "adapters of encoder-decoders are not read: merge it into the model first")
        }
        let reader = try SourceReader(files)
        try self.init(
            files, reader.model.textDecoder, files.tokenizer(), reader: reader,
            files.checkpoint.warnings(), precision, cache, progress)
    }

    private init(
        _ files: ModelFiles, _ decoder: Decoder, _ tokenizer: Tokenizer, reader: SourceReader?, _ warnings: [String],
        _ precision: Precision, _ cache: KVCacheType, _ progress: (Int, Int) -> Void
    ) throws {
        guard try Backend.chosen() == .cpu else {
            throw OptionError(
                option: "MARTLET_BACKEND", value: "reference",
                expected: "cpu: the reference computes whole sequences only, as martlet logits does")
        }
        (self.decoder, self.reader, self.tokenizer, self.warnings) = (decoder, reader, tokenizer, warnings)
        chatTemplate = try files.chatTemplate(tokenizer)
        recommendation = try files.recommendation(hasChatTemplate: chatTemplate != nil)
        created = files.created
        endTokens = tokenizer.eosTokens.union(try files.endTokens())
        self.precision = precision
        cacheType = cache
        try decoder.prepare(precision, progress: progress)
        var options = EngineOptions.oneAtATime
        options.cacheType = cache
        generator = try Generator(
            decoder, tokenizer, precision: precision, endTokens: endTokens, reader: reader, options)
    }

    /// Opens a folder as published on a hub, or a GGUF file.
    public convenience init(path: String, precision: Precision = .fast) throws {
        try self.init(ModelFiles(path: path), precision: precision)
    }

    public var configuration: DecoderConfiguration { decoder.configuration }

    /// The options to start from: the model's own recommendation, and what it was created with.
    public var defaultOptions: GenerationOptions { options(atTemperature: nil) }

    /// The same for whoever chooses the temperature and leaves the rest to the model.
    public func options(atTemperature temperature: Float?) -> GenerationOptions {
        var options = GenerationOptions()
        // Its parameters were read when the model was opened.
        if let made = try? created?.options(over: options) { options = made }
        let seed = options.sampling.seed
        options.sampling = recommendation.sampling(atTemperature: temperature)
        options.sampling.seed = seed
        if let rules = reader?.rules {
            options.maximumTokens = options.maximumTokens ?? rules.maximumTokens
            // Beams where the files recommend some and nothing is drawn.
            if options.sampling.temperature == 0, temperature == nil, rules.beams.width > 1 {
                options.beams = rules.beams
            }
        }
        return options
    }

    /// The most tokens of a reply to a prompt of so many: the rest of the context, or all of it where an encoder reads the
    /// prompt.
    package func room(afterPrompt tokens: Int) -> Int {
        reader == nil ? configuration.contextLength - tokens : configuration.contextLength
    }

    /// The tokens of a text as a prompt.
    package func promptTokens(_ text: String, addsSpecial: Bool = true) throws(TokenizerError) -> [Int32] {
        let tokens = try tokenizer.encode(text, addSpecialTokens: addsSpecial)
        guard reader != nil else { return tokens }
        // Vocabularies of encoder-decoders may have pieces that the model has no vectors of: they are unknown to it.
        let unknown = tokenizer.details.unknownToken ?? 0, size = configuration.vocabularySize
        return tokens.map { Int($0) < size ? $0 : unknown }
    }

    /// The prompt that a conversation becomes through the model's template. Tools that the template does not know are told
    /// in the system message.
    /// - Parameter adapter: the one that replies; its template is used where it was tuned with another than the model's.
    public func prompt(
        _ messages: [ChatMessage], tools: [JSON] = [], adapter: LoadedAdapter? = nil
    ) throws -> [Int32] {
        try rendered(messages, tools: tools, adapter: adapter).tokens
    }

    func rendered(
        _ messages: [ChatMessage], tools: [JSON], adapter: LoadedAdapter?
    ) throws -> (tokens: [Int32], prompt: RenderedPrompt) {
        guard let chatTemplate = chatTemplate(with: adapter) else {
            throw OptionError(
                option: "chat", value: "asked of a model without a chat template", expected: "a prompt instead")
        }
        var messages = created?.completed(messages) ?? messages
        let knowsTools = ToolSyntax(template: chatTemplate.source) != nil
        if !knowsTools, ToolTeaching.concerns(messages, tools: tools) {
            messages = ToolTeaching.taught(messages, tools: tools)
        }
        let rendered = try chatTemplate.render(
            messages: messages, tools: tools.isEmpty || !knowsTools ? nil : tools, addGenerationPrompt: true)
        let segments = rendered.segments.map { Tokenizer.Segment($0.text, isTrusted: $0.isTrusted) }
        // The template writes the special tokens itself: adding them here would double the beginning of sequence.
        return (try tokenizer.encode(segments: segments, addSpecialTokens: false), rendered)
    }

    /// Replies to a conversation.
    public func chat(_ messages: [ChatMessage], _ options: GenerationOptions? = nil) -> AsyncThrowingStream<
        GeneratedToken, any Error
    > {
        generate(options) { try self.prompt(messages, adapter: options?.adapter) }
    }

    /// Continues a text.
    public func complete(_ text: String, _ options: GenerationOptions? = nil) -> AsyncThrowingStream<
        GeneratedToken, any Error
    > {
        generate(options) { try self.promptTokens(text) }
    }

    /// Continues a sequence of tokens. The stream ends after the element with a `finishReason`, the last of them where
    /// there are several replies; leaving the loop early, or cancelling the task, stops the computation at the next token.
    ///
    /// ```swift
    /// var options = model.defaultOptions
    /// options.maximumTokens = 100
    /// options.stopStrings = ["\n\n"]
    /// for try await token in model.generate(options, prompt: { try model.prompt(messages) }) { print(token.text) }
    /// ```
    public func generate(
        _ options: GenerationOptions? = nil, prompt: @escaping @Sendable () throws -> [Int32]
    ) -> AsyncThrowingStream<GeneratedToken, any Error> {
        let options = options ?? defaultOptions
        let cancelled = CancellationFlag()
        return AsyncThrowingStream { continuation in
            continuation.onTermination = { _ in cancelled.set() }
            queue.async { [self] in
                do {
                    try generator.generate(
                        prompt(), options, isCancelled: { cancelled.isSet }, emit: { continuation.yield($0) })
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
        }
    }

    /// The same on this thread.
    package func generate(
        _ prompt: [Int32], _ options: GenerationOptions, isCancelled: @escaping () -> Bool = { false },
        emit: @escaping (GeneratedToken) -> Void
    ) throws {
        try queue.sync { try generator.generate(prompt, options, isCancelled: isCancelled, emit: emit) }
    }

    /// Searches for the most probable continuations of a sequence of tokens, best first: `options.beams`, or four beams.
    /// - Throws: `CancellationError` when the task is cancelled.
    public func search(
        _ options: GenerationOptions? = nil, prompt: @escaping @Sendable () throws -> [Int32]
    ) async throws -> [BeamHypothesis] {
        let options = options ?? defaultOptions
        let cancelled = CancellationFlag()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                queue.async { [self] in
                    continuation.resume(
                        with: Result {
                            let (found, reason, _) = try generator.search(
                                prompt(), options, options.beams ?? BeamSearchOptions()
                            ) { cancelled.isSet }
                            guard reason != .cancelled else { throw CancellationError() }
                            return found
                        })
                }
            }
        } onCancel: {
            cancelled.set()
        }
    }

    /// The compiler of grammars for this vocabulary, made when first asked for, and kept.
    /// - Parameter written: special tokens that stand for their spelling, such as those that begin a call.
    func grammars(written: Set<Int32> = []) -> GrammarCompiler {
        madeGrammars.withLock { made in
            if let known = made[written] { return known }
            let compiler = GrammarCompiler(TokenTree(tokenizer, endTokens: endTokens, written: written))
            made[written] = compiler
            return compiler
        }
    }
    private let madeGrammars = Mutex<[Set<Int32>: GrammarCompiler]>([:])

    /// One generation at a time: each already uses every core.
    let queue = DispatchQueue(label: "martlet.generation", qos: .userInitiated)
}

/// Set once, read from another thread.
final class CancellationFlag: Sendable {
    private let flag = Atomic(false)
    var isSet: Bool { flag.load(ordering: .relaxed) }
    func set() { flag.store(true, ordering: .relaxed) }
}
