import MartletInference
import MartletJSON
import MartletText

/// How a model speaks of tools and of its own thinking, as its chat template tells, and how a conversation becomes its
/// prompt.
public struct ModelVoice: Sendable {
    let model: LanguageModel
    /// How the model writes calls; `.hermes`, taught in the prompt, where its template knows no tools.
    public let syntax: ToolSyntax
    /// Whether the template tells the model of the tools.
    let knowsTools: Bool
    public let reasoning: ReasoningSyntax?

    public init(_ model: LanguageModel) {
        self.model = model
        let template = model.chatTemplate?.source ?? ""
        let known = ToolSyntax(template: template)
        syntax = known ?? .hermes
        knowsTools = known != nil
        reasoning = ReasoningSyntax(template: template)
    }

    /// Whether the decoder must show special tokens for calls to be seen.
    func needsSpecialTokens(_ syntax: ToolSyntax) -> Bool { syntax.markers.contains(where: isSpecial) }

    var reasoningIsSpecial: Bool { reasoning.map { isSpecial($0.opening) || isSpecial($0.closing) } ?? false }

    private func isSpecial(_ text: String) -> Bool {
        model.tokenizer.id(of: text).map(model.tokenizer.specialTokens.contains) ?? false
    }

    struct Rendered {
        var text: String
        var tokens: [Int32]
        var opensReasoning: Bool
    }

    /// The prompt of a conversation, by the model's template.
    func prompt(_ conversation: Conversation, _ request: GenerationRequest) throws(APIError) -> Rendered {
        let rendered = try render(conversation, tools: request.tools)
        let segments = rendered.segments.map { Tokenizer.Segment($0.text, isTrusted: $0.isTrusted) }
        let tokens: [Int32]
        do throws(TokenizerError) {
            tokens = try model.tokenizer.encode(
                segments: segments, addSpecialTokens: request.addsSpecialTokens ?? false)
        } catch {
            throw .invalid("messages", "cannot be expressed in the model's vocabulary: \(error)")
        }
        let opens = reasoning.map { $0.isOpen(atEndOf: rendered.ending) } ?? false
        return Rendered(text: rendered.text, tokens: tokens, opensReasoning: opens)
    }

    private func render(_ conversation: Conversation, tools: ToolSettings) throws(APIError) -> RenderedPrompt {
        var template = model.chatTemplate
        if let source = conversation.template {
            do throws(ChatTemplateError) {
                template = try ChatTemplate(source: source, specialTokens: model.tokenizer.namedSpecialTokens)
            } catch {
                throw .invalid("chat_template", "is no template: \(error)")
            }
        }
        guard let template else {
            throw .unsupported("messages", "need a chat template, and this model has none; use /v1/completions")
        }
        var messages = conversation.messages
        // A template that does not know OpenAI's newer name for the system's words would drop them.
        if !template.source.contains("developer") {
            for index in messages.indices where messages[index].role == "developer" { messages[index].role = "system" }
        }
        let callable = tools.callable
        if !callable.isEmpty, !knowsTools { messages = Self.teach(callable, messages) }
        do throws(ChatTemplateError) {
            return try template.render(
                messages: messages, tools: callable.isEmpty || !knowsTools ? nil : callable.map(\.json),
                documents: conversation.documents, addGenerationPrompt: conversation.addsGenerationPrompt,
                continueFinalMessage: conversation.continuesFinalMessage, extra: conversation.templateVariables)
        } catch {
            throw .invalid("messages", "cannot be rendered by the model's chat template: \(error)")
        }
    }

    /// Tells a model whose template knows no tools of them, in its system message, and writes calls and their results as
    /// text.
    private static func teach(_ tools: [Tool], _ messages: [ChatMessage]) -> [ChatMessage] {
        var text = "You can call these functions, each described by one line of JSON:\n"
        for tool in tools { text += (tool.json["function"] ?? tool.json).text() + "\n" }
        text += "To call one, write only its name and arguments, like this:\n"
        text += "<tool_call>{\"name\": \"the name\", \"arguments\": {\"key\": \"value\"}}</tool_call>"
        var messages = messages.map { message in
            var message = message
            let calls = message.toolCalls
            if !calls.isEmpty {
                let written = calls.map { call in
                    let json: JSON = ["name": .string(call.name), "arguments": call.arguments]
                    return "<tool_call>\(json.text())</tool_call>"
                }
                message.content = ([message.content ?? ""].filter { !$0.isEmpty } + written).joined(separator: "\n")
                message.toolCalls = []
            }
            if message.role == "tool" {
                message = ChatMessage(role: "user", content: "<tool_response>\(message.content ?? "")</tool_response>")
            }
            return message
        }
        if messages.first?.role == "system" {
            messages[0].content = (messages[0].content ?? "") + "\n\n" + text
        } else {
            messages.insert(ChatMessage(role: "system", content: text), at: 0)
        }
        return messages
    }

    /// The grammar of calls that a request forces, and the syntax to read them by: the model's own, or JSON where its
    /// arguments are not.
    func forcedCalls(_ settings: ToolSettings) -> (ConstraintSource, ToolSyntax) {
        var form = CallForm(syntax, template: knowsTools ? model.chatTemplate?.source : nil)
        if form.grammar(settings) == nil { form = .json }
        let written = form.syntax.markers.compactMap(model.tokenizer.id).filter(model.tokenizer.specialTokens.contains)
        return (.calls(form.grammar(settings) ?? CallGrammar(), written: Set(written)), form.syntax)
    }
}
