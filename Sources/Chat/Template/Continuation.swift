import MartletJSON
import MartletJinja

/// Ends a prompt inside its final message: a marker is added after the message's text before rendering, and the prompt
/// is cut at the marker. The same steps as in transformers, so that both cut at the same place.
enum Continuation {
    private static let mark = "CONTINUE_FINAL_MESSAGE_TAG "

    /// Adds the marker to the final message and returns its text without the marker.
    static func mark(_ messages: inout [ChatMessage]) throws(ChatTemplateError) -> String {
        guard let last = messages.indices.last else { throw .continuation("the conversation is empty") }
        switch messages[last]["content"] {
        case .string(let text)?:
            messages[last]["content"] = .string(text + mark)
            return text
        case .array(var parts)?:
            for index in parts.indices.reversed() {
                guard var part = parts[index].object, let text = part["text"]?.string else { continue }
                part["text"] = .string(text + mark)
                parts[index] = .object(part)
                messages[last]["content"] = .array(parts)
                return text
            }
            throw .continuation("the final message has no text to continue")
        default: throw .continuation("the final message has no content to continue")
        }
    }

    static func cut(_ text: JinjaText, after message: String) throws(ChatTemplateError) -> JinjaText {
        let short = JinjaText(mark).trimmed()
        guard text.find(JinjaText(message).trimmed()) != nil, let place = text.findLast(short, before: text.bytes.count)
        else { throw .continuation("the final message does not appear in the prompt as it is") }
        let end = place + mark.utf8.count
        if end <= text.bytes.count, text[place..<end] == JinjaText(mark) { return text[0..<place] }
        return text[0..<place].trimmed(start: false)
    }
}
