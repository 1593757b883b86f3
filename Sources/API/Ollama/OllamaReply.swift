import MartletChat
import MartletInference
import MartletJSON

/// Ollama's response: lines of JSON, or one object. Tool calls are complete, with their arguments as objects.
public struct OllamaReply: GenerationReply {
    private let plan: GenerationPlan
    private let header: ReplyHeader
    private var prompts: [PromptReply]
    private let isChat: Bool

    init(_ plan: GenerationPlan, _ header: ReplyHeader) {
        self.plan = plan
        self.header = header
        prompts = [PromptReply](plan)
        isChat = plan.request.dialect == .ollamaChat
    }

    public var contentType: String { "application/x-ndjson" }
    public var usage: Usage { prompts.usage }
    public func failure(_ error: APIError) -> [UInt8] { Self.line(Ollama.error(error)) }

    public mutating func add(_ event: EngineEvent, prompt: Int) -> [UInt8] {
        switch event {
        case .started(let cached, let count):
            prompts[prompt].cachedTokens = cached
            prompts[prompt].promptTokens = count
        case .prompt: break
        case .token(let sample, let piece):
            let deltas = prompts[prompt].samples[sample].add(piece)
            return plan.request.stream == nil ? [] : lines(deltas)
        case .finished(let sample, let reason, let statistics):
            let deltas = prompts[prompt].samples[sample].finish(reason, statistics)
            guard plan.request.stream != nil else { return [] }
            let state = prompts[prompt].samples[sample]
            var bytes = lines(deltas)
            if !state.calls.isEmpty { bytes += Self.line(.object(part(calls: state.calls))) }
            var last = part()
            addEnd(state, &last)
            return bytes + Self.line(.object(last))
        }
        return []
    }

    public mutating func finish() -> [UInt8] { [] }

    public func json() -> JSON {
        guard let state = prompts.first?.samples.first else { return .null }
        var object = part(text: state.content, thinking: state.reasoning, calls: state.calls)
        addEnd(state, &object)
        return .object(object)
    }

    private func lines(_ deltas: [ReplyDelta]) -> [UInt8] {
        deltas.flatMap { delta -> [UInt8] in
            switch delta {
            case .content(let text): Self.line(.object(part(text: text)))
            case .reasoning(let text): Self.line(.object(part(thinking: text)))
            case .callStarted, .callArguments: []
            }
        }
    }

    private static func line(_ json: JSON) -> [UInt8] { json.bytes() + [0x0A] }

    private func part(text: String = "", thinking: String = "", calls: [SampleReply.Call] = []) -> JSONObject {
        var object = JSONObject([
            ("model", .string(plan.modelName)), ("created_at", .string(Ollama.time(header.created))),
        ])
        if isChat {
            var message = JSONObject([("role", "assistant"), ("content", .string(text))])
            if !thinking.isEmpty { message["thinking"] = .string(thinking) }
            if !calls.isEmpty {
                message["tool_calls"] = .array(
                    calls.map { call in
                        let arguments = (try? JSON(parsing: call.arguments)) ?? .object([:])
                        return ["function": ["name": .string(call.name), "arguments": arguments]]
                    })
            }
            object["message"] = .object(message)
        } else {
            object["response"] = .string(text)
            if !thinking.isEmpty { object["thinking"] = .string(thinking) }
        }
        object["done"] = false
        return object
    }

    private func addEnd(_ state: SampleReply, _ object: inout JSONObject) {
        let statistics = state.statistics ?? GenerationStatistics()
        func nanoseconds(_ seconds: Double) -> JSON { .integer(Int64((seconds * 1e9).rounded())) }
        object["done"] = true
        object["done_reason"] = .string(state.finishReason?.word(hasCalls: false) ?? "stop")
        object["total_duration"] = nanoseconds(statistics.promptSeconds + statistics.replySeconds)
        object["load_duration"] = 0
        object["prompt_eval_count"] = .integer(prompts.first?.promptTokens ?? 0)
        object["prompt_eval_duration"] = nanoseconds(statistics.promptSeconds)
        object["eval_count"] = .integer(statistics.replyTokens)
        object["eval_duration"] = nanoseconds(statistics.replySeconds)
    }
}
