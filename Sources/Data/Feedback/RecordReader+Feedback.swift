import MartletChat
import MartletFormats
import MartletJSON

/// Reads records as feedback: `chosen` and `rejected`, a reply with a label, or steps with labels.
extension RecordReader {
    /// The feedback in a record; nil if it has none or is left out (`omission` says why).
    mutating func feedback(_ record: JSONObject, _ shape: RecordShape?) throws(DataError) -> Feedback? {
        if let prompt = RecordShape.stepPrompt({ record[$0].map { !$0.isNull } ?? false }) {
            return try steps(record, prompt).map { .steps($0) }
        }
        guard let shape else { return nil }
        if shape.kind == .preference { return try pair(record, shape).map { .pair($0) } }
        guard let field = shape.label, shape.kind == .task || shape.kind == .messages else { return nil }
        guard let isDesirable = Self.judgement(record[field]) else {
            if record[field]?.isNull ?? true { return nil }
            throw fail(field, "is \(record[field]?.kind ?? "missing"), expected true or false")
        }
        return try judged(record, shape, isDesirable).map { .judged($0) }
    }

    /// True and false, as JSON, Python or numbers write them.
    private static func judgement(_ json: JSON?) -> Bool? {
        switch json {
        case .bool(let value)?: value
        case .integer(let number)?: number == 1 ? true : number == 0 || number == -1 ? false : nil
        case .string(let text)?:
            switch text.lowercased() {
            case "true", "1", "good", "desirable": true
            case "false", "0", "bad", "undesirable": false
            default: nil
            }
        default: nil
        }
    }

    // MARK: pairs

    private mutating func pair(_ record: JSONObject, _ shape: RecordShape) throws(DataError) -> PreferencePair? {
        let names = (chosen: shape.answer ?? "chosen", rejected: shape.rejected ?? "rejected")
        guard !isBlank(record[names.chosen]), !isBlank(record[names.rejected]) else { return leaveOut(.emptyReply) }
        var pair: PreferencePair
        if shape.main == nil, case .string(let chosen)? = record[names.chosen],
            case .string(let rejected)? = record[names.rejected],
            Dialogue(chosen) == nil, try messageList(chosen, names.chosen) == nil
        {
            pair = Self.continued(chosen, rejected)
        } else {
            var chosen = try side(record, names.chosen), rejected = try side(record, names.rejected)
            var prompt: [ChatMessage]
            if chosen.first?.role != "assistant" || rejected.first?.role != "assistant" {
                // Each side is a whole conversation; the prompt is their common beginning.
                guard chosen.first?.role != "assistant", rejected.first?.role != "assistant" else {
                    throw fail(
                        names.rejected, "must be like \(names.chosen): both replies, or both conversations")
                }
                let shared = zip(chosen, rejected).prefix { $0 == $1 }.count
                // If both sides are equal, keep the last reply of each as the compared reply.
                let cut = min(shared, chosen.count - 1, rejected.count - 1)
                prompt = Array(chosen[..<cut])
                (chosen, rejected) = (Array(chosen[cut...]), Array(rejected[cut...]))
            } else {
                prompt = try history(record, shape) + self.prompt(record, shape)
            }
            for index in prompt.indices where prompt[index].role == "assistant" { prompt[index]["weight"] = nil }
            guard !prompt.isEmpty else {
                throw fail(shape.main ?? names.chosen, "there is no prompt that the replies answer")
            }
            pair = PreferencePair(
                prompt: try withSystem(prompt, record, shape), chosen: chosen, rejected: rejected)
            pair.tools = try tools(record, shape)
        }
        guard Self.says(pair.chosen), Self.says(pair.rejected) else { return leaveOut(.emptyReply) }
        guard pair.chosen != pair.rejected else { return leaveOut(.equalPair) }
        if let field = shape.margin, let value = record[field], !value.isNull {
            guard let margin = value.double, margin.isFinite else {
                throw fail(field, "is \(value.kind), expected a number")
            }
            pair.margin = margin
        }
        return pair
    }

    /// A side of a pair as messages: a text is a reply of the assistant; a dialogue in the format of the HH data sets
    /// has several turns.
    private func side(_ record: JSONObject, _ field: String) throws(DataError) -> [ChatMessage] {
        if case .string(let text)? = record[field], let dialogue = Dialogue(text) { return dialogue.messages }
        return try turns(record[field], field, role: "assistant")
    }

    /// Two texts with a common beginning: the prompt is the common part up to its last space.
    private static func continued(_ chosen: String, _ rejected: String) -> PreferencePair {
        let shared = zip(chosen, rejected).prefix { $0 == $1 }.map { $0.0 }
        // The reply begins with the space, as tokens do.
        let end = shared.lastIndex { $0.isWhitespace } ?? 0
        let cut = shared.count < max(chosen.count, rejected.count) ? end : 0
        func message(_ role: String, _ text: some StringProtocol) -> ChatMessage {
            ChatMessage(role: role, content: String(text))
        }
        var pair = PreferencePair(
            prompt: [message("user", chosen.prefix(cut))], chosen: [message("assistant", chosen.dropFirst(cut))],
            rejected: [message("assistant", rejected.dropFirst(cut))])
        pair.isText = true
        return pair
    }

