import MartletChat
import MartletInference
import MartletJSON

/// Anthropic's message: blocks of thinking, text and calls, whole or as events.
public struct MessagesReply: GenerationReply {
    private enum Block: Equatable { case thinking, text, call(Int) }

    private let plan: GenerationPlan
    private let header: ReplyHeader
    private var prompts: [PromptReply]
    /// Number and kind of the block that is being written.
    private var open: (index: Int, block: Block)?
    private var count = 0

    init(_ plan: GenerationPlan, _ header: ReplyHeader) {
        self.plan = plan
        self.header = header
        prompts = [PromptReply](plan)
    }

    public var contentType: String { ServerEvent.contentType }
    public var usage: Usage { prompts.usage }
    public func failure(_ error: APIError) -> [UInt8] { ServerEvent.data(Self.error(error), event: "error") }

    /// An error in Anthropic's shape.
    public static func error(_ error: APIError) -> JSON {
        let type =
            switch error.status {
            case 401: "authentication_error"
            case 403: "permission_error"
            case 404: "not_found_error"
            case 413: "request_too_large"
            case 429: "rate_limit_error"
            case 503, 529: "overloaded_error"
            case 500...: "api_error"
            default: "invalid_request_error"
            }
        return ["type": "error", "error": ["type": .string(type), "message": .string(error.message)]]
    }

    public mutating func add(_ event: EngineEvent, prompt: Int) -> [UInt8] {
        let isStreamed = plan.request.stream != nil
        switch event {
        case .started(let cached, let count):
            prompts[prompt].cachedTokens = cached
            prompts[prompt].promptTokens = count
            guard isStreamed else { return [] }
            return send("message_start", ["message": message(content: [], reason: nil)])
        case .prompt: return []
        case .token(let sample, let piece):
            let deltas = prompts[prompt].samples[sample].add(piece)
            return isStreamed ? deltas.flatMap { write($0) } : []
        case .finished(let sample, let reason, let statistics):
            let deltas = prompts[prompt].samples[sample].finish(reason, statistics)
            guard isStreamed else { return [] }
            return deltas.flatMap { write($0) } + close()
                + send(
                    "message_delta",
                    [
                        "delta": ["stop_reason": .string(stopReason), "stop_sequence": stopSequence],
                        "usage": usageJSON,
                    ]) + send("message_stop", [:])
        }
    }

    public mutating func finish() -> [UInt8] { [] }

    public func json() -> JSON {
        guard let sample = prompts.first?.samples.first else { return .null }
        var content: [JSON] = []
        if !sample.reasoning.isEmpty {
            content.append(["type": "thinking", "thinking": .string(sample.reasoning), "signature": ""])
        }
        if !sample.content.isEmpty { content.append(["type": "text", "text": .string(sample.content)]) }
        for (index, call) in sample.calls.enumerated() {
            let input = (try? JSON(parsing: call.arguments)) ?? .object([:])
            content.append([
                "type": "tool_use", "id": .string(callID(index)), "name": .string(call.name), "input": input,
            ])
        }
        return message(content: content, reason: stopReason)
    }

    // MARK: - Blocks

    private mutating func write(_ delta: ReplyDelta) -> [UInt8] {
        switch delta {
        case .content(let text): return begin(.text) + send(delta: ["type": "text_delta", "text": .string(text)])
        case .reasoning(let text):
            return begin(.thinking) + send(delta: ["type": "thinking_delta", "thinking": .string(text)])
        case .callStarted(let index, let name): return begin(.call(index), name: name)
        case .callArguments(let index, let text):
            return begin(.call(index)) + send(delta: ["type": "input_json_delta", "partial_json": .string(text)])
        }
    }

    private mutating func begin(_ block: Block, name: String = "") -> [UInt8] {
        if open?.block == block { return [] }
        let closed = close()
        open = (count, block)
        count += 1
        let content: JSON =
            switch block {
            case .thinking: ["type": "thinking", "thinking": "", "signature": ""]
            case .text: ["type": "text", "text": ""]
            case .call(let index):
                ["type": "tool_use", "id": .string(callID(index)), "name": .string(name), "input": [:]]
            }
        return closed + send("content_block_start", ["index": .integer(count - 1), "content_block": content])
    }

    private mutating func close() -> [UInt8] {
        guard let (index, block) = open else { return [] }
        var bytes: [UInt8] = []
        if block == .thinking { bytes += send(delta: ["type": "signature_delta", "signature": ""]) }
        bytes += send("content_block_stop", ["index": .integer(index)])
        open = nil
        return bytes
    }

    private func send(delta: JSON) -> [UInt8] {
        send("content_block_delta", ["index": .integer(open?.index ?? 0), "delta": delta])
    }

    private func send(_ type: String, _ members: JSONObject) -> [UInt8] {
        var object = JSONObject([("type", .string(type))])
        for (key, value) in members { object[key] = value }
        return ServerEvent.data(.object(object), event: type)
    }

    // MARK: - Members

    private func message(content: [JSON], reason: String?) -> JSON {
        [
            "id": .string(header.id), "type": "message", "role": "assistant", "model": .string(plan.modelName),
            "content": .array(content), "stop_reason": .string(orNull: reason),
            "stop_sequence": reason == nil ? .null : stopSequence, "usage": usageJSON,
        ]
    }

    private var usageJSON: JSON {
        let usage = usage
        return [
            "input_tokens": .integer(usage.promptTokens - usage.cachedTokens),
            "output_tokens": .integer(usage.completionTokens), "cache_read_input_tokens": .integer(usage.cachedTokens),
            "cache_creation_input_tokens": 0,
        ]
    }

    /// A reply that stopped with another token than one that ends it met a stop sequence.
    private var metStopSequence: Bool {
        guard let sample = prompts.first?.samples.first, sample.finishReason == .stop, let last = sample.tokens.last
        else {
            return false
        }
        return !plan.request.stopping.strings.isEmpty && !plan.texts.isEnd(last)
    }

    private var stopReason: String {
        guard let sample = prompts.first?.samples.first else { return "end_turn" }
        switch sample.finishReason {
        case .length?, .deadline?, .cancelled?, .repetition?: return "max_tokens"
        case .stop?, nil: return !sample.calls.isEmpty ? "tool_use" : metStopSequence ? "stop_sequence" : "end_turn"
        }
    }

    /// Known for certain where there is only one.
    private var stopSequence: JSON {
        let strings = plan.request.stopping.strings
        return metStopSequence && strings.count == 1 ? .string(strings[0]) : .null
    }

    private func callID(_ index: Int) -> String {
        "toolu_\(header.id.split(separator: "_", maxSplits: 1).last ?? "0")_\(index)"
    }
}

extension GenerationPlan {
    /// Tokens of a request's prompts, however many the model can take.
    public static func promptTokens(
        _ request: GenerationRequest, model: LanguageModel, adapter: LoadedAdapter? = nil
    ) throws(APIError) -> Int {
        switch request.input {
        case .conversation(let conversation):
            return try ModelVoice(model, adapter: adapter).prompt(conversation, request).tokens.count
        case .infill(let infill): return try infill.tokens(model).count
        case .prompts(let prompts):
            var count = 0
            for (index, prompt) in prompts.enumerated() {
                count += try tokens(prompt, model, addsSpecial: request.addsSpecialTokens ?? true, "prompt[\(index)]")
                    .count
            }
            return count
        }
    }
}
