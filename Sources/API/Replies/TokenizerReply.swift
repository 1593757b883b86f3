import MartletInference
import MartletJSON
import MartletText

extension TokenizeRequest {
    /// `{"count", "max_model_len", "tokens"}`, or llama.cpp's `{"tokens"}` with pieces where asked for.
    public func reply(_ model: LanguageModel) throws(APIError) -> JSON {
        let tokens = try tokens(model)
        switch dialect {
        case .vLLM:
            var object = JSONObject([
                ("count", .integer(tokens.count)), ("max_model_len", .integer(model.configuration.contextLength)),
                ("tokens", ChatReply.tokens(tokens[...])),
            ])
            object["token_strs"] =
                returnsPieces ? .array(tokens.map { .string(model.tokenizer.token($0) ?? "") }) : .null
            return .object(object)
        case .llamaCpp:
            guard returnsPieces else { return ["tokens": ChatReply.tokens(tokens[...])] }
            return [
                "tokens": .array(
                    tokens.map { token in ["id": .integer(Int64(token)), "piece": Self.piece(token, model.tokenizer)] })
            ]
        }
    }

    /// Text, or bytes where they are no whole characters.
    private static func piece(_ token: Int32, _ tokenizer: Tokenizer) -> JSON {
        let bytes = tokenizer.bytes(of: token) ?? []
        guard let text = String(validating: bytes, as: UTF8.self) else {
            return .array(bytes.map { .integer(Int64($0)) })
        }
        return .string(text)
    }

    private func tokens(_ model: LanguageModel) throws(APIError) -> [Int32] {
        switch input {
        case .conversation(let conversation, let tools):
            var request = GenerationRequest(dialect: .chatCompletions, input: input.generation)
            request.tools = tools
            request.addsSpecialTokens = addsSpecialTokens
            return try ModelVoice(model).prompt(conversation, request).tokens
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
    /// The text under both dialects' names.
    public func reply(_ model: LanguageModel) throws(APIError) -> JSON {
        let size = model.tokenizer.vocabularySize
        for (index, token) in tokens.enumerated() where Int(token) >= size {
            throw .invalid("tokens[\(index)]", "is \(token); the tokenizer has \(size) tokens")
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
    public func reply(_ model: LanguageModel) throws(APIError) -> JSON {
        var request = GenerationRequest(dialect: .chatCompletions, input: .conversation(conversation))
        request.tools = tools
        return ["prompt": .string(try ModelVoice(model).prompt(conversation, request).text)]
    }
}

/// `GET /tokenizer_info`: what lm-eval asks of a tokenizer that it does not have.
public enum TokenizerInformation {
    public static func json(_ model: LanguageModel) -> JSON {
        let tokenizer = model.tokenizer
        var object = JSONObject()
        object["tokenizer_class"] = "PreTrainedTokenizerFast"
        for (name, token) in tokenizer.namedSpecialTokens.sorted(by: { $0.key < $1.key }) {
            object[name] = .string(token)
        }
        object["add_bos_token"] = .bool(tokenizer.addsBOS)
        object["add_eos_token"] = .bool(tokenizer.addsEOS)
        object["model_max_length"] = .integer(model.configuration.contextLength)
        object["chat_template"] = .string(orNull: model.chatTemplate?.source)
        return .object(object)
    }
}
