import MartletJSON

/// Tool support for models whose chat template has none: tools are described in the system message, and calls and their
/// results are written as text, in the Hermes syntax. Serving and training write the same text.
public enum ToolTeaching {
    /// Whether a template with this source would drop tools and calls.
    public static func isNeeded(template: String) -> Bool { !template.contains("tools") }

    /// Whether a conversation has tools, calls or results.
    public static func concerns(_ messages: [ChatMessage], tools: [JSON]) -> Bool {
        !tools.isEmpty || messages.contains { $0.role == "tool" || !$0.toolCalls.isEmpty }
    }

    /// The conversation with its tools as text.
    /// - Parameter tools: function definitions, with or without `{"type": "function", "function": …}` around them.
    public static func taught(_ messages: [ChatMessage], tools: [JSON]) -> [ChatMessage] {
        var messages = messages.map(written)
        guard !tools.isEmpty else { return messages }
        var text = "You can call these functions, each described by one line of JSON:\n"
        for tool in tools { text += (tool["function"] ?? tool).text() + "\n" }
        text += "To call one, write only its name and arguments, like this:\n"
        text += "<tool_call>{\"name\": \"the name\", \"arguments\": {\"key\": \"value\"}}</tool_call>"
        if messages.first?.role == "system" {
            messages[0].content = (messages[0].content ?? "") + "\n\n" + text
        } else {
            messages.insert(ChatMessage(role: "system", content: text), at: 0)
        }
        return messages
    }

    private static func written(_ message: ChatMessage) -> ChatMessage {
        var message = message
        let calls = message.toolCalls
        if !calls.isEmpty {
            let written = calls.map { call in
                let json: JSON = ["name": .string(call.name), "arguments": call.arguments]
                return "<tool_call>\(json.text())</tool_call>"
            }
            message.content = ([message.content ?? ""].filter { !$0.isEmpty } + written).joined(separator: "\n")
            message.toolCalls = []
        }
        if message.role == "tool" {
            message = ChatMessage(role: "user", content: "<tool_response>\(message.content ?? "")</tool_response>")
        }
        return message
    }
}
