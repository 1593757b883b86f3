import MartletChat
import MartletJSON

/// Builds the output items of a response, and the events for them.
struct ResponsesStream: Sendable {
    private enum Kind: Equatable { case reasoning, message, call(Int) }

    private struct Item: Sendable {
        var kind: Kind
        var id: String
        var text = ""
        /// The function's name, for a call.
        var name = ""
        var callID = ""
    }

    private let id: String
    private var number = 0
    private var open: Item?
    /// Completed items.
    private(set) var items: [JSON] = []

    init(id: String) { self.id = id }

    mutating func event(_ type: String, _ members: JSONObject) -> [UInt8] {
        var object = JSONObject([("type", .string(type)), ("sequence_number", .integer(number))])
        number += 1
        for (key, value) in members { object[key] = value }
        return ServerEvent.data(.object(object), event: type)
    }

    mutating func write(_ delta: ReplyDelta) -> [UInt8] {
        switch delta {
        case .content(let text):
            return begin(.message) + add(text, "response.output_text.delta", ["content_index": 0, "logprobs": []])
        case .reasoning(let text):
            return begin(.reasoning) + add(text, "response.reasoning_text.delta", ["content_index": 0])
        case .callStarted(let index, let name): return begin(.call(index), name: name)
        case .callArguments(let index, let text):
            return begin(.call(index)) + add(text, "response.function_call_arguments.delta", [:])
        }
    }

    private mutating func add(_ text: String, _ type: String, _ members: JSONObject) -> [UInt8] {
        open?.text += text
        var members = place(members)
        members["delta"] = .string(text)
        return event(type, members)
    }

    /// Adds the members that identify the item of an event.
    private func place(_ members: JSONObject) -> JSONObject {
        var members = members
        members["item_id"] = .string(open?.id ?? "")
        members["output_index"] = .integer(items.count)
        return members
    }

    private mutating func begin(_ kind: Kind, name: String = "") -> [UInt8] {
        if open?.kind == kind { return [] }
        var bytes = close(isComplete: true)
        let index = items.count
        var item = Item(kind: kind, id: "")
        switch kind {
        case .reasoning: item.id = "rs_\(id)_\(index)"
        case .message: item.id = "msg_\(id)_\(index)"
        case .call(let call):
            item.id = "fc_\(id)_\(index)"
            item.name = name
            item.callID = "call_\(id)_\(call)"
        }
        open = item
        bytes += event(
            "response.output_item.added", ["output_index": .integer(index), "item": json(item, status: "in_progress")])
        if kind == .message {
            let part: JSON = ["type": "output_text", "text": "", "annotations": [], "logprobs": []]
            bytes += event("response.content_part.added", place(["content_index": 0, "part": part]))
        }
        return bytes
    }

    /// Completes the current item.
    mutating func close(isComplete: Bool) -> [UInt8] {
        guard let item = open else { return [] }
        var bytes: [UInt8] = []
        switch item.kind {
        case .message:
            bytes += event(
                "response.output_text.done", place(["content_index": 0, "text": .string(item.text), "logprobs": []]))
            bytes += event("response.content_part.done", place(["content_index": 0, "part": Self.part(item.text)]))
        case .reasoning:
            bytes += event("response.reasoning_text.done", place(["content_index": 0, "text": .string(item.text)]))
        case .call:
            bytes += event(
                "response.function_call_arguments.done",
                place(["arguments": .string(item.text), "name": .string(item.name)]))
        }
        let json = json(item, status: isComplete ? "completed" : "incomplete")
        bytes += event("response.output_item.done", ["output_index": .integer(items.count), "item": json])
        items.append(json)
        open = nil
        return bytes
    }

    private static func part(_ text: String) -> JSON {
        ["type": "output_text", "text": .string(text), "annotations": [], "logprobs": []]
    }

    private func json(_ item: Item, status: String) -> JSON {
        let isDone = status != "in_progress"
        switch item.kind {
        case .reasoning:
            return [
                "type": "reasoning", "id": .string(item.id), "summary": [],
                "content": isDone ? [["type": "reasoning_text", "text": .string(item.text)]] : [],
                "status": .string(status),
            ]
        case .message:
            return [
                "type": "message", "id": .string(item.id), "role": "assistant", "status": .string(status),
                "content": isDone ? [Self.part(item.text)] : [],
            ]
        case .call:
            return [
                "type": "function_call", "id": .string(item.id), "call_id": .string(item.callID),
                "name": .string(item.name), "arguments": .string(item.text), "status": .string(status),
            ]
        }
    }
}
