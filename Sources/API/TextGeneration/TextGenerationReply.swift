import MartletInference
import MartletJSON

/// The response of text-generation-inference: the text, with its tokens if requested, complete or token by token.
public struct TextGenerationReply: GenerationReply {
    private struct Token: Sendable {
        var id: Int32
        var text: String
        var entry: TokenLogProbability?
    }

    private let plan: GenerationPlan
    private var reply: PromptReply
    private var tokens: [Token] = []
    /// The number of sent tokens. The last token is sent with the whole text.
    private var sent = 0

    init(_ plan: GenerationPlan, _ header: ReplyHeader) {
        self.plan = plan
        reply = PromptReply(plan, prompt: 0)
    }

    public var contentType: String { ServerEvent.contentType }
    public var usage: Usage { [reply].usage }
    public func failure(_ error: APIError) -> [UInt8] {
        ServerEvent.data(ErrorShape.textGeneration.json(error))
    }

    public mutating func add(_ event: EngineEvent, prompt: Int) -> [UInt8] {
        switch event {
        case .started(let cached, let count):
            reply.cachedTokens = cached
            reply.promptTokens = count
        case .prompt(let entries): reply.promptLogProbabilities = entries
        case .token(let sample, let piece):
            _ = reply.samples[sample].add(piece)
            if let id = piece.token {
                tokens.append(Token(id: id, text: piece.text, entry: piece.logProbability))
            } else if !tokens.isEmpty {
                tokens[tokens.count - 1].text += piece.text
            }
            guard plan.request.stream != nil, tokens.count - sent > 1 else { return [] }
            defer { sent = tokens.count - 1 }
            return (sent..<tokens.count - 1).flatMap { ServerEvent.data(.object(chunk(of: $0))) }
        case .finished(let sample, let reason, let statistics):
            _ = reply.samples[sample].finish(reason, statistics)
            guard plan.request.stream != nil, let last = tokens.indices.last else { return [] }
            var object = chunk(of: last)
            object["generated_text"] = .string(text)
            object["details"] = details(isStreamed: true)
            return ServerEvent.data(.object(object))
        }
        return []
    }

    public mutating func finish() -> [UInt8] { [] }

    public func json() -> JSON {
        var object = JSONObject([("generated_text", .string(text))])
        if plan.request.hasTextGenerationDetails || plan.request.promptLogProbabilities != nil {
            object["details"] = details(isStreamed: false)
        }
        return plan.request.textGenerationForm == .list ? [.object(object)] : .object(object)
    }

    private var text: String {
        let reply = reply.samples[0].content
        guard plan.request.echoesPrompt, case .prompts(let list) = plan.request.input, case .text(let prompt) = list[0]
        else { return reply }
        return prompt + reply
    }

    private func chunk(of index: Int) -> JSONObject {
        var object = JSONObject([("index", .integer(index + 1)), ("token", token(tokens[index]))])
        if let count = plan.request.logProbabilities, count > 0 { object["top_tokens"] = top(tokens[index].entry) }
        object["generated_text"] = JSON.null
        object["details"] = JSON.null
        return object
    }

    private func token(_ token: Token) -> JSON {
        let isEnd = plan.texts.isEnd(token.id)
        return [
            "id": .integer(Int64(token.id)), "text": .string(isEnd ? plan.texts.text(token.id) : token.text),
            "logprob": token.entry.map { LogProbabilityJSON.number($0.logProbability) } ?? .null,
            "special": .bool(isEnd),
        ]
    }

    private func top(_ entry: TokenLogProbability?) -> JSON {
        .array(
            (entry?.top ?? []).map { alternative in
                [
                    "id": .integer(Int64(alternative.token)), "text": .string(plan.texts.text(alternative.token)),
                    "logprob": LogProbabilityJSON.number(alternative.logProbability),
                    "special": .bool(plan.texts.isEnd(alternative.token)),
                ]
            })
    }

    private func details(isStreamed: Bool) -> JSON {
        let state = reply.samples[0]
        let ended = state.tokens.last.map(plan.texts.isEnd) ?? false
        let reason = state.finishReason == .stop ? (ended ? "eos_token" : "stop_sequence") : "length"
        var object = JSONObject([
            ("finish_reason", .string(reason)), ("generated_tokens", .integer(state.tokens.count)),
            ("seed", plan.request.sampling.seed.map { .integer(Int64(bitPattern: $0)) } ?? .null),
        ])
        guard !isStreamed else {
            object["input_length"] = .integer(reply.promptTokens)
            return .object(object)
        }
        object["prefill"] = .array(prefill)
        object["tokens"] = .array(tokens.map(token))
        if let count = plan.request.logProbabilities, count > 0 {
            object["top_tokens"] = .array(tokens.map { top($0.entry) })
        }
        return .object(object)
    }

    /// The prompt's tokens, if requested.
    private var prefill: [JSON] {
        guard plan.request.promptLogProbabilities != nil else { return [] }
        let entries = reply.promptLogProbabilities
        return plan.prompts[0].enumerated().map { index, id in
            let entry = index < entries.count ? entries[index] : nil
            return [
                "id": .integer(Int64(id)), "text": .string(plan.texts.text(id)),
                "logprob": entry.map { LogProbabilityJSON.number($0.logProbability) } ?? .null,
            ]
        }
    }
}
