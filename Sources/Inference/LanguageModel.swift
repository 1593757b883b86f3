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
    public let tokenizer: Tokenizer
    /// Nil when neither the model nor the caller has one: a base model only continues text.
    public let chatTemplate: ChatTemplate?
    public let precision: Precision
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
    public init(
        _ files: ModelFiles, precision: Precision = .fast, cache: KVCacheType = .f16,
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws {
        guard try Backend.chosen() == .cpu else {
            throw OptionError(
                option: "MARTLET_BACKEND", value: "reference",
                expected: "cpu: the reference computes whole sequences only, as martlet logits does")
        }
        try files.checkpoint.demand(.generates)
        decoder = try files.checkpoint.decoder()
        warnings = try files.checkpoint.warnings() + files.attachAdapters(to: decoder)
        tokenizer = try files.tokenizer()
        let size = decoder.configuration.vocabularySize
        guard tokenizer.vocabularySize <= size else {
            throw ModelError.vocabularyMismatch(model: size, tokenizer: tokenizer.vocabularySize)
        }
        chatTemplate = try files.chatTemplate(tokenizer)
        recommendation = try files.recommendation(hasChatTemplate: chatTemplate != nil)
        created = files.created
        endTokens = tokenizer.eosTokens.union(try files.endTokens())
        self.precision = precision
        try decoder.prepare(precision, progress: progress)
        var options = EngineOptions.oneAtATime
        options.cacheType = cache
        generator = try Generator(decoder, tokenizer, precision: precision, endTokens: endTokens, options)
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
        return options
    }

    /// The prompt that a conversation becomes through the model's template. Tools that the template does not know are told
    /// in the system message.
    public func prompt(_ messages: [ChatMessage], tools: [JSON] = []) throws -> [Int32] {
        try rendered(messages, tools: tools).tokens
    }

    func rendered(_ messages: [ChatMessage], tools: [JSON]) throws -> (tokens: [Int32], prompt: RenderedPrompt) {
        guard let chatTemplate else {
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
        generate(options) { try self.prompt(messages) }
    }

    /// Continues a text.
    public func complete(_ text: String, _ options: GenerationOptions? = nil) -> AsyncThrowingStream<
        GeneratedToken, any Error
    > {
        generate(options) { try self.tokenizer.encode(text) }
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
