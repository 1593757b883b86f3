import MartletChat
import MartletJSON

/// The body of `POST /tokenize`: `prompt` or `messages` in vLLM's dialect, `content` in llama.cpp's.
public struct TokenizeRequest: Sendable {
    public enum Input: Sendable {
        case text(String)
        case conversation(Conversation, ToolSettings)
    }

    public enum Dialect: Sendable { case vLLM, llamaCpp }

    public var dialect: Dialect
    public var model: String?
    public var input: Input
    public var addsSpecialTokens: Bool
    public var parsesSpecialTokens = true
    /// Whether to return tokens as text besides their ids.
    public var returnsPieces = false

    public init(_ body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        model = try fields.string("model", longest: 1024)
        if let content = try fields.string("content") {
            dialect = .llamaCpp
            input = .text(content)
            addsSpecialTokens = try fields.bool("add_special") ?? false
            parsesSpecialTokens = try fields.bool("parse_special") ?? true
            returnsPieces = try fields.bool("with_pieces") ?? false
        } else if fields.json("messages") != nil {
            dialect = .vLLM
            input = .conversation(try Conversation(&fields, limits), try ToolSettings(&fields, limits))
            addsSpecialTokens = try fields.bool("add_special_tokens") ?? false
            returnsPieces = try fields.bool("return_token_strs") ?? false
        } else {
            dialect = .vLLM
            guard let prompt = try fields.string("prompt") else {
                throw APIError("One of 'prompt', 'messages' and 'content' is required.", parameter: "prompt")
            }
            input = .text(prompt)
            addsSpecialTokens = try fields.bool("add_special_tokens") ?? true
            returnsPieces = try fields.bool("return_token_strs") ?? false
        }
    }
}

/// The body of `POST /detokenize`, the same in both dialects.
public struct DetokenizeRequest: Sendable {
    public var model: String?
    public var tokens: [Int32]

    public init(_ body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        model = try fields.string("model", longest: 1024)
        tokens = try fields.required("tokens", fields.tokens("tokens", most: limits.decodedTokens))
    }
}

/// The body of `POST /apply-template`.
public struct ApplyTemplateRequest: Sendable {
    public var model: String?
    public var conversation: Conversation
    public var tools: ToolSettings

    public init(_ body: some Sequence<UInt8>, limits: RequestLimits = RequestLimits()) throws(APIError) {
        var fields = try FieldReader.body(body, limits)
        model = try fields.string("model", longest: 1024)
        conversation = try Conversation(&fields, limits)
        tools = try ToolSettings(&fields, limits)
    }
}
