import MartletChat
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTokenizers

/// A model in this process: log-likelihoods through `Scorer`, replies through `Generator`.
///
/// Requests are sorted by their tokens, so that prompts with the same examples follow each other and share their keys;
/// the answers do not depend on the order.
///
/// ```swift
/// let model = LocalModel(try LanguageModel(path: "SmolLM2-135M-Instruct"), name: "smollm2")
/// let evaluator = Evaluator(model)
/// ```
public final class LocalModel: EvaluationModel {
    public let name: String
    public let identity: JSONObject
    public var chatTemplate: String? { model.chatTemplate?.source }
    private let model: LanguageModel
    private let scorer: Scorer
    private let addsBeginning: Bool
    private let seed: UInt64
    private var cutPrompts = 0
    /// Tokens of contexts, and those of them whose keys were there already.
    public private(set) var contextTokens = 0, reusedTokens = 0

    /// - Parameters:
    ///   - addsBeginning: texts begin with the tokenizer's special tokens (`add_bos_token`); by default they do not.
    ///   - fingerprint: what tells these weights from others: size and hash of the files.
    public init(
        _ model: LanguageModel, name: String, fingerprint: JSONObject = [:], addsBeginning: Bool = false,
        seed: UInt64 = 1234
    ) {
        (self.model, self.name, self.addsBeginning, self.seed) = (model, name, addsBeginning, seed)
        scorer = Scorer(model)
        identity = JSONObject(
            [
                ("model", .string(name)), ("precision", .string(model.precision.rawValue)),
                ("add_bos_token", .bool(addsBeginning)),
                ("context", .integer(Int64(model.configuration.contextLength))),
                ("seed", .integer(Int64(bitPattern: seed))),
            ] + Array(fingerprint))
    }

    public var notes: [String] {
        cutPrompts == 0
            ? [] : ["\(cutPrompts) prompts are longer than the model's context and were cut at their beginning"]
    }

    public func recall(_ requests: [EvaluationRequest]) throws {
        let limit = model.configuration.contextLength
        for request in requests {
            do {
                switch request {
                case .logLikelihood(let context, let continuation):
                    let (first, second) = try pair(context, continuation)
                    // The last token is no input.
                    if !second.isEmpty, first.count + second.count > limit + 1 { cutPrompts += 1 }
                case .rolling: break
                case .generate(let prompt, let settings, _):
                    if try encode(prompt).count > limit - settings.maximumTokens { cutPrompts += 1 }
                }
            } catch let error as TokenizerError {
                // It was unanswerable, and is told as that.
                guard case .noToken = error else { throw error }
            }
        }
    }

    public func render(_ messages: [ChatMessage], opensReply: Bool) throws -> String {
        guard let template = model.chatTemplate else {
            throw EvaluationError(name, field: "--apply-chat-template", "the model has no chat template")
        }
        return try template.render(
            messages: messages, addGenerationPrompt: opensReply, continueFinalMessage: !opensReply
        ).text
    }

    public func answer(
        _ requests: [EvaluationRequest], isCancelled: () -> Bool, receive: (Int, RequestAnswer) throws -> Void
    ) throws {
        var scored: [(place: Int, context: [Int32], continuation: [Int32])] = []
        var generated: [(place: Int, prompt: [Int32], settings: TaskGeneration, turn: Int)] = []
        for (place, request) in requests.enumerated() {
            if isCancelled() { throw CancellationError() }
            do {
                switch request {
                case .logLikelihood(let context, let continuation):
                    let (first, second) = try pair(context, continuation)
                    guard !second.isEmpty else {
                        // Nothing to score is certain.
                        try receive(place, .score(0, isGreedy: true))
                        continue
                    }
                    scored.append((place, first, second))
                case .rolling(let text):
                    let tokens = try encode(text)
                    let logs = try scorer.rolling(tokens, isCancelled: isCancelled)
                    try receive(place, .total(logs.reduce(0, +)))
                case .generate(let prompt, let settings, let turn):
                    generated.append((place, try encode(prompt), settings, turn))
                }
            } catch let error as TokenizerError {
                guard case .noToken = error else { throw error }
                try receive(place, .unanswerable("\(error)"))
            }
        }
        try score(scored, isCancelled, receive)
        try generate(generated, isCancelled, receive)
    }

    private func encode(_ text: String) throws -> [Int32] {
        guard addsBeginning else { return try model.tokenizer.encode(text, addSpecialTokens: false) }
        let tokens = try model.tokenizer.encode(text, addSpecialTokens: true)
        // A template may have written the token that begins a text.
        let bare = try model.tokenizer.encode(text, addSpecialTokens: false)
        return bare.first != nil && bare.first == model.tokenizer.bosToken ? bare : tokens
    }

