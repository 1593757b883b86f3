import MartletChat
import MartletGrammar
import MartletInference
import MartletJSON
import MartletSystem
import MartletTokenizers

/// A request made ready for one model: prompts as tokens, options with every default filled in, and how to read what the
/// model will write.
///
/// ```swift
/// let plan = try GenerationPlan(GenerationRequest(chatCompletion: body), model: model, name: "smollm2")
/// var reply = plan.reply(ReplyHeader(id: "chatcmpl-…", created: now))
/// for (index, request) in plan.engineRequests(constraint: constraint).enumerated() {      // plan.constraint, compiled
///     for try await event in try engine.submit(request) { send(reply.add(event, prompt: index)) }
/// }
/// send(reply.finish())
/// ```
public struct GenerationPlan: Sendable {
    public let request: GenerationRequest
    /// What replies call the model.
    public let modelName: String
    public let prompts: [[Int32]]
    public let options: GenerationOptions
    /// What the reply must look like: what the request says, or the calls that its `tool_choice` asks for.
    public let constraint: ConstraintSource?
    let voice: ModelVoice
    /// The prompt has opened the model's thinking.
    let startsInReasoning: Bool
    /// Calls are read from the reply, in this syntax.
    let callSyntax: ToolSyntax?
    let texts: TokenTexts

    /// - Parameters:
    ///   - adapter: what replies beside the model.
    ///   - defaults: the server's options; nil takes the model's own.
    /// - Throws: `APIError` for what the request asks of this model and it cannot give.
    public init(
        _ request: GenerationRequest, model: LanguageModel, name: String, adapter: LoadedAdapter? = nil,
        defaults: GenerationOptions? = nil
    ) throws(APIError) {
        let voice = ModelVoice(model, adapter: adapter)
        var prompts: [[Int32]] = []
        var startsInReasoning = false
        let limit = Self.contextLength(request, model), hasSource = model.reader != nil
        try Self.checkSource(request, hasSource: hasSource)
        var first: Int32?
        let parameter = request.input.parameter
        switch Self.input(request, hasSource: hasSource && model.chatTemplate == nil) {
        case .infill(let infill):
            prompts = [
                try Self.fit(infill.tokens(model), request, limit: limit, hasSource: hasSource, place: parameter)
            ]
        case .conversation(let conversation):
            let rendered = try Self.rendered(conversation, request, voice, limit: limit)
            prompts = [
                try Self.fit(rendered.tokens, request, limit: limit, hasSource: hasSource, place: parameter)
            ]
            startsInReasoning = rendered.opensReasoning
        case .prompts(let list):
            for (index, prompt) in list.enumerated() {
                let place = list.count == 1 ? "prompt" : "prompt[\(index)]"
                if Task.isCancelled { throw .clientLeft }
                // Each is held to its bounds before the next is looked at.
                let tokens: [Int32]
                if request.sourceLanguage != nil || request.targetLanguage != nil {
                    (tokens, first) = try Self.translated(prompt, request, model, place)
                } else {
                    tokens = try Self.tokens(prompt, model, addsSpecial: request.addsSpecialTokens ?? true, place)
                }
                prompts.append(
                    try Self.fit(tokens, request, limit: limit, hasSource: hasSource, place: parameter))
            }
        }
        let own = defaults ?? model.options(atTemperature: request.sampling.temperature)
        var options = try Self.options(request, own, model)
        options.maximumTokens = Self.maximum(
            request, own.maximumTokens, room: Self.room(afterPrompt: prompts.map(\.count).min() ?? 0, request, model))
        if let first, var rules = model.reader?.rules {
            rules.forcedFirst = first
            options.rules = rules
        }
        if let maximum = options.maximumTokens, options.minimumTokens > maximum {
            throw .invalid("min_tokens", "is \(options.minimumTokens); the reply may have \(maximum) tokens")
        }
        self.request = request
        self.modelName = name
        self.prompts = prompts
        self.voice = voice
        self.startsInReasoning = startsInReasoning
        texts = TokenTexts(model, spellsIDs: request.spellsTokensAsIDs)
        let callable = request.tools.callable
        var constraint = request.constraint
        var callSyntax = callable.isEmpty ? nil : voice.syntax
        if request.tools.choice.forcesCalls {
            (constraint, callSyntax) = voice.forcedCalls(request.tools)
        }
        self.callSyntax = callSyntax
        self.constraint = constraint
        options.beams = try Self.beams(request, own, constraint: constraint)
        if callSyntax.map(voice.needsSpecialTokens) ?? false { options.skipsSpecialTokens = false }
        if case .conversation = request.input, request.reasoning.isSplit, voice.reasoningIsSpecial {
            options.skipsSpecialTokens = false
        }
        self.options = options
    }

