import MartletChat
import MartletInference
import MartletJSON

/// A `response` with its output items, or the events that build it.
public struct ResponsesReply: GenerationReply {
    private let plan: GenerationPlan
    private let header: ReplyHeader
    private var prompts: [PromptReply]
    private var stream: ResponsesStream

    init(_ plan: GenerationPlan, _ header: ReplyHeader) {
        self.plan = plan
        self.header = header
        prompts = [PromptReply](plan)
        stream = ResponsesStream(id: Self.unique(header))
    }

    private static func unique(_ header: ReplyHeader) -> String {
        String(header.id.split(separator: "_", maxSplits: 1).last ?? "0")
    }

    public var contentType: String { ServerEvent.contentType }
    public var usage: Usage { prompts.usage }

    public func failure(_ error: APIError) -> [UInt8] {
        var stream = stream
        return stream.event(
            "error",
            [
                "code": .string(orNull: error.code), "message": .string(error.message),
                "param": .string(orNull: error.parameter),
            ])
    }

    public mutating func add(_ event: EngineEvent, prompt: Int) -> [UInt8] {
        let isStreamed = plan.request.stream != nil
        switch event {
        case .started(let cached, let count):
            prompts[prompt].cachedTokens = cached
            prompts[prompt].promptTokens = count
            guard isStreamed else { return [] }
            let response = response(status: "in_progress", output: [])
            return stream.event("response.created", ["response": response])
                + stream.event("response.in_progress", ["response": response])
        case .prompt: return []
        case .token(let sample, let piece):
            let deltas = prompts[prompt].samples[sample].add(piece)
            return isStreamed ? deltas.flatMap { stream.write($0) } : []
        case .finished(let sample, let reason, let statistics):
            let deltas = prompts[prompt].samples[sample].finish(reason, statistics)
            guard isStreamed else { return [] }
            let bytes = deltas.flatMap { stream.write($0) } + stream.close(isComplete: isComplete)
            let response = response(status: status, output: stream.items)
            return bytes + stream.event("response.\(status)", ["response": response])
        }
    }

    public mutating func finish() -> [UInt8] { [] }

    public func json() -> JSON {
        guard let sample = prompts.first?.samples.first else { return .null }
        var items = ResponsesStream(id: Self.unique(header))
        if !sample.reasoning.isEmpty { _ = items.write(.reasoning(sample.reasoning)) }
        if !sample.content.isEmpty { _ = items.write(.content(sample.content)) }
        for (index, call) in sample.calls.enumerated() {
            _ = items.write(.callStarted(index, name: call.name))
            _ = items.write(.callArguments(index, call.arguments))
        }
        _ = items.close(isComplete: isComplete)
        return response(status: status, output: items.items)
    }

    private var isComplete: Bool { prompts.first?.samples.first?.finishReason == .stop }
    private var status: String { isComplete ? "completed" : "incomplete" }

    private func response(status: String, output: [JSON]) -> JSON {
        let request = plan.request
        var object = JSONObject()
        object["id"] = .string(header.id)
        object["object"] = "response"
        object["created_at"] = .integer(header.created)
        object["status"] = .string(status)
        object["error"] = JSON.null
        object["incomplete_details"] = status == "incomplete" ? Self.incomplete : JSON.null
        object["instructions"] = .string(orNull: request.instructions)
        object["model"] = .string(plan.modelName)
        object["output"] = .array(output)
        object["parallel_tool_calls"] = .bool(request.tools.allowsParallelCalls)
        object["previous_response_id"] = .string(orNull: request.previousResponseID)
        object["max_output_tokens"] = request.stopping.maximumTokens.map { JSON.integer($0) } ?? JSON.null
        object["reasoning"] = ["effort": .string(orNull: request.reasoning.effort?.rawValue), "summary": .null]
        object["store"] = .bool(request.isStored)
        object["temperature"] = .number(plan.options.sampling.temperature.plain)
        object["text"] = ["format": format]
        object["tool_choice"] = choice
        object["tools"] = .array(request.tools.tools.map(tool))
        object["top_p"] = .number(plan.options.sampling.topP.plain)
        object["truncation"] = "disabled"
        object["usage"] = JSON.null
        object["user"] = .string(orNull: request.user)
        object["metadata"] = .object(request.metadata)
        if status != "in_progress" { object["usage"] = usageJSON }
        return .object(object)
    }

    private static let incomplete: JSON = ["reason": "max_output_tokens"]

    private var usageJSON: JSON {
        let usage = usage
        return [
            "input_tokens": .integer(usage.promptTokens),
            "input_tokens_details": ["cached_tokens": .integer(usage.cachedTokens), "cache_write_tokens": 0],
            "output_tokens": .integer(usage.completionTokens),
            "output_tokens_details": ["reasoning_tokens": .integer(usage.reasoningTokens)],
            "total_tokens": .integer(usage.totalTokens),
        ]
    }

    private var format: JSON {
        switch plan.request.constraint {
        case .jsonObject?: ["type": "json_object"]
        case .jsonSchema(let schema)?: ["type": "json_schema", "name": "reply", "schema": schema, "strict": true]
        default: ["type": "text"]
        }
    }

    private var choice: JSON {
        switch plan.request.tools.choice {
        case .none: "none"
        case .auto: "auto"
        case .required: "required"
        case .named(let name): ["type": "function", "name": .string(name)]
        case .allowed(let names, let isRequired):
            [
                "type": "allowed_tools", "mode": isRequired ? "required" : "auto",
                "tools": .array(names.map { ["type": "function", "name": .string($0)] }),
            ]
        }
    }

    private func tool(_ tool: Tool) -> JSON {
        [
            "type": "function", "name": .string(tool.name), "description": .string(orNull: tool.description),
            "parameters": tool.parameters, "strict": .bool(tool.isStrict),
        ]
    }
}
