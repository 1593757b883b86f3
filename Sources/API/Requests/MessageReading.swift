import MartletChat
import MartletJSON
import MartletSystem

/// Reads messages in OpenAI's shape.
enum MessageReading {
    static let roles = ["system", "developer", "user", "assistant", "tool", "function"]

    static func message(_ json: JSON, path: String) throws(APIError) -> ChatMessage {
        var fields = try FieldReader(json, path: path)
        let role = try fields.required("role", fields.string("role"))
        guard roles.contains(role) else {
            throw fields.error(
                "role", "is '\(role.shown(limit: 40))'; it must be one of \(roles.joined(separator: ", "))")
        }
        let calls = try toolCalls(&fields, role: role)
        let content = fields.json("content")
        switch content {
        case .string?: break
        case .array(let parts)?:
            guard !parts.isEmpty else { throw fields.error("content", "must hold at least one part") }
            for (index, part) in parts.enumerated() { try check(part, path: "\(path).content[\(index)]") }
        case nil where ["assistant", "tool", "function"].contains(role): break
        case nil: throw fields.error("content", "must be a string or an array of parts")
        case let other?: throw fields.error("content", "must be a string or an array of parts, not \(other.kind)")
        }
        for key in ["name", "tool_call_id", "refusal", "reasoning_content", "reasoning"] { _ = try fields.string(key) }
        var message: ChatMessage
        do throws(ChatTemplateError) {
            message = try ChatMessage(json)
        } catch {
            throw .invalid(path, "is not a message: \(error)")
        }
        // The chat template decides what missing content means: an empty text, or a tool call.
        if content == nil { message["content"] = .null }
        if case .array(let parts)? = content { message["content"] = .array(parts.map(text)) }
        if message["tool_calls"] != nil, calls == 0 { message["tool_calls"] = nil }
        if role == "function" { message.role = "tool" }
        for key in message.fields.keys where key != "content" && message[key]?.isNull ?? false { message[key] = nil }
        return message
    }

    private static func toolCalls(_ fields: inout FieldReader, role: String) throws(APIError) -> Int {
        guard let calls = try fields.array("tool_calls", most: 1024), !calls.isEmpty else { return 0 }
        guard role == "assistant" else { throw fields.error("tool_calls", "are for messages of the assistant") }
        for (index, call) in calls.enumerated() {
            var call = try FieldReader(call, path: "\(fields.path).tool_calls[\(index)]")
            _ = try call.string("id")
            if let type = try call.string("type"), type != "function" {
                throw call.error("type", "must be 'function'")
            }
            var function = try call.required("function", call.fields("function"))
            _ = try function.required("name", function.string("name"))
            switch function.json("arguments") {
            case nil, .string?, .object?: break
            case let other?: throw function.error("arguments", "must be a string of JSON, not \(other.kind)")
            }
        }
        return calls.count
    }

    /// Checks that a part is text.
    static func check(_ part: JSON, path: String) throws(APIError) {
        var fields = try FieldReader(part, path: path)
        let type = try fields.required("type", fields.string("type"))
        switch type {
        case "text", "input_text", "output_text": _ = try fields.required("text", fields.string("text"))
        case "refusal": _ = try fields.required("refusal", fields.string("refusal"))
        case "image_url", "input_audio", "file", "video_url", "audio_url", "input_image", "input_file", "image",
            "audio",
            "video", "document":
            throw .unsupported("\(path).type", "is '\(type)', which this model cannot read")
        default: throw fields.error("type", "is '\(type.shown(limit: 40))'; it must be 'text'")
        }
    }

    /// Converts text parts with other type names.
    private static func text(_ part: JSON) -> JSON {
        guard let type = part["type"]?.string, type != "text" else { return part }
        return ["type": "text", "text": part["text"] ?? part["refusal"] ?? ""]
    }
}