    /// What to submit: one request a prompt.
    /// - Parameter delivery: of a streamed reply; a whole one comes together.
    public func engineRequests(
        constraint: (any TokenConstraint)? = nil, deadline: ContinuousClock.Instant? = nil, identifier: String = "",
        delivery: EngineRequest.Delivery = .promptly
    ) -> [EngineRequest] {
        // Where the prompt has opened the model's thinking, the grammar is for what comes after it.
        var constraint = constraint
        if let grammar = constraint, startsInReasoning, let reasoning = voice.reasoning {
            constraint = ThinkingFirst(grammar, model: voice.model, closing: reasoning.closing)
        }
        return prompts.map { prompt in
            var engine = EngineRequest(prompt: prompt, options: options)
            // Of several prompts the longest has the least room.
            let room = Self.room(afterPrompt: prompt.count, request, voice.model)
            engine.options.maximumTokens = options.maximumTokens.map { min($0, room) }
            engine.samples = request.samples
            engine.topLogProbabilities = request.logProbabilities
            engine.promptLogProbabilities = request.promptLogProbabilities
            engine.constraint = constraint
            engine.cacheSalt = request.cacheSalt
            engine.deadline = deadline
            engine.delivery = request.stream == nil ? .together : delivery
            engine.identifier = identifier
            return engine
        }
    }

    // MARK: - Prompts

    static func tokens(
        _ prompt: GenerationRequest.Prompt, _ model: LanguageModel, addsSpecial: Bool, _ place: String
    ) throws(APIError) -> [Int32] {
        switch prompt {
        case .tokens(let tokens):
            let size = model.configuration.vocabularySize
            for (index, token) in tokens.enumerated() where Int(token) >= size {
                throw .invalid("\(place)[\(index)]", "is \(token); the model has \(size) tokens")
            }
            return tokens
        case .text(let text):
            do throws(TokenizerError) {
                return try model.promptTokens(text, addsSpecial: addsSpecial)
            } catch {
                throw .invalid(place, "cannot be expressed in the model's vocabulary: \(error)")
            }
        }
    }

    /// What there is to read. An encoder-decoder without a template reads Ollama's prompt as it is.
    private static func input(_ request: GenerationRequest, hasSource: Bool) -> GenerationRequest.Input {
        guard hasSource, request.dialect == .ollamaGenerate, case .conversation(let conversation) = request.input,
            conversation.messages.count == 1, let text = conversation.messages[0].content
        else { return request.input }
        return .prompts([.text(text)])
    }

    /// The source of a translation between languages that the request names, and the token that its reply begins with.
    private static func translated(
        _ prompt: GenerationRequest.Prompt, _ request: GenerationRequest, _ model: LanguageModel, _ place: String
    ) throws(APIError) -> (tokens: [Int32], first: Int32?) {
        guard case .text(let text) = prompt else {
            throw .invalid(place, "must be a text where src_lang or tgt_lang is given")
        }
        do {
            return try model.source(
                text, from: request.sourceLanguage, to: request.targetLanguage,
                addsSpecial: request.addsSpecialTokens ?? true)
        } catch let error as OptionError {
            throw .invalid(error.option.contains("source") ? "src_lang" : "tgt_lang", "\(error)")
        } catch {
            throw .invalid(place, "cannot be expressed in the model's vocabulary: \(error)")
        }
    }

