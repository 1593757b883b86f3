import MartletChat
import MartletInference
import MartletJSON
import MartletTransfer
import Synchronization

/// A model behind a URL that speaks OpenAI's API: log-likelihoods by `/completions` with `echo` and `logprobs`, replies by
/// `/completions`, or by `/chat/completions` where prompts are conversations.
///
/// ```swift
/// let model = try RemoteModel(RemoteOptions(url: "http://127.0.0.1:8080/v1"))
/// let results = try Evaluator(model).run(try library.tasks(["my_task.yaml"]))
/// ```
///
/// Where the server has `/tokenize` (Martlet, vLLM, llama.cpp), prompts are sent as tokens, in the requests that
/// lm-evaluation-harness sends, so that the numbers are the same. Elsewhere they are sent as texts, and a token that
/// belongs to context and continuation both is counted to the continuation, and told.
public final class RemoteModel: EvaluationModel, @unchecked Sendable {
    public let name: String
    public let identity: JSONObject
    public var chatTemplate: String? { nil }
    let options: RemoteOptions
    let calls: RemoteCalls
    let tokenizer: RemoteTokenizer?
    private let contextLength: Int
    private struct Counts: Sendable { var cut = 0, straddling = 0, empty = 0 }
    private let counts = Mutex(Counts())
    /// Whether log-probabilities were looked at already.
    private let isProbed = Mutex(false)

    /// Asks the server for its models and its tokenizer.
    /// - Throws: `RemoteModelError`; `EvaluationError` where it is not clear which model is meant.
    public init(_ options: RemoteOptions) throws {
        self.options = options
        let transfers: Transfers
        do { transfers = try Transfers() } catch {
            throw RemoteModelError(.unreachable, options.url, "\(error)")
        }
        let calls = RemoteCalls(options: options, transfers: transfers)
        self.calls = calls
        let found: (String, Int?, RemoteTokenizer?) = try WaitedExecutor.value {
            var cards: [JSON] = []
            do {
                cards = try await calls.get(options.base + "/models")["data"]?.array ?? []
            } catch let error as RemoteModelError {
                // Not every server lists its models; one that is not there does not answer anything else either.
                guard case .refused(let status) = error.kind, status != 401, status != 403, options.model != nil else {
                    throw error
                }
            }
            let names = cards.compactMap { $0["id"]?.string }
            guard let model = options.model ?? (names.count == 1 ? names[0] : nil) else {
                throw EvaluationError(
                    options.url, field: "--model",
                    names.isEmpty
                        ? "is needed: the server lists no models"
                        : "is needed: the server has \(names.prefix(20).joined(separator: ", "))")
            }
            let card = cards.first { $0["id"]?.string == model }
            let length = card?["max_model_len"]?.integer ?? card?["meta"]?["n_ctx"]?.integer
            return (model, length, try await RemoteTokenizer.find(calls, model: model))
        }
        name = found.0
        tokenizer = found.2
        contextLength = max(options.contextLength ?? found.1 ?? 2048, 2)
        identity = [
            "server": .string(options.base), "model": .string(found.0),
            "tokens": .bool(found.2 != nil), "context": .integer(Int64(contextLength)),
            "add_bos_token": .bool(options.addsBeginning), "seed": .integer(Int64(options.seed)),
        ]
    }

    /// Connections are closed before the program may end: their TLS library goes with it.
    deinit {
        let transfers = calls.transfers
        _ = try? WaitedExecutor.value {
            await transfers.close()
        }
    }

    public var notes: [String] {
        let counts = counts.withLock { $0 }
        var notes: [String] = []
        if counts.cut > 0 {
            notes.append("\(counts.cut) prompts are longer than the model's context and were cut at their beginning")
        }
        if counts.straddling > 0 {
            notes.append(
                "in \(counts.straddling) requests a token belongs to context and continuation both; it was counted to the continuation"
            )
        }
        if counts.empty > 0 { notes.append("\(counts.empty) replies came without a text and count as empty") }
        return notes
    }

    /// A conversation as JSON: the server renders it.
    public func render(_ messages: [ChatMessage], opensReply: Bool) throws -> String {
        JSON.array(
            messages.map { ["role": .string($0.role), "content": .string($0.content ?? "")] }
        ).text()
    }

