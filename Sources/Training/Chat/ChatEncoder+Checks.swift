import MartletChat
import MartletData
import MartletJSON

/// Checks that the tokens of a conversation contain what its messages say.
extension ChatEncoder {
    /// Compares a rendered reply with its message.
    /// - Returns: the notes for the user.
    func check(
        _ reply: ChatMessage, calls: [ChatMessage.ToolCall], in text: String, name: String, whole: [ChatMessage]
    ) throws -> [CorpusTally.Kind] {
        for call in calls {
            let keys = call.arguments.object?.keys ?? []
            let missing = ([call.name] + keys).first {
                !Self.contains(text, $0) && !Self.contains(text, Self.escaped($0))
            }
            guard let missing else { continue }
            throw TrainingError(
                .data,
                "\(name) calls \(call.name), and the chat template does not render the call (\(missing) is not in the "
                    + "text it writes): the model would learn to say nothing there. Use a template that renders tool calls, or "
                    + "one that knows no tools, for which calls are written as text: \(Self.shown(whole))")
        }
        var notes: [CorpusTally.Kind] = []
        if let content = reply.content?.trimmingEnds, !content.isEmpty, !Self.contains(text, Self.answer(content)) {
            notes.append(.replyNotRendered)
        } else if let thought = reply.reasoningContent?.trimmingEnds, !thought.isEmpty, !Self.contains(text, thought) {
            notes.append(.replyNotRendered)
        }
        let isEmpty = (reply.content ?? "").isEmpty && calls.isEmpty && (reply.reasoningContent ?? "").isEmpty
        if isEmpty {
            throw TrainingError(.data, "\(name) is empty, the model would learn to say nothing: \(Self.shown(whole))")
        }
        return notes
    }

    /// Whether the prompt contains a context message, as it is or as JSON.
    func isRendered(_ message: ChatMessage, in prompt: String) -> Bool {
        guard message.role != "assistant", let content = message.content?.trimmingEnds, !content.isEmpty else {
            return true
        }
        if message["content"]?.string == nil {
            return message.parts.allSatisfy { part in
                guard case .text(let text) = part else { return true }
                return Self.contains(prompt, text.trimmingEnds)
            }
        }
        return Self.contains(prompt, content) || Self.contains(prompt, Self.escaped(content))
            || (try? JSON(parsing: content)).map { Self.contains(prompt, $0.text()) } ?? false
    }

    /// The text of a reply after its thought, whose form depends on the template.
    private static func answer(_ content: String) -> String {
        let parts = content.split(separator: "</think>", omittingEmptySubsequences: false)
        return parts.last.map { $0.trimmingEnds } ?? content
    }

    /// As it is escaped in a JSON string.
    private static func escaped(_ text: String) -> String {
        String(JSON.string(text).text().dropFirst().dropLast())
    }

    private static func contains(_ text: String, _ part: String) -> Bool {
        part.isEmpty || text.utf8.firstRange(of: part.utf8) != nil
    }
}
