import MartletChat
import MartletJSON
import MartletTokenizers

/// Replies of several turns: where one calls tools, they are asked, and the model goes on with what they say, until it calls
/// none or has no turn left.
///
/// The tokens are those that were drawn, with what the chat template writes of the results behind them; nothing is rendered or
/// encoded anew, so training sees what was seen at drawing, token by token. What tools say is read and not learnt
/// (`Rollout.isDrawn`).
public struct ToolDialogues {
    public let tools: [RolloutTool]
    /// Turns that may call tools.
    public let turns: Int
    let encoder: ChatEncoder
    private let syntax: ToolSyntax?
    private let reasoning: ReasoningSyntax?
    private let isTaught: Bool

    /// - Throws: `ToolError` where two tools have one name.
    public init(_ tools: [RolloutTool], turns: Int, encoder: ChatEncoder) throws(ToolError) {
        var names: Set<String> = []
        for tool in tools where !names.insert(tool.name).inserted {
            throw ToolError(.unknown, "two tools are called \(tool.name)")
        }
        self.tools = tools
        self.turns = turns
        self.encoder = encoder
        let source = encoder.template.source
        isTaught = ToolTeaching.isNeeded(template: source)
        // What a template without tools is taught as text is written so.
        syntax = isTaught ? .hermes : ToolSyntax(template: source)
        reasoning = ReasoningSyntax(template: source)
    }

    private func render(_ messages: [ChatMessage], opening: Bool) throws -> RenderedPrompt {
        let all = tools.map(\.json)
        return isTaught
            ? try encoder.render(ToolTeaching.taught(messages, tools: all), nil, opening: opening)
            : try encoder.render(messages, all, opening: opening)
    }

    /// The prompt of the first turn.
    public func prompt(_ messages: [ChatMessage]) throws -> [Int32] {
        try encoder.tokens(render(messages, opening: true).segments)
    }

    /// A dialogue under way.
    private struct Dialogue {
        var messages: [ChatMessage]
        let prompt: [Int32]
        var reply: [Int32] = []
        var isDrawn: [Bool] = []
        var logProbabilities: [Float] = []
        var lastTurn = 0
        var isFinished = false
        var isOver = false
        var calls = 0, errors = 0
        var isCut = false

        var rollout: Rollout {
            Rollout(
                prompt: prompt, reply: reply, logProbabilities: logProbabilities, isFinished: isFinished,
                isDrawn: calls > 0 ? isDrawn : nil, lastTurn: lastTurn)
        }
    }

    /// `copies` replies to each conversation, in order, and what they did with the tools ("tools/calls", "tools/errors", means
    /// over replies; "tools/cut", the share whose context was full).
    /// - Throws: `ToolError` naming the call that failed; `TrainingError` naming a prompt that leaves no room in the context.
    public func replies(
        _ engine: RolloutEngine, to conversations: [[ChatMessage]], copies: Int, seed: UInt64
    ) throws -> (rollouts: [Rollout], metrics: [Metric]) {
        let prompts = try conversations.map(prompt), limit = engine.decoder.configuration.contextLength
        if let index = prompts.firstIndex(where: { $0.count >= limit }) {
            throw TrainingError(
                .data,
                "the prompt takes \(prompts[index].count) tokens with the tools' descriptions, and the model's context is "
                    + "\(limit): give fewer or shorter tools, or a model with a longer context: "
                    + ChatEncoder.shown(conversations[index]))
        }
        var dialogues = try engine.replies(to: prompts, copies: copies, seed: seed).enumerated().map { index, first in
            var dialogue = Dialogue(messages: conversations[index / copies], prompt: first.prompt)
            try take(first, into: &dialogue)
            return dialogue
        }
        for turn in 1..<(turns + 1) {
            var places: [Int] = [], texts: [[Int32]] = []
            for index in dialogues.indices where !dialogues[index].isOver {
                let whole = dialogues[index].prompt + dialogues[index].reply
                guard whole.count < limit else {
                    dialogues[index].isOver = true
                    dialogues[index].isCut = true
                    continue
                }
                places.append(index)
                texts.append(whole)
            }
            guard !places.isEmpty else { break }
            let next = try engine.replies(
                to: texts, copies: 1, seed: seed &+ UInt64(turn) &* 0xD1B5_4A32_D192_ED03)
            for (place, reply) in zip(places, next) {
                // After the last turn a call is not answered any more.
                try take(reply, into: &dialogues[place], mayCall: turn < turns)
            }
        }
        let count = Double(max(1, dialogues.count))
        func mean(_ value: (Dialogue) -> Int) -> Double { dialogues.reduce(0) { $0 + Double(value($1)) } / count }
        return (
            dialogues.map(\.rollout),
            [
                Metric("tools/calls", mean(\.calls)), Metric("tools/errors", mean(\.errors)),
                Metric("tools/cut", mean { $0.isCut ? 1 : 0 }),
            ]
        )
    }