    private func isBlank(_ json: JSON?) -> Bool {
        switch json {
        case nil, .null?, .string("")?: true
        case .array(let entries)?: entries.isEmpty
        default: false
        }
    }

    static func says(_ messages: [ChatMessage]) -> Bool {
        messages.contains { message in
            message.role == "assistant"
                && (message.content?.contains { !$0.isWhitespace } ?? false
                    || !message.toolCalls.isEmpty)
        }
    }

    // MARK: replies by themselves

    private mutating func judged(
        _ record: JSONObject, _ shape: RecordShape, _ isDesirable: Bool
    ) throws(DataError) -> JudgedReply? {
        var messages: [ChatMessage]
        if shape.kind == .messages {
            let field = shape.main ?? "messages"
            guard let entries = list(record[field]) else {
                throw fail(field, "is \(record[field]?.kind ?? "missing"), expected a list of messages")
            }
            messages = try MessageReader(self, field).messages(entries)
        } else {
            let answer = shape.answer ?? "completion"
            guard !isBlank(record[answer]) else { return leaveOut(.emptyReply) }
            messages =
                try history(record, shape) + prompt(record, shape) + turns(record[answer], answer, role: "assistant")
        }
        for index in messages.indices { messages[index]["weight"] = nil }
        guard let last = messages.last, last.role == "assistant", messages.count > 1 else {
            throw fail(shape.main, "does not end with a reply of the assistant to another message")
        }
        guard Self.says([last]) else { return leaveOut(.emptyReply) }
        var judged = JudgedReply(
            prompt: try withSystem(Array(messages.dropLast()), record, shape), reply: [last], isDesirable: isDesirable)
        judged.tools = try tools(record, shape)
        return judged
    }

    // MARK: steps

    private mutating func steps(_ record: JSONObject, _ field: String) throws(DataError) -> JudgedSteps? {
        guard let entries = list(record["completions"]) else {
            throw fail("completions", "is \(record["completions"]?.kind ?? "missing"), expected a list of steps")
        }
        guard let labels = list(record["labels"]) else {
            throw fail("labels", "is \(record["labels"]?.kind ?? "missing"), expected a list")
        }
        guard entries.count == labels.count else {
            throw fail("labels", "has \(labels.count) entries for \(entries.count) steps")
        }
        var steps: [String] = [], areRight: [Bool] = []
        for (index, entry) in entries.enumerated() {
            guard let step = entry.string else { throw fail("completions", "entry \(index + 1) is \(entry.kind)") }
            guard let label = Self.judgement(labels[index]) else {
                throw fail("labels", "entry \(index + 1) is \(labels[index].kind), expected true or false")
            }
            steps.append(step)
            areRight.append(label)
        }
        guard !steps.isEmpty, steps.allSatisfy({ $0.contains { !$0.isWhitespace } }) else {
            return leaveOut(.emptyReply)
        }
        let asked = RecordShape(prompt: field, map: ColumnMap()) { record[$0].map { !$0.isNull } ?? false }
        let messages = try turns(record[field], field, role: "user")
        guard !messages.isEmpty else { throw fail(field, "is empty") }
        return JudgedSteps(prompt: try withSystem(messages, record, asked), steps: steps, areRight: areRight)
    }
}

/// A dialogue in one text, in the format of Anthropic's HH data sets: "\n\nHuman: …\n\nAssistant: …".
struct Dialogue {
    let messages: [ChatMessage]

    private static let speakers = [("Human:", "user"), ("Assistant:", "assistant")]

    /// Nil if the text is not a dialogue: it must begin with "Human:" and contain a reply.
    init?(_ text: String) {
        var messages: [ChatMessage] = [], rest = text[...]
        while let first = rest.first, first.isNewline { rest = rest.dropFirst() }
        guard rest.hasPrefix("Human:") else { return nil }
        while !rest.isEmpty {
            guard let (mark, role) = Self.speakers.first(where: { rest.hasPrefix($0.0) }) else { return nil }
            rest = rest.dropFirst(mark.count)
            let end = Self.speakers.compactMap { rest.firstRange(of: "\n\n" + $0.0)?.lowerBound }.min() ?? rest.endIndex
            var said = rest[..<end]
            while let first = said.first, first.isWhitespace { said = said.dropFirst() }
            while let last = said.last, last.isWhitespace { said = said.dropLast() }
            messages.append(ChatMessage(role: role, content: String(said)))
            rest = rest[end...]
            while let first = rest.first, first.isNewline { rest = rest.dropFirst() }
        }
        guard messages.contains(where: { $0.role == "assistant" }) else { return nil }
        self.messages = messages
    }
}
