import MartletChat
import MartletGrammar
import MartletJSON
import MartletSystem
import MartletTokenizers

extension Tool {
    /// A function that a model may call.
    /// - Parameter parameters: JSON Schema of its arguments, an object.
    public init(name: String, description: String, parameters: JSON) {
        let function: JSON = [
            "name": .string(name), "description": .string(description), "parameters": parameters,
        ]
        self.init(
            name: name, description: description, parameters: parameters,
            json: ["type": "function", "function": function])
    }
}

extension LanguageModel {
    /// Replies to a conversation with functions the model may call, or with JSON that a schema describes.
    ///
    /// Thinking, text and calls are separated. With a schema, or with a `choice` that demands a call, the reply can only
    /// be what the schema or the functions' parameters allow, unless `maximumTokens` cuts it off.
    ///
    /// ```swift
    /// let schema: JSON = ["type": "object", "properties": ["city": ["type": "string"]], "required": ["city"]]
    /// for try await event in model.chat([.init(role: "user", content: "Where is the Louvre?")], schema: schema) {
    ///     if case .done(let reply) = event { print(try reply.json()["city"]?.string ?? "?") }
    /// }
    /// for try await event in model.chat(messages, tools: [add], choice: .required) {
    ///     if case .call(let call) = event { print(call.name, call.arguments.text()) }
    /// }
    /// ```
    /// - Parameters:
    ///   - choice: whether functions may (`.auto`) or must (`.required`, `.named("add")`) be called.
    ///   - allowsParallelCalls: whether a reply that must call may call several times.
    /// - Throws: through the stream, `OptionError` where tools and a schema are both given or `choice` names no tool,
    ///   `GrammarError` for a schema that cannot be enforced, and what `generate` throws.
    public func chat(
        _ messages: [ChatMessage], tools: [Tool] = [], choice: ToolChoice = .auto, allowsParallelCalls: Bool = true,
        schema: JSON?, options: GenerationOptions? = nil
    ) -> AsyncThrowingStream<ChatEvent, any Error> {
        let (stream, continuation) = AsyncThrowingStream<ChatEvent, any Error>.makeStream()
        let settings = ToolSettings(tools, choice: choice, allowsParallelCalls: allowsParallelCalls)
        let task = Task {
            do {
                try await answer(messages, settings, schema, options ?? defaultOptions) { continuation.yield($0) }
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
        }
        continuation.onTermination = { _ in task.cancel() }
        return stream
    }

    /// The same with functions alone.
    public func chat(
        _ messages: [ChatMessage], tools: [Tool], choice: ToolChoice = .auto, allowsParallelCalls: Bool = true,
        options: GenerationOptions? = nil
    ) -> AsyncThrowingStream<ChatEvent, any Error> {
        chat(
            messages, tools: tools, choice: choice, allowsParallelCalls: allowsParallelCalls, schema: nil,
            options: options)
    }

    private func answer(
        _ messages: [ChatMessage], _ settings: ToolSettings, _ schema: JSON?, _ given: GenerationOptions,
        _ emit: (ChatEvent) -> Void
    ) async throws {
        try check(settings, schema)
        let tools = settings.callable
        let (tokens, rendered) = try rendered(messages, tools: tools.map(\.json), adapter: given.adapter)
        let source = chatTemplate(with: given.adapter)?.source ?? ""
        let reasoning = ReasoningSyntax(template: source)
        let opensReasoning = reasoning?.isOpen(atEndOf: rendered.ending) ?? false
        var syntax: ToolSyntax? = tools.isEmpty ? nil : ToolSyntax(template: source) ?? .hermes
        var options = given
        var constraint: CompiledGrammar?
        if let schema { constraint = try grammars().compile(.jsonSchema(schema)) }
        if settings.choice.forcesCalls {
            let forced = forcedCalls(settings, adapter: given.adapter)
            syntax = forced.syntax
            constraint = try grammars(written: forced.written).compile(.calls(forced.grammar))
        }
        if let constraint, opensReasoning, let reasoning {
            options.constraint = ThinkingFirst(constraint, model: self, closing: reasoning.closing)
        } else if let constraint {
            options.constraint = constraint
        }
        // Markers that are special tokens must be part of the text to be parsed.
        let markers = (syntax?.markers ?? []) + (reasoning.map { [$0.opening, $0.closing] } ?? [])
        if markers.contains(where: { tokenizer.id(of: $0).map(tokenizer.specialTokens.contains) ?? false }) {
            options.skipsSpecialTokens = false
        }
        var reader = ChatReplyReader(
            ReplyParser(reasoning: reasoning, startsInReasoning: opensReasoning, syntax: syntax, tools: tools))
        for try await piece in generate(options, prompt: { tokens }) {
            for event in try reader.append(piece) { emit(event) }
        }
    }

    private func check(_ settings: ToolSettings, _ schema: JSON?) throws(OptionError) {
        switch settings.problem {
        case nil: break
        case .noTools?:
            throw OptionError(
                option: "choice", value: "to call a tool", expected: "auto or none where no tool is given")
        case .unknown(let name)?:
            throw OptionError(
                option: "choice", value: "the tool \(name.quoted())",
                expected: "one of " + settings.tools.map(\.name).joined(separator: ", "))
        }
        guard settings.callable.isEmpty || schema == nil else {
            throw OptionError(
                option: "schema", value: "given with tools",
                expected: "one of them: a reply that must be JSON of a schema can be no call")
        }
    }
}
