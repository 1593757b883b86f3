import MartletChat
import MartletFormats
import MartletJSON

/// Reads one record by its shape, and collects notes about it.
struct RecordReader {
    let path: String
    let place: String
    var tags = MessageTags()
    /// Of conversations that have none of their own.
    var system: String?
    /// Why the record is left out, if it gives no document.
    private(set) var omission: CorpusTally.Kind?
    private(set) var notes: [CorpusTally.Kind] = []

    init(path: String, place: String, tags: MessageTags = MessageTags()) {
        self.path = path
        self.place = place
        self.tags = tags
    }

    /// Leaves the record out, for a reason that is counted.
    mutating func leaveOut<Result>(_ kind: CorpusTally.Kind) -> Result? {
        omission = kind
        return nil
    }

    func fail(_ field: String?, _ reason: String) -> DataError {
        DataError(.malformed, path: path, place: place, field: field, reason)
    }

    mutating func content(_ record: JSONObject, _ shape: RecordShape) throws(DataError) -> Document.Content? {
        if let label = shape.label, isFalse(record[label]) {
            omission = .unwanted
            return nil
        }
        let main = shape.main ?? ""
        switch shape.kind {
        case .free:
            switch record[main] {
            case nil, .null?, .string("")?: return nil
            case .string(let text)?:
                // In tables, a column named for messages holds them as JSON text.
                if RecordShape.chats.contains(main), try Self.messageList(text, main, self) != nil {
                    return try chat(record, shape, main)
                }
                return .text(Array(text.utf8))
            default: return try chat(record, shape, main)
            }
        case .messages:
            if record[main]?.isNull ?? true { return nil }
            return try chat(record, shape, main)
        case .task: return try task(record, shape)
        case .preference: return try preference(record, shape)
        case .segments: return try segments(record[main], main)
        case .tokens: return try PretokenizedRecord(record, self).content
        }
    }

    /// False, as JSON or Python write it.
    private func isFalse(_ json: JSON?) -> Bool {
        switch json {
        case .bool(let value)?: !value
        case .string(let text)?: text.lowercased() == "false"
        default: false
        }
    }

    private func chat(_ record: JSONObject, _ shape: RecordShape, _ field: String) throws(DataError)
        -> Document.Content
    {
        guard let entries = list(record[field]) else {
            if let text = record[field]?.string { _ = try Self.messageList(text, field, self) }
            let expected = shape.kind == .free ? "a text or a list of messages" : "a list of messages"
            throw fail(field, "is \(record[field]?.kind ?? "missing"), expected \(expected)")
        }
        let messages = try MessageReader(self, field).messages(entries)
        guard !messages.isEmpty else { throw fail(field, "is an empty conversation") }
        return .chat(try withSystem(messages, record, shape), tools: try tools(record, shape))
    }

    /// A list, which in tables is stored as JSON text.
    func list(_ json: JSON?) -> [JSON]? {
        if let array = json?.array { return array }
        guard let text = json?.string, text.utf8.first(where: { $0 > 0x20 }) == UInt8(ascii: "[") else { return nil }
        return (try? JSON(parsing: text))?.array
    }

    /// The messages of a text that is JSON: a list of objects, each with a speaker. Nil for other texts.
    /// - Throws: `DataError` for a list as Python prints it, which tables contain when a program wrote Python lists
    ///   as text.
    private static func messageList(_ text: String, _ field: String, _ reader: Self) throws(DataError) -> [JSON]? {
        if let entries = reader.list(.string(text)) {
            let areMessages = entries.allSatisfy { $0["role"] != nil || $0["from"] != nil }
            return areMessages && !entries.isEmpty ? entries : nil
        }
        let start = text.utf8.lazy.filter { $0 > 0x20 }.prefix(12)
        guard ["[{'role':", "[{'content'", "[{'from':", "[{'value':"].contains(where: { start.starts(with: $0.utf8) })
        else { return nil }
        throw reader.fail(field, "is a list of messages as Python prints it; write it as JSON (json.dumps)")
    }

