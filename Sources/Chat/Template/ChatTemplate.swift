import MartletJSON
import MartletJinja

/// A model's chat template, compiled once and rendered for every request.
///
/// ```swift
/// let template = try ChatTemplate(source: source, specialTokens: ["bos_token": "<s>", "eos_token": "</s>"])
/// let prompt = try template.render(messages: [ChatMessage(role: "user", content: "Hello")])
/// print(prompt.text)
/// ```
public final class ChatTemplate: Sendable {
    public let source: String
    let template: JinjaTemplate
    private let specialTokens: [String: String]
    private let now: @Sendable () -> Int
    private let use: ContentUse
    /// Whether the template reads content that is an array of parts: loops over it, or reads a member of a part. Other
    /// templates get text parts as one string, joined by line feeds.
    public var readsContentParts: Bool { use.readsParts }

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
        use = ContentUse(template)
    }

    /// Renders the prompt of a conversation.
    ///
    /// - Parameters:
    ///   - tools: function definitions, `{"type":"function","function":{…}}`.
    ///   - documents: objects with `title` and `text`.
    ///   - addGenerationPrompt: whether to end with the text that opens the assistant's turn.
    ///   - continueFinalMessage: whether to end inside the final message, so that the model continues it.
    ///   - extra: further variables (`chat_template_kwargs`), such as `enable_thinking`.
    /// - Throws: `ChatTemplateError` when the template fails or refuses the conversation.
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
        add("tools", tools.map { JinjaValue(.array($0)) } ?? .none)
        add("documents", documents.map { JinjaValue(.array($0)) } ?? .none)
        add("add_generation_prompt", .bool(addGenerationPrompt))
        let rendered = try render(messages, variables)
        guard let continued else {
            return RenderedPrompt(rendered.text, generations: rendered.generations, continuing: nil)
        }
        let text = try Continuation.cut(rendered.text, after: continued)
        let generations = rendered.generations.compactMap { range in
            range.lowerBound <= text.bytes.count ? range.clamped(to: 0..<text.bytes.count) : nil
        }
        return RenderedPrompt(text, generations: generations, continuing: continued)
    }

    private typealias Rendering = (text: JinjaText, generations: [Range<Int>])

    /// Renders with the form of content that the template's syntax tree suggests. If text of the conversation is lost
    /// that way, or the template fails, other forms are tried, and the one that keeps most of the text is used.
    private func render(
        _ messages: [ChatMessage], _ variables: [(name: String, value: JinjaValue)]
    ) throws(ChatTemplateError) -> Rendering {
        let form = ContentForm(use)
        let hasParts = messages.contains { $0["content"]?.array != nil }
        let first = attempt(form, messages, variables)
        guard use.readsParts || hasParts else { return try first.get() }
        let words = messages.suffix(64).filter { $0.role != "assistant" }.compactMap(\.content)
            .map { JinjaText($0).trimmed() }
            .filter { !$0.isEmpty }
        func lost(_ result: Result<Rendering, ChatTemplateError>) -> Int {
            guard case .success(let rendering) = result else { return words.count + 1 }
            return Self.count(of: words, missingIn: rendering.text)
        }
        if case .failure(.template(let error)) = first, error.kind == .limit || error.kind == .cancelled {
            return try first.get()
        }
        var (best, fewest) = (first, lost(first))
        for other in ContentForm.allCases where other != form && fewest > 0 {
            let result = attempt(other, messages, variables)
            let count = lost(result)
            if count < fewest { (best, fewest) = (result, count) }
        }
        return try best.get()
    }

    private func attempt(
        _ form: ContentForm, _ messages: [ChatMessage], _ variables: [(name: String, value: JinjaValue)]
    ) -> Result<Rendering, ChatTemplateError> {
        var variables = variables
        if template.mentions("messages") {
            let fields = messages.map { JinjaValue.dict(templateFields(of: $0, form)) }
            variables.append(("messages", .list(JinjaList(fields))))
        }
        do throws(JinjaError) {
            return .success(try template.render(variables, now: now))
        } catch {
            return .failure(.template(error))
        }
    }

    /// The number of texts that are missing in the prompt, compared line by line.
    private static func count(of texts: [JinjaText], missingIn prompt: JinjaText) -> Int {
        var position = 0
        return texts.count { text in
            // The parts may be separated from one another, but each of their lines must occur.
            let lines = text.string.split(separator: "\n").prefix(64)
            for line in lines {
                let line = JinjaText(line).trimmed()
                guard let found = prompt.find(line, from: position) ?? prompt.find(line) else { return true }
                position = found
            }
            return false
        }
    }

    /// A message for the template. Roles of the known set count as template text, so that `'<|' + role + '|>'` still
    /// produces a special token; everything else is data.
    private func templateFields(of message: ChatMessage, _ form: ContentForm) -> JinjaDictionary {
        var result = JinjaDictionary()
        let isReply = message.role == "assistant"
        func text(_ string: String) -> JinjaText {
            isReply ? ReplyMarkers.text(ofReply: string) : JinjaText(string, isData: true)
        }
        let reasoning = ChatMessage.reasoningFields.lazy.compactMap { message[$0] }.first { !$0.isNull }
        func reasoningValue(_ json: JSON) -> JinjaValue { json.string.map { .string(text($0)) } ?? JinjaValue(json) }
        if let reasoning { result.set("thinking", reasoningValue(reasoning)) }
        let calls = message["tool_calls"]?.array?.isEmpty == false
        for (key, value) in message.fields {
            switch key {
            case "role":
                let isKnown = value.string.map(Self.roles.contains) ?? false
                result.set("role", JinjaValue(value, isData: !isKnown))
            case "content":
                // Missing content is printed as an empty string, unless the template tests for it.
                let isMissing = value.isNull || (calls && value.string == "")
                let none: JinjaValue = use.testsForNone ? .none : .string(.empty)
                result.set("content", isMissing ? none : form.value(of: value, text: text))
            case "tool_calls": result.set("tool_calls", CallArguments.value(ofCalls: value))
            default: result.set(Self.key(key), JinjaValue(value))
            }
        }
        if let reasoning { result.set("reasoning_content", reasoningValue(reasoning)) }
        return result
    }

    static let roles: Set<String> = [
        "system", "developer", "user", "assistant", "tool", "function", "model", "ipython", "tool_response",
        "environment", "documents", "context",
    ]

    private static func key(_ name: String) -> JinjaText { JinjaText(name, isData: true) }
}
