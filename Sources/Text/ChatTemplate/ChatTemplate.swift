import MartletJSON

/// A model's chat template: compiled once, rendered for every request.
public final class ChatTemplate: Sendable {
    public let source: String
    let template: JinjaTemplate
    private let specialTokens: [String: String]
    private let now: @Sendable () -> Int
    /// Whether the template looks into content that is an array of parts.
    public let readsContentParts: Bool

    /// - Parameter specialTokens: `bos_token`, `eos_token`, … as the template names them.
    public init(
        source: String, specialTokens: [String: String] = [:], limits: JinjaLimits = JinjaLimits(),
        now: @escaping @Sendable () -> Int = JinjaClock.system
    ) throws(ChatTemplateError) {
        self.source = source
        do throws(JinjaError) {
            template = try JinjaTemplate(source, limits: limits)
        } catch {
            throw .template(error)
        }
        self.specialTokens = specialTokens
        self.now = now
        readsContentParts = [
            "'type'", "\"type\"", ".type", "content is string", "content is not string", "is iterable", "is sequence",
        ]
        .contains { source.contains($0) }
    }

    /// The prompt of a conversation.
    ///
    /// - Parameters:
    ///   - tools: Function definitions, `{"type":"function","function":{…}}`.
    ///   - documents: Objects with `title` and `text`.
    ///   - addGenerationPrompt: Ends with what opens the assistant's answer.
    ///   - continueFinalMessage: Ends inside the final message, for the model to go on with it.
    ///   - extra: More variables (`chat_template_kwargs`), such as `enable_thinking`.
    public func render(
        messages: [ChatMessage], tools: [JSON]? = nil, documents: [JSON]? = nil, addGenerationPrompt: Bool = false,
        continueFinalMessage: Bool = false, extra: JSONObject = JSONObject()
    ) throws(ChatTemplateError) -> RenderedPrompt {
        var messages = messages
        var continued: String?
        if continueFinalMessage { continued = try Continuation.mark(&messages) }
        var variables: [(name: String, value: JinjaValue)] = specialTokens.map { ($0.key, .text($0.value)) }
        func add(_ name: String, _ value: @autoclosure () -> JinjaValue) {
            if template.mentions(name) { variables.append((name, value())) }
        }
        for (name, value) in extra { add(name, JinjaValue(value)) }
        add("messages", .list(JinjaList(messages.map { JinjaValue.dict(templateFields(of: $0)) })))
        add("tools", tools.map { JinjaValue(.array($0)) } ?? .none)
        add("documents", documents.map { JinjaValue(.array($0)) } ?? .none)
        add("add_generation_prompt", .bool(addGenerationPrompt))
        let rendered: (text: JinjaText, generations: [Range<Int>])
        do throws(JinjaError) {
            rendered = try template.render(variables, now: now)
        } catch {
            throw .template(error)
        }
        guard let continued else { return RenderedPrompt(rendered.text, generations: rendered.generations) }
        let text = try Continuation.cut(rendered.text, after: continued)
        let generations = rendered.generations.compactMap { range in
            range.lowerBound <= text.bytes.count ? range.clamped(to: 0..<text.bytes.count) : nil
        }
        return RenderedPrompt(text, generations: generations)
    }

    /// A message as the template sees it. Roles from the known set count as the template's own text, so
    /// that `'<|' + role + '|>'` still makes a special token; everything else is data.
    private func templateFields(of message: ChatMessage) -> JinjaDictionary {
        var result = JinjaDictionary()
        let reasoning = ChatMessage.reasoningFields.lazy.compactMap { message[$0] }.first { !$0.isNull }
        if let reasoning { result.set("thinking", JinjaValue(reasoning)) }
        for (key, value) in message.fields {
            switch key {
            case "role":
                let isKnown = value.string.map(Self.roles.contains) ?? false
                result.set("role", JinjaValue(value, isData: !isKnown))
            case "content": result.set("content", JinjaValue(readsContentParts ? value : Self.flattened(value)))
            case "tool_calls": result.set("tool_calls", JinjaValue(Self.normalized(value)))
            default: result.set(Self.key(key), JinjaValue(value))
            }
        }
        if let reasoning { result.set("reasoning_content", JinjaValue(reasoning)) }
        return result
    }

    static let roles: Set<String> = [
        "system", "developer", "user", "assistant", "tool", "function", "model", "ipython", "tool_response",
        "environment", "documents", "context",
    ]

    private static func key(_ name: String) -> JinjaText { JinjaText(name, isData: true) }

    /// Text parts as one string, for templates that print content as it is.
    private static func flattened(_ content: JSON) -> JSON {
        guard case .array(let parts) = content else { return content }
        var texts: [String] = []
        for part in parts {
            guard part["type"]?.string == "text", let text = part["text"]?.string else { return content }
            texts.append(text)
        }
        return .string(texts.joined(separator: "\n"))
    }

    private static func normalized(_ calls: JSON) -> JSON {
        guard case .array(let calls) = calls else { return calls }
        return .array(
            calls.map { call in
                guard var members = call.object else { return call }
                if var function = members["function"]?.object, let arguments = function["arguments"] {
                    function["arguments"] = ChatMessage.normalized(arguments)
                    members["function"] = .object(function)
                } else if let arguments = members["arguments"] {
                    members["arguments"] = ChatMessage.normalized(arguments)
                }
                return .object(members)
            })
    }
}