    func messageList(_ text: String, _ field: String) throws(DataError) -> [JSON]? {
        try Self.messageList(text, field, self)
    }

    func withSystem(
        _ messages: [ChatMessage], _ record: JSONObject, _ shape: RecordShape
    ) throws(DataError) -> [ChatMessage] {
        var own: String?
        if let field = shape.system { own = try text(record, field) }
        guard let system = own.flatMap({ $0.isEmpty ? nil : $0 }) ?? system, messages.first?.role != "system" else {
            return messages
        }
        return [ChatMessage(role: "system", content: system)] + messages
    }

    func tools(_ record: JSONObject, _ shape: RecordShape) throws(DataError) -> [JSON]? {
        if let field = shape.tools, let value = record[field], !value.isNull {
            if case .string(let text) = value, text.isEmpty { return nil }
            var json = value
            if case .string(let text) = value {
                guard let parsed = try? JSON(parsing: text) else { throw fail(field, "is not JSON") }
                json = parsed
            }
            guard let tools = json.array else { throw fail(field, "is \(json.kind), expected a list") }
            return tools.isEmpty ? nil : tools
        }
        // OpenAI's older name of the field.
        guard let functions = list(record["functions"]), !functions.isEmpty else { return nil }
        return functions.map { ["type": "function", "function": $0] }
    }

    /// A field as text; nil where it is missing or null. Whole numbers become their digits.
    private func text(_ record: JSONObject, _ field: String) throws(DataError) -> String? {
        switch record[field] {
        case nil, .null?: return nil
        case .string(let text)?: return text
        case .integer(let number)?: return String(number)
        case let other?: throw fail(field, "is \(other.kind), expected a text")
        }
    }

    // MARK: a prompt and its response

    private mutating func task(_ record: JSONObject, _ shape: RecordShape) throws(DataError) -> Document.Content? {
        let asked = shape.main ?? "", answered = shape.answer ?? ""
        var messages = try history(record, shape) + prompt(record, shape)
        guard !messages.isEmpty else { throw fail(asked, "is empty") }
        let answer = try turns(record[answered], answered, role: "assistant")
        guard
            answer.contains(where: { $0.role == "assistant" && ($0.content?.isEmpty == false || !$0.toolCalls.isEmpty) }
            )
        else { throw fail(answered, "is empty") }
        messages += answer
        return .chat(try withSystem(messages, record, shape), tools: try tools(record, shape))
    }

    /// The prompt: a text with its context, or messages whose replies are not trained on.
    func prompt(_ record: JSONObject, _ shape: RecordShape) throws(DataError) -> [ChatMessage] {
        guard let field = shape.main else { return [] }
        var messages = try turns(record[field], field, role: "user")
        for index in messages.indices where messages[index].role == "assistant" { messages[index]["weight"] = 0 }
        if let place = shape.context, let context = try text(record, place), !context.isEmpty {
            guard let last = messages.indices.last else {
                return [ChatMessage(role: "user", content: context)]
            }
            messages[last].content = (messages[last].content ?? "") + "\n\n" + context
        }
        return messages
    }

    /// A prompt without its reply, with all that is to be read before one is written.
    func promptAlone(_ record: JSONObject, _ shape: RecordShape) throws(DataError) -> Document.Content {
        let messages = try history(record, shape) + prompt(record, shape)
        guard !messages.isEmpty else { throw fail(shape.main, "is empty") }
        return .chat(try withSystem(messages, record, shape), tools: try tools(record, shape))
    }