    /// - Throws: `APIError` for what models of this kind cannot do.
    private static func checkSource(_ request: GenerationRequest, hasSource: Bool) throws(APIError) {
        guard hasSource else {
            for (name, value) in [("src_lang", request.sourceLanguage), ("tgt_lang", request.targetLanguage)]
            where value != nil {
                throw .unsupported(name, "is for encoder-decoders; this model continues texts")
            }
            return
        }
        let why = "is not supported by an encoder-decoder, whose encoder reads the prompt"
        if request.echoesPrompt { throw .unsupported("echo", why) }
        if request.promptLogProbabilities != nil { throw .unsupported("prompt_logprobs", why) }
        if case .infill = request.input { throw .unsupported("input_suffix", why) }
        if case .conversation = request.input {
            for (name, value) in [("src_lang", request.sourceLanguage), ("tgt_lang", request.targetLanguage)]
            where value != nil {
                throw .unsupported(name, "is for /v1/completions: in a chat the template says what the encoder reads")
            }
        }
    }

    /// The beams that a request asks for, or those that the model's files recommend where it says nothing of how tokens
    /// are chosen.
    private static func beams(
        _ request: GenerationRequest, _ own: GenerationOptions, constraint: ConstraintSource?
    ) throws(APIError) -> BeamSearchOptions? {
        let wanted = request.sampling
        switch request.beamSearch {
        case .off: return nil
        case .on(let beams):
            let others: [(String, Bool)] = [
                ("temperature", wanted.temperature ?? 0 != 0), ("logprobs", request.logProbabilities != nil),
                ("top_p", wanted.topP ?? 1 != 1), ("top_k", wanted.topK ?? 0 != 0), ("min_p", wanted.minP ?? 0 != 0),
                ("typical_p", wanted.typicalP ?? 1 != 1),
                (request.constraint?.parameter ?? "tool_choice", constraint != nil),
                ("repetition_detection", request.stopping.repetitionDetection != nil),
            ]
            if let name = others.first(where: \.1)?.0 {
                throw .invalid(name, "does not go with use_beam_search, which searches for the most probable replies")
            }
            return beams
        case nil:
            let isFree =
                request.samples == 1 && wanted.temperature == nil && wanted.topP == nil && wanted.topK == nil
                && wanted.minP == nil && wanted.typicalP == nil && wanted.seed == nil
                && request.logProbabilities == nil && constraint == nil && request.stopping.repetitionDetection == nil
            return isFree ? own.beams : nil
        }
    }

    /// The prompt, cut where the request allows it.
    ///
    /// A reply may be asked to be longer than there is room for: many clients send such a number by themselves. It then ends
    /// where the context does and says so (`length`). A prompt that leaves no room for one token is refused.
    private static func fit(
        _ prompt: [Int32], _ request: GenerationRequest, limit: Int, hasSource: Bool, place: String
    ) throws(APIError) -> [Int32] {
        var prompt = prompt
        // The source of an encoder-decoder has a context of its own.
        let maximum = hasSource ? 0 : request.stopping.maximumTokens
        if let truncation = request.truncation {
            let reply = hasSource ? 0 : maximum.flatMap { $0 < limit ? $0 : nil } ?? 1
            let count = truncation.tokens < 0 ? max(limit - reply, 1) : truncation.tokens
            if prompt.count > count {
                prompt = Array(truncation.keepsEnd ? prompt.suffix(count) : prompt.prefix(count))
            }
        }
        guard !prompt.isEmpty else { throw .invalid(place, "is empty; the model needs at least one token") }
        guard prompt.count.adding(clamped: min(maximum ?? 1, 1)) <= limit else {
            if limit == request.contextLength {
                throw APIError(
                    "options.num_ctx is \(limit), and the prompt has \(prompt.count) tokens. Raise it, or send less.",
                    parameter: "options.num_ctx", code: "context_length_exceeded")
            }
            var error = APIError.contextExceeded(
                promptTokens: prompt.count, maximumTokens: hasSource ? nil : maximum, limit: limit)
            error.parameter = place
            throw error
        }
        return prompt
    }