    /// A turn that was drawn: its calls are answered, and the results stand behind it.
    private func take(_ turn: Rollout, into dialogue: inout Dialogue, mayCall: Bool = true) throws {
        dialogue.lastTurn = dialogue.reply.count
        dialogue.reply += turn.reply
        dialogue.isDrawn += turn.reply.map { _ in true }
        dialogue.logProbabilities += turn.logProbabilities
        dialogue.isFinished = turn.isFinished
        guard turn.isFinished, mayCall, let end = turn.reply.last else {
            dialogue.isOver = true
            return
        }
        let text = try encoder.tokenizer.decode(Array(turn.reply.dropLast()), skipSpecialTokens: false)
        var message = ChatMessage(role: "assistant", content: ""), results: [ChatMessage] = []
        let calls = parsed(text, into: &message)
        guard !calls.isEmpty else {
            dialogue.isOver = true
            return
        }
        for (index, call) in calls.enumerated() {
            dialogue.calls += 1
            let answer = try answered(call)
            if answer.isError { dialogue.errors += 1 }
            var result = ChatMessage(role: "tool", content: answer.text)
            result["name"] = .string(call.name)
            result["tool_call_id"] = .string("call_\(index)")
            results.append(result)
        }
        let before = dialogue.messages + [message]
        let told = try behind(before, results, end: end)
        dialogue.messages = before + results
        dialogue.reply += told
        dialogue.isDrawn += told.map { _ in false }
        dialogue.logProbabilities += told.map { _ in 0 }
    }

    /// The calls in a turn; the message has them with its text.
    private func parsed(_ text: String, into message: inout ChatMessage) -> [ChatMessage.ToolCall] {
        guard let syntax else { return [] }
        var parser = ReplyParser(reasoning: reasoning, syntax: syntax, tools: tools.map(\.tool))
        var content = "", thought = "", names: [String] = [], arguments: [String] = []
        for delta in parser.append(text) + parser.finish() {
            switch delta {
            case .content(let text): content += text
            case .reasoning(let text): thought += text
            case .callStarted(_, let name):
                names.append(name)
                arguments.append("")
            case .callArguments(let index, let text): if arguments.indices.contains(index) { arguments[index] += text }
            }
        }
        message.content = content
        if !thought.isEmpty { message["reasoning_content"] = .string(thought) }
        let calls = zip(names, arguments).enumerated().map { index, call in
            ChatMessage.ToolCall(
                id: "call_\(index)", name: call.0,
                arguments: (try? JSON(parsing: call.1)) ?? .string(call.1))
        }
        message.toolCalls = calls
        return calls
    }

    /// What the model is told of a call: mistakes of its own are told to it, those of the program are errors.
    private func answered(_ call: ChatMessage.ToolCall) throws -> (text: String, isError: Bool) {
        guard let tool = tools.first(where: { $0.name == call.name }) else {
            return (
                "error: there is no tool \(call.name); there are \(tools.map(\.name).joined(separator: ", "))", true
            )
        }
        guard call.arguments.object != nil else { return ("error: the arguments are no JSON object", true) }
        let text = try tool.call(call.arguments)
        return (text, text.hasPrefix("error: "))
    }

    /// The tokens that the template writes behind a turn's end token: its tail, the results, and what opens the next turn.
    private func behind(_ before: [ChatMessage], _ results: [ChatMessage], end: Int32) throws -> [Int32] {
        let said = try render(before, opening: false), whole = try render(before + results, opening: true)
        let mark = encoder.tokenizer.token(end) ?? ""
        let count = said.text.ranges(of: mark).count, places = whole.text.ranges(of: mark)
        guard !mark.isEmpty, count > 0, places.count >= count else {
            throw TrainingError(
                .data,
                "the chat template writes no \(mark.isEmpty ? "end token" : mark) behind a call, so that what a tool says cannot be "
                    + "put behind what was drawn: \(ChatEncoder.shown(before))")
        }
        let cut = whole.text.utf8.distance(from: whole.text.startIndex, to: places[count - 1].upperBound)
        return try encoder.tokens(whole.segments(from: cut))
    }
}