    /// A text as a message with the given role, or a list of messages, also as JSON text.
    func turns(_ json: JSON?, _ field: String, role: String) throws(DataError) -> [ChatMessage] {
        switch json {
        case nil, .null?, .string("")?: return []
        case .string(let text)?:
            guard let entries = try Self.messageList(text, field, self) else {
                return [ChatMessage(role: role, content: text)]
            }
            return try MessageReader(self, field).messages(entries)
        case .integer(let number)?: return [ChatMessage(role: role, content: String(number))]
        case .array(let entries)?: return try MessageReader(self, field).messages(entries)
        case .object?: return try MessageReader(self, field).messages([json ?? .null])
        case let other?: throw fail(field, "is \(other.kind), expected a text or messages")
        }
    }

    /// Alpaca's earlier turns: pairs of instruction and response.
    func history(_ record: JSONObject, _ shape: RecordShape) throws(DataError) -> [ChatMessage] {
        guard let field = shape.history, let value = record[field], !value.isNull, value.string != "" else { return [] }
        guard let pairs = list(value) else { throw fail(field, "is \(value.kind), expected a list of pairs") }
        var messages: [ChatMessage] = []
        for (index, pair) in pairs.enumerated() {
            guard let pair = pair.array, pair.count == 2, let asked = pair[0].string, let answered = pair[1].string,
                !asked.isEmpty, !answered.isEmpty
            else { throw fail(field, "entry \(index + 1) is not a pair of a question and its answer") }
            messages.append(ChatMessage(role: "user", content: asked))
            messages.append(ChatMessage(role: "assistant", content: answered))
        }
        return messages
    }

    /// A preference pair, of which the chosen reply is trained on.
    private mutating func preference(_ record: JSONObject, _ shape: RecordShape) throws(DataError) -> Document.Content?
    {
        let chosen = shape.answer ?? "chosen"
        var messages = try prompt(record, shape)
        // If the chosen side is the whole conversation, the prompt is its beginning.
        let dialogue = record[chosen]?.string.flatMap(Dialogue.init)?.messages
        let reply = if let dialogue { dialogue } else { try turns(record[chosen], chosen, role: "assistant") }
        guard !reply.isEmpty else { throw fail(chosen, "is empty") }
        let isWhole = reply.first.map { $0.role != "assistant" } ?? false
        if isWhole {
            messages = reply
            if let last = messages.lastIndex(where: { $0.role == "assistant" }) {
                for index in messages[..<last].indices where messages[index].role == "assistant" {
                    messages[index]["weight"] = 0
                }
            }
        } else {
            guard !messages.isEmpty else {
                throw fail(shape.main ?? chosen, "there is no prompt that the chosen reply answers")
            }
            messages += reply
        }
        notes.append(.rejectedReply)
        return .chat(try withSystem(messages, record, shape), tools: try tools(record, shape))
    }

    private func segments(_ json: JSON?, _ field: String) throws(DataError) -> Document.Content? {
        guard let entries = list(json) else {
            if json?.isNull ?? true { return nil }
            throw fail(field, "is \(json?.kind ?? "missing"), expected a list of segments")
        }
        var segments: [Document.TextSegment] = []
        for (index, entry) in entries.enumerated() {
            let given = entry["weight"].flatMap { $0.isNull ? nil : $0 }
            // Of a weight that is no number: one that is not accepted.
            let weight = given.map { $0.double ?? -1 } ?? entry["label"]?.bool.map { $0 ? 1 : 0 }
            guard let text = entry["text"]?.string, let weight, LossWeights.accepts(weight),
                entry["label"]?.bool.map({ $0 == (weight > 0) }) ?? true
            else {
                throw fail(
                    field,
                    "segment \(index + 1) needs a 'text' and a 'label' that is true or false, or a 'weight' of 0 or more"
                )
            }
            if !text.isEmpty { segments.append(Document.TextSegment(text, weight: Float(weight))) }
        }
        guard !segments.isEmpty else { return nil }
        guard segments.contains(where: \.isTrained) else { throw fail(field, "has no segment that is trained on") }
        return .segments(segments)
    }
}
