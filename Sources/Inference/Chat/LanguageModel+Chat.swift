import MartletChat
import MartletGrammar
import MartletJSON
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
    /// Thinking, text and calls are separated. With a schema, the reply can only be JSON that the schema allows, unless
    /// `maximumTokens` cuts it off.
    ///
    /// ```swift
    /// let schema: JSON = ["type": "object", "properties": ["city": ["type": "string"]], "required": ["city"]]
    /// for try await event in model.chat([.init(role: "user", content: "Where is the Louvre?")], schema: schema) {
    ///     if case .done(let reply) = event { print(try reply.json()["city"]?.string ?? "?") }
    /// }
    /// ```
    /// - Throws: through the stream, `OptionError` where tools and a schema are both given, `GrammarError` for a schema
    ///   that cannot be enforced, and what `generate` throws.
    public func chat(
        _ messages: [ChatMessage], tools: [Tool] = [], schema: JSON?, options: GenerationOptions? = nil
    ) -> AsyncThrowingStream<ChatEvent, any Error> {
        let (stream, continuation) = AsyncThrowingStream<ChatEvent, any Error>.makeStream()
        let task = Task {
            do {
                try await answer(messages, tools, schema, options ?? defaultOptions) { continuation.yield($0) }
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
        _ messages: [ChatMessage], tools: [Tool], options: GenerationOptions? = nil
    ) -> AsyncThrowingStream<ChatEvent, any Error> {
        chat(messages, tools: tools, schema: nil, options: options)
    }

    private func answer(
        _ messages: [ChatMessage], _ tools: [Tool], _ schema: JSON?, _ given: GenerationOptions,
        _ emit: (ChatEvent) -> Void
    ) async throws {
        guard tools.isEmpty || schema == nil else {
            throw OptionError(
                option: "schema", value: "given with tools",
                expected: "one of them: a reply that must be JSON of a schema can be no call")
        }
        let (tokens, rendered) = try rendered(messages, tools: tools.map(\.json))
        let source = chatTemplate?.source ?? ""
        let reasoning = ReasoningSyntax(template: source)
        let opensReasoning = reasoning?.isOpen(atEndOf: rendered.ending) ?? false
        let syntax: ToolSyntax? = tools.isEmpty ? nil : ToolSyntax(template: source) ?? .hermes
        var options = given
        if let schema {
            let grammar = try grammars.compile(.jsonSchema(schema))
            options.constraint =
                if opensReasoning, let reasoning {
                    ThinkingFirst(grammar, model: self, closing: reasoning.closing)
                } else {
                    grammar
                }
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
}