    /// Tokens of the reply: what was asked for, or what the model was created with, or 16 for a text to continue, within what there is room for; nil for all
    /// that there is room for.
    private static func maximum(_ request: GenerationRequest, _ own: Int?, room: Int) -> Int? {
        let asked =
            request.stopping.maximumTokens ?? own ?? (request.dialect == .completions ? 16 : request.contextLength)
        return asked.map { min($0, room) }
    }

    private static func options(
        _ request: GenerationRequest, _ defaults: GenerationOptions, _ model: LanguageModel
    ) throws(APIError) -> GenerationOptions {
        var options = defaults
        options.beams = nil
        let wanted = request.sampling
        options.sampling.temperature = wanted.temperature ?? options.sampling.temperature
        options.sampling.topK = wanted.topK ?? options.sampling.topK
        options.sampling.topP = wanted.topP ?? options.sampling.topP
        options.sampling.minP = wanted.minP ?? options.sampling.minP
        options.sampling.typicalP = wanted.typicalP ?? options.sampling.typicalP
        options.sampling.repetitionPenalty = wanted.repetitionPenalty ?? options.sampling.repetitionPenalty
        options.sampling.penaltyWindow = wanted.penaltyWindow ?? options.sampling.penaltyWindow
        options.sampling.presencePenalty = wanted.presencePenalty ?? options.sampling.presencePenalty
        options.sampling.frequencyPenalty = wanted.frequencyPenalty ?? options.sampling.frequencyPenalty
        options.sampling.seed = wanted.seed ?? options.sampling.seed
        let size = model.configuration.vocabularySize
        for (token, bias) in wanted.logitBias {
            guard Int(token) < size else {
                throw .invalid("logit_bias.\(token)", "is for a token beyond the model's \(size)")
            }
            options.sampling.logitBias[token] = bias
        }
        if let allowed = wanted.allowedTokens {
            guard !allowed.isEmpty else { throw .invalid("allowed_token_ids", "must hold at least one token") }
            var isAllowed = [Bool](repeating: false, count: size)
            for token in allowed {
                guard Int(token) < size else {
                    throw .invalid("allowed_token_ids", "holds \(token); the model has \(size) tokens")
                }
                isAllowed[Int(token)] = true
            }
            for token in 0..<size where !isAllowed[token] { options.sampling.logitBias[Int32(token)] = -.infinity }
        }
        options.stopStrings += request.stopping.strings
        if let token = request.stopping.tokens.first(where: { Int($0) >= size }) {
            throw .invalid("stop_token_ids", "holds \(token); the model has \(size) tokens")
        }
        options.stopTokens.formUnion(request.stopping.tokens)
        options.ignoresEndOfSequence = request.stopping.ignoresEndOfSequence
        options.skipsSpecialTokens = request.stopping.skipsSpecialTokens
        options.minimumTokens = request.stopping.minimumTokens
        options.includesStopString = request.stopping.includesStopString
        options.repetitionDetection = request.stopping.repetitionDetection
        do throws(OptionError) {
            try options.sampling.validate(vocabularySize: size)
        } catch {
            throw APIError("\(error)", parameter: error.option)
        }
        return options
    }
}

extension GenerationRequest.Input {
    /// Where the prompt stands in the request.
    var parameter: String {
        switch self {
        case .conversation: "messages"
        case .prompts: "prompt"
        case .infill: "input_prefix"
        }
    }
}
