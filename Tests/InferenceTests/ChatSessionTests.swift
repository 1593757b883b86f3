import MartletChat
import MartletInference
import MartletJSON
import Synchronization
import Testing

/// Conversations of the library.
struct ChatSessionTests {
    private func session(_ tools: [ChatTool] = [], _ maximum: Int = 12) throws -> ChatSession {
        let model = try LanguageModel.tiny { $0.contextLength = 1024 }
        return ChatSession(model, system: "s", tools: tools, options: .greedy(maximum))
    }

    @Test func itRemembers() async throws {
        let session = try session()
        let first = try await session.reply(to: "the end?")
        #expect(session.messages.map(\.role) == ["system", "user", "assistant"])
        #expect(session.messages.last?.content == first.content)
        // The second question is asked with what was said.
        let second = try await session.reply(to: "and?")
        let model = try LanguageModel.tiny()
        let whole = Array(session.messages.dropLast())
        #expect(try await Said(model.chat(whole, .greedy(12))).text == second.content)
        session.clear()
        #expect(session.messages.map(\.role) == ["system"])
    }

    @Test func aSchemaHolds() async throws {
        let schema: JSON = [
            "type": "object", "properties": ["ok": ["type": "boolean"]], "required": ["ok"],
            "additionalProperties": false,
        ]
        let reply = try await session([], 60).reply(to: "the end?", schema: schema)
        #expect(try reply.json()["ok"]?.bool != nil)
        let model = try LanguageModel.tiny()
        let tool = Tool(name: "f", description: "d", parameters: ["type": "object"])
        await #expect(throws: OptionError.self) {
            for try await _ in model.chat([ChatMessage(role: "user", content: "x")], tools: [tool], schema: schema) {}
        }
    }

    @Test func oneQuestionAfterTheOther() async throws {
        let model = try LanguageModel.tiny { $0.contextLength = 1_000_000 }
        var options = GenerationOptions.greedy(900_000)
        options.ignoresEndOfSequence = true
        let session = ChatSession(model, options: options)
        for try await _ in session.stream("the end?") {
            await #expect(throws: OptionError.self) { _ = try await session.reply(to: "and?") }
            break
        }
        // What was left is not remembered.
        #expect(session.messages.isEmpty)
    }

    /// An empty reply would look like what the model said.
    @Test func aCancelledReplyIsAnErrorAndNotRemembered() async throws {
        let model = try LanguageModel.tiny { $0.contextLength = 1_000_000 }
        var options = GenerationOptions.greedy(900_000)
        options.ignoresEndOfSequence = true
        let session = ChatSession(model, options: options)
        for wait in [0, 1, 30] {
            let task = Task { try await session.reply(to: "the end?") }
            try await Task.sleep(for: .milliseconds(wait))
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(session.messages.isEmpty)
        }
    }

    /// Whoever leaves a reply asks again at once, whatever its function still does.
    @Test func aReplyThatWasLeftIsNotWaitedFor() async throws {
        let (started, isRunning) = AsyncStream<Void>.makeStream()
        let (released, release) = AsyncStream<Void>.makeStream()
        let counted = Mutex(0)
        let slow = ChatTool(name: "wait", description: "d", parameters: Self.waiting.parameters) { _ in
            let first = counted.withLock { count in
                count += 1
                return count == 1
            }
            guard first else { return "done" }
            isRunning.yield()
            // Not of the cancelled task: it heeds no cancellation.
            await Task.detached { for await _ in released { break } }.value
            return "late"
        }
        let session = try session([slow], 100)
        let task = Task { try await session.reply(to: "the end?", choice: .named("wait")) }
        for await _ in started { break }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        let reply = try await session.reply(to: "and?", choice: ToolChoice.none)
        release.yield()
        #expect(session.messages.map(\.role) == ["system", "user", "assistant"])
        #expect(session.messages.last?.content == reply.content)
    }

    @Test func whatIsClearedMeanwhileStaysCleared() async throws {
        let session = try session()
        for try await event in session.stream("the end?") { if case .text = event { session.clear() } }
        #expect(session.messages.map(\.role) == ["system"])
        _ = try await session.reply(to: "and?")
        #expect(session.messages.map(\.role) == ["system", "user", "assistant"])
    }

    /// What a reply holds becomes text, thinking and calls.
    @Test func aReplyIsTakenApart() throws {
        let tool = Tool(name: "weather", description: "d", parameters: ["type": "object"])
        var reader = ChatReplyReader(ReplyParser(reasoning: nil, syntax: .hermes, tools: [tool]))
        var events = try reader.append(
            GeneratedToken(
                token: 1, text: "Look: <tool_call>{\"name\": \"weather\", \"arguments\": {\"city\": \"Ulm\"}}</tool"))
        events += try reader.append(GeneratedToken(token: nil, text: "_call>", finishReason: .stop))
        guard case .done(let reply)? = events.last else {
            Issue.record("no end")
            return
        }
        #expect(reply.content.hasPrefix("Look:") && reply.calls.map(\.name) == ["weather"])
        #expect(reply.calls.first?.arguments["city"]?.string == "Ulm")
        #expect(reply.message.toolCalls.count == 1)
    }

    private static let switching = Tool(
        name: "switch_on", description: "d",
        parameters: [
            "type": "object", "properties": ["on": ["type": "boolean"]], "required": ["on"],
            "additionalProperties": false,
        ])
    private static let waiting = Tool(
        name: "wait", description: "d",
        parameters: ["type": "object", "properties": [:], "additionalProperties": false])

    private func reply(
        _ choice: ToolChoice, allowsParallelCalls: Bool = false, _ tools: [Tool] = [switching, waiting]
    ) async throws -> ChatReply {
        // What is told of the tools takes some hundred of its tokens.
        let model = try LanguageModel.tiny { $0.contextLength = 1024 }
        let question = ChatMessage(role: "user", content: "the end?")
        var last = ChatReply()
        for try await event in model.chat(
            [question], tools: tools, choice: choice, allowsParallelCalls: allowsParallelCalls, options: .greedy(200))
        { if case .done(let reply) = event { last = reply } }
        return last
    }

    @Test func aCallThatIsDemandedIsMade() async throws {
        let any = try await reply(.required)
        #expect(any.calls.count == 1 && ["switch_on", "wait"].contains(any.calls.first?.name))
        #expect(any.content.isEmpty && any.finishReason == .stop)
        let named = try await reply(.named("switch_on"))
        #expect(named.calls.map(\.name) == ["switch_on"] && named.calls.first?.arguments["on"]?.bool != nil)
        #expect(try await reply(.allowed(["wait"], isRequired: true)).calls.map(\.name) == ["wait"])
        // Nobody who is not told of tools calls one.
        #expect(try await reply(ToolChoice.none).calls.isEmpty)
    }

    @Test func aChoiceThatCannotBeFollowedIsAnError() async throws {
        await #expect { try await reply(.named("walk")) } throws: {
            "\($0)".contains("walk") && "\($0)".contains("switch_on, wait")
        }
        await #expect { try await reply(.required, []) } throws: { "\($0)".contains("auto or none") }
    }

    /// The demand is for the first reply: with the result the model is free to answer.
    @Test func aSessionRunsWhatItDemands() async throws {
        let counted = Mutex(0)
        let tool = ChatTool(name: "wait", description: "d", parameters: Self.waiting.parameters) { _ in
            counted.withLock { $0 += 1 }
            return "done"
        }
        let session = try session([tool], 100)
        let reply = try await session.reply(to: "the end?", choice: .named("wait"))
        #expect(counted.withLock { $0 } == 1 && reply.calls.isEmpty)
        #expect(session.messages.map(\.role) == ["system", "user", "assistant", "tool", "assistant"])
        #expect(session.messages[3].content == "done")
    }
}
