import MartletFormats
import MartletTokenizers

extension GGUFTokenizerMetadata {
    /// Puts the tokenizer's keys behind the others.
    package func add(to metadata: inout GGUFMetadata) {
        let prefix = "tokenizer.ggml."
        metadata[prefix + "model"] = .string(model)
        if let pre { metadata[prefix + "pre"] = .string(pre) }
        metadata[prefix + "tokens"] = .array(GGUFArray(tokens))
        if !scores.isEmpty { metadata[prefix + "scores"] = .array(GGUFArray(scores)) }
        if !tokenTypes.isEmpty { metadata[prefix + "token_type"] = .array(GGUFArray(tokenTypes)) }
        if !merges.isEmpty { metadata[prefix + "merges"] = .array(GGUFArray(merges)) }
        // The file format has always spelled the separator so.
        let ids: [(String, Int32?)] = [
            ("bos", bosID), ("eos", eosID), ("eot", eotID), ("eom", eomID), ("unknown", unknownID), ("padding", padID),
            ("seperator", separatorID), ("cls", classID), ("mask", maskID),
        ]
        for case (let name, let id?) in ids where id >= 0 {
            metadata["\(prefix)\(name)_token_id"] = .uint32(UInt32(id))
        }
        let flags: [(String, Bool?)] = [
            ("add_bos_token", addsBOS), ("add_eos_token", addsEOS), ("add_sep_token", addsSeparator),
            ("add_space_prefix", addsSpacePrefix), ("remove_extra_whitespaces", removesExtraWhitespaces),
            ("normalizer.lowercase", lowercases), ("normalizer.strip_accents", stripsAccents),
        ]
        for case (let name, let flag?) in flags { metadata[prefix + name] = .bool(flag) }
        if !charsMap.isEmpty { metadata[prefix + "precompiled_charsmap"] = .array(GGUFArray(charsMap)) }
        if let template = chatTemplates["default"] { metadata["tokenizer.chat_template"] = .string(template) }
        let others = chatTemplates.keys.filter { $0 != "default" }.sorted()
        guard !others.isEmpty else { return }
        metadata["tokenizer.chat_templates"] = .array(GGUFArray(others))
        for name in others { metadata["tokenizer.chat_template.\(name)"] = chatTemplates[name].map { .string($0) } }
    }
}

extension ModelFiles {
    /// The tokenizer as a GGUF file says it.
    /// - Parameter vocabularySize: rows of the table of embeddings.
    package func ggufTokenizer(vocabularySize: Int) throws -> GGUFTokenizerMetadata {
        if let gguf = checkpoint.gguf { return try gguf.tokenizerMetadata() }
        if let flat = checkpoint.flat { return try FlatTokenizer(of: flat).metadata(vocabularySize: vocabularySize) }
        return try GGUFTokenizerMetadata(folder: path, vocabularySize: vocabularySize)
    }
}
