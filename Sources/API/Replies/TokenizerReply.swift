import MartletInference
import MartletJSON
import MartletTokenizers

extension TokenizeRequest {
    /// `{"count", "max_model_len", "tokens"}`, or llama.cpp's `{"tokens"}` with pieces if requested; as JSON text,
    /// because the tokens of a long text would take many times more memory as JSON values.
    /// - Parameter adapter: whose template conversations are written by, where it has one.
    public func reply(_ model: LanguageModel, adapter: LoadedAdapter? = nil) throws(APIError) -> [UInt8] {
        let tokens = try tokens(model, adapter), tokenizer = model.tokenizer
        var text = JSONListText()
        switch dialect {
        case .vLLM:
            text.write("{\"count\":\(tokens.count),\"max_model_len\":\(model.configuration.contextLength),\"tokens\":")
            try text.list(tokens) { $0.write($1) }
            text.write(",\"token_strs\":")
            if returnsPieces {
                try text.list(tokens) { $0.write(.string(tokenizer.token($1) ?? "")) }
            } else {
                text.write("null")
            }
        case .llamaCpp:
            text.write("{\"tokens\":")
            if returnsPieces {
                try text.list(tokens) { text, token in
                    text.write(["id": .integer(Int64(token)), "piece": Self.piece(token, tokenizer)])
                }
            } else {
                try text.list(tokens) { $0.write($1) }
            }
        }
        text.write("}")
        return text.bytes
    }

    /// Text, or bytes if they are not whole characters.
    private static func piece(_ token: Int32, _ tokenizer: Tokenizer) -> JSON {
        let bytes = tokenizer.bytes(of: token) ?? []
        guard let text = String(validating: bytes, as: UTF8.self) else {
            return .array(bytes.map { .integer(Int64($0)) })
        }
        return .string(text)
    }

    private func tokens(_ model: LanguageModel, _ adapter: LoadedAdapter?) throws(APIError) -> [Int32] {
        switch input {
        case .conversation(let conversation, let tools):
            var request = GenerationRequest(dialect: .chatCompletions, input: input.generation)
            request.tools = tools
            request.addsSpecialTokens = addsSpecialTokens
            return try ModelVoice(model, adapter: adapter).prompt(conversation, request).tokens
        case .text(let text):
            do throws(TokenizerError) {
                return try model.tokenizer.encode(
                    text, addSpecialTokens: addsSpecialTokens, parseSpecial: parsesSpecialTokens)
            } catch {
                throw .invalid(
                    dialect == .vLLM ? "prompt" : "content", "cannot be expressed in the model's vocabulary: \(error)")
            }
        }
    }
}

extension TokenizeRequest.Input {
    var generation: GenerationRequest.Input {
        switch self {
        case .text(let text): .prompts([.text(text)])
        case .conversation(let conversation, _): .conversation(conversation)
        }
    }
}

extension DetokenizeRequest {
    /// The maximum number of bytes of text.
    static let longestText = 32 << 20

    /// The text under both dialects' names.
    public func reply(_ model: LanguageModel) throws(APIError) -> JSON {
        let size = model.tokenizer.vocabularySize
        var bytes = 0
        for (index, token) in tokens.enumerated() {
            guard Int(token) < size else {
                throw .invalid("tokens[\(index)]", "is \(token); the tokenizer has \(size) tokens")
            }
            bytes += model.tokenizer.bytes(of: token)?.count ?? 0
            guard bytes <= Self.longestText else {
                throw .invalid("tokens", "are more than \(Self.longestText) bytes of text", code: "text_too_long")
            }
            if index & 0xFFFF == 0xFFFF, Task.isCancelled { throw .clientLeft }
        }
        do throws(TokenizerError) {
            let text = try model.tokenizer.decode(tokens)
            return ["prompt": .string(text), "content": .string(text)]
        } catch {
            throw .invalid("tokens", "cannot be decoded: \(error)")
        }
    }
}

extension ApplyTemplateRequest {
    /// `{"prompt"}`.
    public func reply(_ model: LanguageModel, adapter: LoadedAdapter? = nil) throws(APIError) -> JSON {
        var request = GenerationRequest(dialect: .chatCompletions, input: .conversation(conversation))
        request.tools = tools
        return ["prompt": .string(try ModelVoice(model, adapter: adapter).prompt(conversation, request).text)]
    }
}

/// JSON with long lists, written incrementally.
struct JSONListText {
    private(set) var bytes: [UInt8] = []

    mutating func write(_ text: String) { bytes += text.utf8 }
    mutating func write(_ value: JSON) { bytes += value.bytes() }

    mutating func write(_ token: Int32) {
        guard token >= 10 else { return write(String(token)) }
        var digits: UInt64 = 0, count = 0, rest = UInt32(token)
        while rest > 0 {
            digits = digits << 4 | UInt64(rest % 10)
            rest /= 10
            count += 1
        }
        for _ in 0..<count {
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: digits & 15))
            digits >>= 4
        }
    }

    /// - Throws: when the task is cancelled, which is checked regularly.
    mutating func list(
        _ tokens: [Int32], _ item: (inout JSONListText, Int32) throws(APIError) -> Void
    ) throws(APIError) {
        bytes.append(UInt8(ascii: "["))
        for (index, token) in tokens.enumerated() {
            if index & 0xFFFF == 0xFFFF, Task.isCancelled { throw .clientLeft }
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            try item(&self, token)
        }
        bytes.append(UInt8(ascii: "]"))
    }
}

/// `GET /tokenizer_info`: what lm-eval needs to know about a remote tokenizer.
public enum TokenizerInformation {
    public static func json(_ model: LanguageModel, adapter: LoadedAdapter? = nil) -> JSON {
        let tokenizer = model.tokenizer
        var object = JSONObject()
        object["tokenizer_class"] = "PreTrainedTokenizerFast"
        for (name, token) in tokenizer.namedSpecialTokens.sorted(by: { $0.key < $1.key }) {
            object[name] = .string(token)
        }
        object["add_bos_token"] = .bool(tokenizer.addsBOS)
        object["add_eos_token"] = .bool(tokenizer.addsEOS)
        object["model_max_length"] = .integer(model.configuration.contextLength)
        object["chat_template"] = .string(orNull: model.chatTemplate(with: adapter)?.source)
        return .object(object)
    }
}
