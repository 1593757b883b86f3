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
/// Only one reply is generated at a time; a second question meanwhile is an error. A reply whose loop was left, or whose
/// task was cancelled, is over at once: the next question may follow. The conversation stays in the model's cache, so it
/// is not computed again.
public final class ChatSession: Sendable {
    public let model: LanguageModel
    public let tools: [ChatTool]
    /// The options of every reply.
    public let options: GenerationOptions
    /// The maximum number of replies to one question, if the model calls functions.
    public let maximumRounds: Int
    private struct State {
        var messages: [ChatMessage]
        /// The number of the question that is being answered.
        var current: Int?
        var asked = 0
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

    /// Forgets everything but the system message. A reply that is under way will not be remembered either.
    public func clear() {
        state.withLock { state in
            state.messages = state.messages.prefix(1).filter { $0.role == "system" }
            state.current = nil
        }
    }

    /// Sends a message and waits for the whole reply.
    /// - Parameters:
    ///   - schema: a JSON Schema that the reply must follow.
    ///   - choice: whether functions may or must be called, as in `stream`.
    /// - Throws: `CancellationError` when the task is cancelled, and what `stream` throws.
    public func reply(
        to text: String, schema: JSON? = nil, choice: ToolChoice = .auto
    ) async throws -> ChatReply {
        var last = ChatReply()
        for try await event in stream(text, schema: schema, choice: choice) {
            if case .done(let reply) = event { last = reply }
        }
        // A stream ends without an error where the task that reads it is cancelled.
        try Task.checkCancellation()
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
        let number: Int, before: [ChatMessage]
        do { (number, before) = try begin() } catch {
            continuation.finish(throwing: error)
            return stream
        }
        let task = Task {
            do {
                let question = ChatMessage(role: "user", content: text)
                try await answer(number, before + [question], schema, choice) { continuation.yield($0) }
                continuation.finish()
            } catch {
                end(number)
                continuation.finish(throwing: error)
            }
        }
        continuation.onTermination = { _ in
            task.cancel()
            // A function that heeds no cancellation may still run: whoever has left need not wait for it.
            self.end(number)
        }
        return stream
    }

    /// Takes the session for a question.
    private func begin() throws(OptionError) -> (number: Int, messages: [ChatMessage]) {
        try state.withLock { state throws(OptionError) in
            guard state.current == nil else {
                throw OptionError(
                    option: "session", value: "answering already", expected: "one question after the other")
            }
            state.asked += 1
            state.current = state.asked
            return (state.asked, state.messages)
        }
    }

    /// The session is free for another question, if it was answering this one.
    private func end(_ number: Int) {
        state.withLock { state in
            if state.current == number { state.current = nil }
        }
    }

    private func answer(
        _ number: Int, _ messages: [ChatMessage], _ schema: JSON?, _ choice: ToolChoice, _ emit: (ChatEvent) -> Void
    ) async throws {
        var conversation = messages
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
                state.withLock { state in
                    // Not where it was left or cleared meanwhile.
                    guard state.current == number else { return }
                    (state.messages, state.current) = (said, nil)
                }
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
