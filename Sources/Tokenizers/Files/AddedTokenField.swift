import MartletJSON
import MartletSystem

/// The `added_tokens` of a `tokenizer.json`.
extension FileField {
    func addedTokens() throws(TokenizerError) -> [AddedToken] {
        var tokens: [AddedToken] = []
        var contents: [Int32: String] = [:]
        for field in try elements() {
            let isSpecial = try field.bool("special", or: false)
            let token = AddedToken(
                id: try field.required("id").id(), content: try field.required("content").string(),
                isSpecial: isSpecial, stripsLeft: try field.bool("lstrip", or: false),
                stripsRight: try field.bool("rstrip", or: false),
                isSingleWord: try field.bool("single_word", or: false),
                isNormalized: try field.bool("normalized", or: !isSpecial))
            if let other = contents.updateValue(token.content, forKey: token.id), other != token.content {
                throw field.malformed("id \(token.id) is both \(other.quoted()) and \(token.content.quoted())")
            }
            tokens.append(token)
        }
        return tokens
    }
}

/// What `tokenizer_config.json`, `special_tokens_map.json` or `generation_config.json` add to the tokenizer.
extension Tokenizer.Details {
    /// Names of end-of-turn tokens in chat models; each one is a stop token if the vocabulary has it as a special
    /// token.
    static let turnEnds = [
        "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>", "<|end|>", "<|endoftext|>", "<|return|>", "<|call|>",
        "<|eot|>", "<EOT>", "<｜end▁of▁sentence｜>", "<|end_of_text|>", "</s>",
    ]

    mutating func read(_ configuration: FileField, id: (String) -> Int32?) throws(TokenizerError) {
        /// `"bos_token": "<s>"` or `"bos_token": {"content": "<s>"}`
        func token(_ key: String) throws(TokenizerError) -> Int32? {
            guard let field = configuration[key] else { return nil }
            if field.value.object != nil { return id(try field.required("content").string()) }
            return id(try field.string())
        }
        bosToken = try token("bos_token") ?? bosToken
        padToken = try token("pad_token") ?? padToken
        unknownToken = try token("unk_token") ?? unknownToken
        separatorToken = try token("sep_token") ?? separatorToken
        classToken = try token("cls_token") ?? classToken
        maskToken = try token("mask_token") ?? maskToken
        if let end = try token("eos_token") { eosTokens.insert(end) }
        guard let template = configuration["chat_template"] else { return }
        if template.value.array != nil {
            for field in try template.elements() {
                chatTemplates[try field.required("name").string()] = try field.required("template").string()
            }
        } else {
            chatTemplates["default"] = try template.string()
        }
    }

    /// `"eos_token_id": 2` or `"eos_token_id": [2, 7]` of a `generation_config.json`.
    mutating func readEnds(_ configuration: FileField, vocabularySize: Int) throws(TokenizerError) {
        guard let field = configuration["eos_token_id"] else { return }
        let ids = field.value.array == nil ? [field] : try field.elements()
        for id in ids {
            let value = try id.id()
            guard value < vocabularySize else {
                throw id.malformed("\(value) is not an id of \(vocabularySize) tokens")
            }
            eosTokens.insert(value)
        }
    }

    /// Adds the end-of-turn tokens among the special tokens.
    mutating func addTurnEnds(_ tokens: [AddedToken]) {
        for token in tokens where token.isSpecial && Self.turnEnds.contains(where: { $0 == token.content }) {
            eosTokens.insert(token.id)
        }
    }
}
