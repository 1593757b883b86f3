import MartletJinja

/// Why a conversation could not be rendered as a prompt.
public enum ChatTemplateError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The template could not be compiled, failed, or refused the conversation.
    case template(JinjaError)
    /// A message is invalid.
    case message(String)
    /// The final message cannot be continued.
    case continuation(String)
    /// `chat_template` of a file is neither a string nor a list of named templates.
    case source(String)

    public var description: String {
        switch self {
        case .template(let error): error.description
        case .message(let reason): "chat message: \(reason)"
        case .continuation(let reason): "continue_final_message: \(reason)"
        case .source(let reason): "chat_template: \(reason)"
        }
    }
}
