import MartletJSON

/// The JSON shape of errors in each dialect.
public enum ErrorShape: Sendable, CaseIterable {
    /// `{"error": {"message", "type", "param", "code"}}`.
    case openAI
    /// `{"type": "error", "error": {"type", "message"}}`.
    case anthropic
    /// `{"error": "…"}`.
    case ollama
    /// `{"error": "…", "error_type": "validation"}`, of text-generation-inference.
    case textGeneration
    /// The same with text-embeddings-inference's error types.
    case textEmbeddings

    public func json(_ error: APIError) -> JSON {
        switch self {
        case .openAI: error.json
        case .anthropic: MessagesReply.error(error)
        case .ollama: Ollama.error(error)
        case .textGeneration:
            ["error": .string(error.message), "error_type": .string(Self.generationType(error.status))]
        case .textEmbeddings:
            ["error": .string(error.message), "error_type": .string(Self.embeddingType(error.status))]
        }
    }

    /// The status that clients of the dialect expect.
    public func status(_ error: APIError) -> Int {
        switch self {
        case .openAI, .anthropic, .ollama: error.status
        case .textGeneration, .textEmbeddings: error.status == 400 ? 422 : error.status
        }
    }

    private static func generationType(_ status: Int) -> String {
        switch status {
        case 429, 503: "overloaded"
        case 400..<500: "validation"
        default: "generation"
        }
    }

    private static func embeddingType(_ status: Int) -> String {
        switch status {
        case 429, 503: "Overloaded"
        case 424: "Backend"
        case 400..<500: "Validation"
        default: "Backend"
        }
    }
}
