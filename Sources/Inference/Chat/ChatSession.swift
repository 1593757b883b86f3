import MartletChat
import MartletJSON
import Synchronization

/// A function of the program that a model may call.
public struct ChatTool: Sendable {
    public var tool: Tool
    /// Receives the arguments and returns the result for the model. A thrown error is reported to the model as well.
    public var run: @Sendable (JSON) async throws -> String

    public init(
        name: String, description: String, parameters: JSON, run: @escaping @Sendable (JSON) async throws -> String
    ) {
        tool = Tool(name: name, description: description, parameters: parameters)
        self.run = run
    }
}

/// A conversation: it remembers what was said, streams replies, and runs the functions that the model calls.
///
/// ```swift
/// let session = ChatSession(try await Model.load("smollm2"), system: "Answer in one sentence.")
/// print(try await session.reply(to: "What is the capital of France?").content)
/// for try await event in session.stream("And of Italy?") { if case .text(let text) = event { print(text) } }
/// ```
///
/// Only one reply is generated at a time; a second question meanwhile is an error. The conversation stays in the
/// model's cache, so it is not computed again.
public final class ChatSession: Sendable {
    public let model: LanguageModel
    public let tools: [ChatTool]
    /// The options of every reply.
    public let options: GenerationOptions
    /// The maximum number of replies to one question, if the model calls functions.
    public let maximumRounds: Int
    private struct State {
        var messages: [ChatMessage]
        var isBusy = false
    }
    private let state: Mutex<State>

    /// - Parameters:
    ///   - options: by default the model's own; looping replies are ended (`RepetitionDetection.chat`).
    ///   - messages: the messages before.
    public init(
        _ model: LanguageModel, system: String? = nil, tools: [ChatTool] = [], options: GenerationOptions? = nil,
        messages: [ChatMessage] = [], maximumRounds: Int = 8
    ) {
        self.model = model
        self.tools = tools
        self.maximumRounds = max(maximumRounds, 1)
        var own = model.defaultOptions
        own.repetitionDetection = .chat
        self.options = options ?? own
        let first = system.map { [ChatMessage(role: "system", content: $0)] } ?? []
        state = Mutex(State(messages: first + messages))
    }

    /// The messages so far, the system message first.
    public var messages: [ChatMessage] { state.withLock { $0.messages } }

    /// Forgets everything but the system message.
    public func clear() {
        state.withLock { state in state.messages = state.messages.prefix(1).filter { $0.role == "system" } }
    }

    /// Sends a message and waits for the whole reply.
    /// - Parameters:
    ///   - schema: a JSON Schema that the reply must follow.
    ///   - choice: whether functions may or must be called, as in `stream`.
    public func reply(
        to text: String, schema: JSON? = nil, choice: ToolChoice = .auto
    ) async throws -> ChatReply {
        var last = ChatReply()
        for try await event in stream(text, schema: schema, choice: choice) {
            if case .done(let reply) = event { last = reply }
        }
        return last
    }

    /// Sends a message and streams the reply. If the model calls functions, they are run and it continues; `done` comes
    /// once, with the last reply. A failed or cancelled reply is not remembered.
    ///
    /// ```swift
    /// for try await event in session.stream("What is 17 + 25?", choice: .named("add")) { print(event) }
    /// ```
    /// - Parameter choice: whether functions may (`.auto`), must (`.required`, `.named("add")`) or must not (`.none`) be
    ///   called. A demand holds until the first call: what follows its result is the model's decision.
    public func stream(
        _ text: String, schema: JSON? = nil, choice: ToolChoice = .auto
    ) -> AsyncThrowingStream<ChatEvent, any Error> {
        let (stream, continuation) = AsyncThrowingStream<ChatEvent, any Error>.makeStream()
        let task = Task {
            do {
                try await answer(text, schema, choice) { continuation.yield($0) }
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
        }
        continuation.onTermination = { _ in task.cancel() }
        return stream
    }

    private func answer(
        _ text: String, _ schema: JSON?, _ choice: ToolChoice, _ emit: (ChatEvent) -> Void
    ) async throws {
        var conversation = try state.withLock { state throws(OptionError) in
            guard !state.isBusy else {
                throw OptionError(
                    option: "session", value: "answering already", expected: "one question after the other")
            }
            state.isBusy = true
            return state.messages
        }
        defer { state.withLock { $0.isBusy = false } }
        conversation.append(ChatMessage(role: "user", content: text))
        for round in 1...maximumRounds {
            var reply = ChatReply()
            let stream = model.chat(
                conversation, tools: tools.map(\.tool), choice: round == 1 ? choice : choice.afterCall, schema: schema,
                options: options)
            for try await event in stream {
                if case .done(let last) = event { reply = last } else { emit(event) }
            }
            try Task.checkCancellation()
            conversation.append(reply.message)
            guard !reply.calls.isEmpty, round < maximumRounds else {
                let said = conversation
                state.withLock { $0.messages = said }
                return emit(.done(reply))
            }
            for call in reply.calls { conversation.append(await result(of: call)) }
        }
    }

    private func result(of call: ChatMessage.ToolCall) async -> ChatMessage {
        var said: String
        if let tool = tools.first(where: { $0.tool.name == call.name }) {
            do { said = try await tool.run(call.arguments) } catch { said = "error: \(error)" }
        } else {
            said = "error: there is no function \(call.name)"
        }
        var message = ChatMessage(role: "tool", content: said)
        message.name = call.name
        message.toolCallID = call.id
        return message
    }
}
