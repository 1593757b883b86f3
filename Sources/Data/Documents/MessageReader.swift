import MartletChat
import MartletFormats
import MartletJSON

/// Reads messages in OpenAI's or ShareGPT's format.
struct MessageReader {
    private let reader: RecordReader
    private let field: String

    init(_ reader: RecordReader, _ field: String) {
        self.reader = reader
        self.field = field
    }

    func messages(_ entries: [JSON]) throws(DataError) -> [ChatMessage] {
        var messages: [ChatMessage] = []
        for (index, entry) in entries.enumerated() {
            do throws(ChatTemplateError) {
                messages.append(try Self.message(reader.tags.renamed(entry)))
            } catch {
                let reason: String
                if case .message(let text) = error { reason = text } else { reason = "\(error)" }
                throw reader.fail(field, "message \(index + 1) is not a chat message: \(reason)")
            }
        }
        return messages
    }

    /// Calls that are JSON in a text, as tables keep them, become the list that they are.
    private static func withCalls(_ json: JSON) -> JSON {
        guard var members = json.object, let text = members["tool_calls"]?.string else { return json }
        if text.allSatisfy(\.isWhitespace) || text == "null" {
            members["tool_calls"] = nil
        } else if let calls = try? JSON(parsing: text), calls.array != nil {
            members["tool_calls"] = calls
        }
        return .object(members)
    }

    private static func message(_ given: JSON) throws(ChatTemplateError) -> ChatMessage {
        let json = withCalls(given)
        var message = try plain(json)
        try takeTrainedParts(json, &message)
        if let weight = json["weight"], !weight.isNull {
            guard let number = weight.double, LossWeights.accepts(number) else {
                throw .message(
                    "'weight' is \(weight.text()), expected 0 (context), 1 (trained on as usual), or another number above "
                        + "0 that it counts in the loss")
            }
            guard message.role == "assistant" || number == 0 else {
                throw .message(
                    "'weight' is \(weight.text()) on a message of \(FormatError.quote(message.role)); only replies "
                        + "of the assistant are trained on")
            }
            message["weight"] = weight
        }
        for part in message.parts {
            switch part {
            case .text: break
            case .image: throw .message("it has an image; only text is trained on")
            case .other(let part):
                throw .message(
                    "it has a part of type \(FormatError.quote(part["type"]?.string ?? "")); only text is trained on")
            }
        }
        return message
    }

    /// `train`, `training` (axolotl) or `loss` (ms-swift) says whether a reply is learnt, as `weight` does; `train_detail`
    /// which of its characters are, and what they count.
    private static func takeTrainedParts(_ json: JSON, _ message: inout ChatMessage) throws(ChatTemplateError) {
        let flags = ["train", "training", "loss"]
        for key in flags + ["train_detail"] { message[key] = nil }
        if let key = flags.first(where: { !(json[$0]?.isNull ?? true) }), let train = json[key] {
            guard let isTrained = train.bool else {
                throw .message("'\(key)' is \(train.text()), expected true or false")
            }
            guard json["weight"]?.double.map({ ($0 > 0) == isTrained }) ?? true else {
                throw .message("'\(key)' and 'weight' contradict each other")
            }
            guard message.role == "assistant" || !isTrained else {
                throw .message(
                    "'\(key)' is true on a message of \(FormatError.quote(message.role)); only replies of the assistant "
                        + "are trained on")
            }
            if message["weight"] == nil { message["weight"] = .integer(isTrained ? 1 : 0) }
        }
        guard let detail = json["train_detail"], !detail.isNull else { return }
        guard message.role == "assistant", let parts = detail.array else {
            throw .message("'train_detail' is a list of ranges of a reply of the assistant")
        }
        let count = (message.content ?? "").unicodeScalars.count
        for part in parts {
            guard let first = part["begin_offset"]?.integer, let last = part["end_offset"]?.integer,
                part["train"]?.bool != nil || part["weight"] != nil, first >= 0, last >= first,
                part["weight"].map({ $0.double.map(LossWeights.accepts) ?? false }) ?? true,
                part["train"]?.bool.map({ train in part["weight"]?.double.map { ($0 > 0) == train } ?? true }) ?? true
            else {
                throw .message(
                    "'train_detail' has \(part.text().prefix(100)), expected begin_offset, end_offset (the last character) "
                        + "and train, or a weight of 0 or more")
            }
            guard last < count else {
                throw .message("'train_detail' reaches to character \(last), the reply has \(count)")
            }
        }
        message["train_detail"] = detail
    }

    private static func plain(_ json: JSON) throws(ChatTemplateError) -> ChatMessage {
        guard json["role"] == nil, let from = json["from"]?.string else {
            return try modern(ChatMessage(json))
        }
        guard let value = json["value"]?.string else {
            throw .message("'value' is \(json["value"]?.kind ?? "missing"), expected a text")
        }
        switch from {
        case "human", "user": return ChatMessage(role: "user", content: value)
        case "gpt", "assistant", "model", "bot", "chatgpt": return ChatMessage(role: "assistant", content: value)
        case "system": return ChatMessage(role: "system", content: value)
        case "observation", "tool", "function_response": return ChatMessage(role: "tool", content: value)
        case "function_call":
            let parsed = try? JSON(parsing: value)
            let calls = parsed?.array ?? parsed.map { [$0] } ?? []
            guard !calls.isEmpty, calls.allSatisfy({ $0["name"]?.string != nil }) else {
                throw .message("a function_call must be an object with a 'name', or a list of such")
            }
            var message = ChatMessage(role: "assistant", content: "")
            message.toolCalls = calls.map {
                ChatMessage.ToolCall(
                    name: $0["name"]?.string ?? "",
                    arguments: $0["arguments"] ?? $0["parameters"] ?? .object(JSONObject()))
            }
            return message
        default:
            throw .message(
                "'from' is \(FormatError.quote(from)), expected human, gpt, system, function_call or observation")
        }
    }

    /// Converts OpenAI's older fields for calls and their results to the current ones.
    private static func modern(_ message: ChatMessage) -> ChatMessage {
        var message = message
        if let call = message["function_call"], let name = call["name"]?.string, message.toolCalls.isEmpty {
            message["function_call"] = nil
            message.toolCalls = [
                ChatMessage.ToolCall(name: name, arguments: call["arguments"] ?? .object(JSONObject()))
            ]
        }
        if message.role == "function" { message.role = "tool" }
        return message
    }
}
