import MartletChat
import MartletGrammar
import MartletInference
import MartletJSON
import MartletTokenizers

/// How a model speaks of tools and of its own thinking, as its chat template tells, and how a conversation becomes its
/// prompt.
public struct ModelVoice: Sendable {
    let model: LanguageModel
    /// What replies beside the model.
    let adapter: LoadedAdapter?
    /// How the model writes calls; `.hermes`, taught in the prompt, where its template knows no tools.
    public let syntax: ToolSyntax
    /// Whether the template tells the model of the tools.
    let knowsTools: Bool
    public let reasoning: ReasoningSyntax?

    public init(_ model: LanguageModel, adapter: LoadedAdapter? = nil) {
        (self.model, self.adapter) = (model, adapter)
        let template = model.chatTemplate(with: adapter)?.source ?? ""
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
        var template = model.chatTemplate(with: adapter)
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
        var messages = model.created?.completed(conversation.messages) ?? conversation.messages
        // A template that does not know OpenAI's newer name for the system's words would drop them.
        if !template.source.contains("developer") {
            for index in messages.indices where messages[index].role == "developer" { messages[index].role = "system" }
        }
        let callable = tools.callable
        if !knowsTools, ToolTeaching.concerns(messages, tools: callable.map(\.json)) {
            messages = ToolTeaching.taught(messages, tools: callable.map(\.json))
        }
        do throws(ChatTemplateError) {
            return try template.render(
                messages: messages, tools: callable.isEmpty || !knowsTools ? nil : callable.map(\.json),
                documents: conversation.documents, addGenerationPrompt: conversation.addsGenerationPrompt,
                continueFinalMessage: conversation.continuesFinalMessage, extra: conversation.templateVariables)
        } catch {
            throw .invalid("messages", "cannot be rendered by the model's chat template: \(error)")
        }
    }

    /// The constraint of calls that a request forces, and the syntax to read them by.
    func forcedCalls(_ settings: ToolSettings) -> (ConstraintSource, ToolSyntax) {
        let forced = model.forcedCalls(settings, adapter: adapter)
        return (.calls(forced.grammar, written: forced.written), forced.syntax)
    }
}