    /// The prompt of a conversation, with what opens the reply, as the server's template has it (`/apply-template` of Martlet
    /// and llama.cpp): log-likelihoods of replies need it as a text.
    /// - Throws: `RemoteModelError`; `.refused` of a server that does not know the route.
    public func prompt(of messages: [ChatMessage]) throws -> String {
        let url = options.root + "/apply-template"
        let list = messages.map { ["role": .string($0.role), "content": .string($0.content ?? "")] as JSON }
        let body: JSON = ["model": .string(name), "messages": .array(list)]
        return try WaitedExecutor.value { [self] in
            guard let prompt = try await calls.post(url, body)["prompt"]?.string else {
                throw RemoteModelError(.badAnswer, url, "the answer has no prompt")
            }
            return prompt
        }
    }

    public func answer(
        _ requests: [EvaluationRequest], isCancelled: () -> Bool, receive: (Int, RequestAnswer) throws -> Void
    ) throws {
        try probe(requests)
        let order = requests.indices.sorted { Self.prompt(requests[$0]) < Self.prompt(requests[$1]) }
        let inbox = RemoteInbox<(Int, Result<RequestAnswer, any Error>)>()
        let queue = RequestQueue(order)
        let lanes = max(min(options.concurrency, order.count), 0)
        let task = Task.detached(executorPreference: WaitedExecutor.shared) { [self] in
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<lanes {
                    group.addTask { [self] in
                        while !Task.isCancelled {
                            guard let place = queue.next() else { return }
                            do {
                                inbox.add((place, .success(try await answer(requests[place]))))
                            } catch {
                                inbox.add((place, .failure(error)))
                                return
                            }
                        }
                    }
                }
            }
        }
        defer { task.cancel() }
        var open = order.count
        while open > 0 {
            if isCancelled() { throw CancellationError() }
            for (place, result) in inbox.take() {
                try receive(place, try result.get())
                open -= 1
            }
        }
    }

    private static func prompt(_ request: EvaluationRequest) -> String {
        switch request {
        case .logLikelihood(let context, let continuation): context + continuation
        case .rolling(let text): text
        case .generate(let prompt, _, _): prompt
        }
    }

    private func answer(_ request: EvaluationRequest) async throws -> RequestAnswer {
        do {
            return switch request {
            case .logLikelihood(let context, let continuation): try await score(context, continuation)
            case .rolling(let text): try await rolling(text)
            case .generate(let prompt, let settings, let turn): try await generate(prompt, settings, turn)
            }
        } catch let error as RemoteModelError {
            guard error.kind == .unreadableText else { throw error }
            return .unanswerable("\(error)")
        }
    }

    // MARK: - Log-likelihoods

    /// Looks at the log-probabilities of a plain text before anything is asked that needs them.
    private func probe(_ requests: [EvaluationRequest]) throws {
        let needs = requests.contains { if case .generate = $0 { false } else { true } }
        guard needs, !isProbed.withLock({ $0 }) else { return }
        let url = options.base + "/completions", text = "One, two, three, four, five, six, seven, eight, nine"
        let values: [[Double]] = try WaitedExecutor.value { [self] in
            var values: [[Double]] = []
            for _ in 0..<2 {
                let echoed = try await echo(text: text)
                values.append(echoed.logProbabilities.compactMap { $0 })
            }
            return values
        }
        guard values[0].count > 2, let first = values[0].first, values[0].contains(where: { $0 != first }) else {
            throw RemoteModelError(
                .impossibleLogProbabilities, url,
                "\(values[0].count) tokens of a plain text have the same log-probability, \(values[0].first ?? 0)")
        }
        for (a, b) in zip(values[0], values[1]) where abs(a - b) > 0.05 * max(1, abs(a)) {
            throw RemoteModelError(
                .impossibleLogProbabilities, url,
                "the same text has the log-probability \(a) once and \(b) another time")
        }
        isProbed.withLock { $0 = true }
    }

    private func echo(text: String) async throws -> EchoedScore {
        if let tokenizer {
            let tokens = try await tokenizer.encode(text, special: options.addsBeginning)
            return try await echo(.array(tokens.map { .integer(Int64($0)) }), tokenCount: tokens.count, text: nil)
        }
        return try await echo(.string(text), tokenCount: nil, text: text)
    }

    private func echo(_ prompt: JSON, tokenCount: Int?, text: String?) async throws -> EchoedScore {
        let url = options.base + "/completions"
        let body: JSON = [
            "model": .string(name), "prompt": tokenCount == nil ? prompt : [prompt], "temperature": 0,
            "max_tokens": 1, "logprobs": 1, "seed": .integer(Int64(options.seed)), "echo": true,
        ]
        let answer: JSON
        do { answer = try await calls.post(url, body) } catch let error as RemoteModelError {
            guard case .refused(let status) = error.kind, [404, 405, 501].contains(status) else { throw error }
            throw RemoteModelError(
                .noLogProbabilities, url,
                "the server has no /completions (\(error.reason)), and chats give no log-likelihoods; only tasks that generate can be asked, with --apply-chat-template"
            )
        }
        guard let choice = answer["choices"]?.array?.first else {
            throw RemoteModelError(.badAnswer, url, "the answer has no choices")
        }
        return try EchoedScore(choice, tokenCount: tokenCount, prompt: text, url: url)
    }

    private func score(_ context: String, _ continuation: String) async throws -> RequestAnswer {
        let url = options.base + "/completions"
        guard let tokenizer else {
            let kept = context.trailingSpaceTrimmed
            guard !kept.isEmpty else {
                throw RemoteModelError(
                    .noTokenizer, url,
                    "a task scores texts without a context, which needs /tokenize and /tokenizer_info")
            }
            let whole = context + continuation, boundary = kept.unicodeScalars.count
            let end = whole.unicodeScalars.count
            let echoed = try await echo(.string(whole), tokenCount: nil, text: whole)
            let last = echoed.offsets.firstIndex { $0 >= end } ?? echoed.offsets.count
            // The token that the first character of the continuation is in.
            let first = echoed.offsets.indices.last { echoed.offsets[$0] <= boundary } ?? last
            if first < last, echoed.offsets[first] < boundary { counts.withLock { $0.straddling += 1 } }
            return try echoed.score(first..<last, url: url)
        }
        let (first, second) = try await pair(context, continuation, tokenizer)
        guard !second.isEmpty else { return .score(0, isGreedy: true) }
        // One token is generated besides.
        let limit = contextLength - 1, whole = Array((first + second).suffix(limit))
        let omitted = max(first.count + second.count - limit, 0)
        guard omitted < first.count else {
            throw EvaluationError(
                name, "a continuation has \(second.count) tokens, but the model's context holds \(contextLength)")
        }
        if omitted > 0 { counts.withLock { $0.cut += 1 } }
        let echoed = try await echo(
            .array(whole.map { .integer(Int64($0)) }), tokenCount: whole.count, text: nil)
        return try echoed.score((first.count - omitted)..<whole.count, url: url)
    }

    /// As `LocalModel` does it: spaces at the context's end belong to the continuation.
    private func pair(
        _ context: String, _ continuation: String, _ tokenizer: RemoteTokenizer
    ) async throws -> ([Int32], [Int32]) {
        guard !context.isEmpty else {
            let tokens = try await tokenizer.encode(continuation, special: false), prefix = try prefix(tokenizer)
            return tokens.first == prefix ? ([prefix], Array(tokens.dropFirst())) : ([prefix], tokens)
        }
        let kept = context.trailingSpaceTrimmed
        let whole = try await tokenizer.encode(context + continuation, special: options.addsBeginning)
        let first = try await tokenizer.encode(kept, special: options.addsBeginning)
        return first.isEmpty ? ([try prefix(tokenizer)], whole) : (first, Array(whole.dropFirst(first.count)))
    }

    private func prefix(_ tokenizer: RemoteTokenizer) throws -> Int32 {
        guard let prefix = tokenizer.prefix else {
            throw RemoteModelError(
                .noTokenizer, options.root + "/tokenizer_info",
                "names no token that begins a text, and a context is empty")
        }
        return prefix
    }

    private func rolling(_ text: String) async throws -> RequestAnswer {
        let url = options.base + "/completions"
        guard let tokenizer else {
            throw RemoteModelError(
                .noTokenizer, url, "a rolling log-likelihood needs the server's /tokenize, to cut the text into windows"
            )
        }
        let tokens = [try prefix(tokenizer)] + (try await tokenizer.encode(text, special: options.addsBeginning))
        var sum = 0.0
        let length = max(contextLength - 2, 1)
        for window in Scorer.windows(tokens.count - 1, length: length, stride: length) {
            let inputs = tokens[window.inputs.lowerBound..<window.scored.upperBound]
            let echoed = try await echo(
                .array(inputs.map { .integer(Int64($0)) }), tokenCount: inputs.count, text: nil)
            let scored = window.scored.lowerBound - window.inputs.lowerBound..<inputs.count
            sum += try echoed.score(scored, url: url).logLikelihood
        }
        return .total(sum)
    }

    // MARK: - Replies

    private func generate(_ prompt: String, _ settings: TaskGeneration, _ turn: Int) async throws -> RequestAnswer {
        var body: JSONObject = [
            "model": .string(name), "max_tokens": .integer(Int64(settings.maximumTokens)),
            "temperature": .number(settings.temperature),
            "seed": .integer(Int64(options.seed &+ (settings.temperature > 0 ? turn : 0))),
        ]
        if settings.temperature > 0 {
            body["top_p"] = .number(settings.topP)
            if settings.topK > 0 { body["top_k"] = .integer(Int64(settings.topK)) }
        }
        let messages = Self.conversation(prompt), isChat = messages != nil
        // More than four are refused by some servers; the reply is cut at all of them below.
        if !settings.until.isEmpty { body["stop"] = .array(settings.until.prefix(4).map { .string($0) }) }
        if let messages {
            body["messages"] = .array(messages)
            if messages.last?["role"]?.string == "assistant" {
                body["add_generation_prompt"] = false
                body["continue_final_message"] = true
            }
        } else if let tokenizer {
            var tokens = try await tokenizer.encode(prompt, special: options.addsBeginning)
            let room = contextLength - 1 - settings.maximumTokens
            guard room > 0 else {
                throw EvaluationError(
                    name, field: "generation_kwargs.max_gen_toks",
                    "is \(settings.maximumTokens), but the model's context holds \(contextLength) tokens")
            }
            if tokens.count > room {
                tokens = Array(tokens.suffix(room))
                counts.withLock { $0.cut += 1 }
            }
            body["prompt"] = .array(tokens.map { .integer(Int64($0)) })
        } else {
            body["prompt"] = .string(prompt)
        }
        let url = options.base + (isChat ? "/chat/completions" : "/completions")
        let answer: JSON
        do { answer = try await calls.post(url, .object(body)) } catch let error as RemoteModelError {
            guard case .refused(let status) = error.kind, [404, 405, 501].contains(status), !isChat else { throw error }
            throw RemoteModelError(
                error.kind, url, error.reason + "; a server of chats alone is asked with --apply-chat-template")
        }
        guard let choice = answer["choices"]?.array?.first else {
            throw RemoteModelError(.badAnswer, url, "the answer has no choices")
        }
        let reply = isChat ? choice["message"]?["content"]?.string : choice["text"]?.string
        if reply == nil { counts.withLock { $0.empty += 1 } }
        return .reply(Self.cut(reply ?? "", settings.until))
    }

    /// The messages of a prompt that `render` made.
    private static func conversation(_ prompt: String) -> [JSON]? {
        guard prompt.hasPrefix("[{\"role\":"), let messages = (try? JSON(parsing: prompt))?.array,
            messages.allSatisfy({ $0["role"]?.string != nil && $0["content"]?.string != nil })
        else { return nil }
        return messages
    }

    /// A text up to the first of some others.
    static func cut(_ text: String, _ ends: [String]) -> String {
        let scalars = Array(text.unicodeScalars)
        var first = scalars.count
        for end in ends {
            let end = Array(end.unicodeScalars)
            guard !end.isEmpty, scalars.count >= end.count else { continue }
            for start in 0...(scalars.count - end.count)
            where start < first && scalars[start..<(start + end.count)].elementsEqual(end) {
                first = start
                break
            }
        }
        return first == scalars.count ? text : String(String.UnicodeScalarView(scalars[..<first]))
    }
}

/// The places of requests, taken by several lanes.
private final class RequestQueue: Sendable {
    private let rest: Mutex<ArraySlice<Int>>
    init(_ places: [Int]) { rest = Mutex(places[...]) }
    func next() -> Int? { rest.withLock { $0.popFirst() } }
}