    /// Context and continuation as tokens: spaces at the context's end belong to the continuation, which is what the
    /// whole has beyond the context's tokens.
    private func pair(_ context: String, _ continuation: String) throws -> ([Int32], [Int32]) {
        guard !context.isEmpty else {
            let tokens = try model.tokenizer.encode(continuation, addSpecialTokens: false)
            guard let prefix = model.tokenizer.bosToken ?? model.tokenizer.eosTokens.min() else {
                throw EvaluationError(name, "the model has no token that begins a text, and a context is empty")
            }
            return tokens.first == prefix ? ([prefix], Array(tokens.dropFirst())) : ([prefix], tokens)
        }
        let kept = context.trailingSpaceTrimmed
        let spaces = String(String.UnicodeScalarView(context.unicodeScalars.dropFirst(kept.unicodeScalars.count)))
        let whole = try encode(kept + spaces + continuation), first = try encode(kept)
        if first.isEmpty, let prefix = model.tokenizer.bosToken ?? model.tokenizer.eosTokens.min() {
            return ([prefix], whole)
        }
        return (first, Array(whole.dropFirst(first.count)))
    }

    private func score(
        _ requests: [(place: Int, context: [Int32], continuation: [Int32])], _ isCancelled: () -> Bool,
        _ receive: (Int, RequestAnswer) throws -> Void
    ) throws {
        let sorted = requests.sorted {
            $0.context == $1.context ? $0.place < $1.place : $0.context.lexicographicallyPrecedes($1.context)
        }
        let shared = SharedContext()
        defer {
            contextTokens += shared.contextTokens
            reusedTokens += shared.reusedTokens
        }
        var start = 0
        while start < sorted.count {
            if isCancelled() { throw CancellationError() }
            var end = start + 1
            while end < sorted.count, sorted[end].context == sorted[start].context { end += 1 }
            let members = sorted[start..<end]
            let scores = try scorer.logLikelihood(
                context: sorted[start].context, continuations: members.map(\.continuation), shared: shared,
                isCancelled: isCancelled)
            for (member, score) in zip(members, scores) {
                if score.omittedContextTokens > 0 { cutPrompts += 1 }
                try receive(member.place, .score(score.logProbability, isGreedy: score.isGreedy))
            }
            start = end
        }
    }

    private func generate(
        _ requests: [(place: Int, prompt: [Int32], settings: TaskGeneration, turn: Int)],
        _ isCancelled: () -> Bool, _ receive: (Int, RequestAnswer) throws -> Void
    ) throws {
        guard !requests.isEmpty else { return }
        var engine = EngineOptions()
        engine.maximumWaiting = .max
        // Only the whole replies are waited for.
        engine.promptTime = .seconds(3600)
        let generator = try Generator(model, engine)
        let limit = model.configuration.contextLength
        let sorted = requests.sorted {
            $0.prompt == $1.prompt ? $0.place < $1.place : $0.prompt.lexicographicallyPrecedes($1.prompt)
        }
        let inbox = ReplyInbox()
        var next = 0
        while next < sorted.count || inbox.open > 0 {
            // A few more than run at once, so that none waits for a step to end.
            while next < sorted.count, inbox.open < 2 * engine.maximumRunning {
                let request = sorted[next]
                next += 1
                guard request.settings.maximumTokens < limit else {
                    throw EvaluationError(
                        name, field: "generation_kwargs.max_gen_toks",
                        "is \(request.settings.maximumTokens), but the model's context holds \(limit) tokens")
                }
                var prompt = request.prompt
                let room = limit - request.settings.maximumTokens
                if prompt.count > room {
                    prompt = Array(prompt.suffix(room))
                    cutPrompts += 1
                }
                guard !prompt.isEmpty else {
                    throw EvaluationError(name, "a prompt is empty; there is nothing to continue")
                }
                try generator.submit(EngineRequest(prompt: prompt, options: options(request.settings, request.turn))) {
                    inbox.receive(request.place, $0)
                }
                inbox.open += 1
            }
            if isCancelled() { throw CancellationError() }
            let goesOn = generator.step()
            for (place, result) in inbox.take() { try receive(place, .reply(try result.get())) }
            guard goesOn || next < sorted.count || inbox.open == 0 else {
                throw EvaluationError(name, "\(inbox.open) replies never came to their end")
            }
        }
    }

    private func options(_ settings: TaskGeneration, _ turn: Int) -> GenerationOptions {
        var options = GenerationOptions()
        options.maximumTokens = settings.maximumTokens
        options.stopStrings = settings.until
        options.sampling = .greedy
        if settings.temperature > 0 {
            options.sampling = SamplingOptions()
            options.sampling.temperature = Float(settings.temperature)
            options.sampling.topP = Float(settings.topP)
            options.sampling.topK = settings.topK
            options.sampling.seed = seed &+ UInt64(turn)
        }
        return options
    }
}

/// Replies as they grow, by the place of their request.
private final class ReplyInbox {
    var open = 0
    private var texts: [Int: String] = [:]
    private var done: [(Int, Result<String, any Error>)] = []

    func receive(_ place: Int, _ output: GeneratorOutput) {
        switch output {
        case .events(let events):
            for case .token(_, let piece) in events { texts[place, default: ""] += piece.text }
        case .finished: done.append((place, .success(texts.removeValue(forKey: place) ?? "")))
        case .failed(let error): done.append((place, .failure(error)))
        }
    }

    func take() -> [(Int, Result<String, any Error>)] {
        defer { done = [] }
        open -= done.count
        return done
    }
}
