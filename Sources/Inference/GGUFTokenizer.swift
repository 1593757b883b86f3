import MartletFormats
import MartletTokenizers

extension GGUFFile {
    /// The tokenizer metadata of a GGUF file.
    func tokenizerMetadata() throws -> GGUFTokenizerMetadata {
        let prefix = "tokenizer.ggml."
        let strings = try metadata.strings(prefix + "tokens")
        var result = GGUFTokenizerMetadata(
            model: try metadata.string(prefix + "model"), tokens: strings.indices.map(strings.bytes(at:)))
        result.pre = try metadata.stringIfPresent(prefix + "pre")
        result.scores = try metadata.floatsIfPresent(prefix + "scores") ?? []
        result.tokenTypes =
            try metadata.integersIfPresent(prefix + "token_type")?.map { Int32(truncatingIfNeeded: $0) } ?? []
        result.merges = try metadata.stringsIfPresent(prefix + "merges").map(Array.init) ?? []
        func id(_ name: String) throws -> Int32? {
            try metadata.integerIfPresent("\(prefix)\(name)_token_id").flatMap(Int32.init(exactly:))
        }
        result.bosID = try id("bos")
        result.eosID = try id("eos")
        result.eotID = try id("eot")
        result.eomID = try id("eom")
        result.unknownID = try id("unknown")
        result.padID = try id("padding")
        result.separatorID = try id("seperator") ?? id("separator")
        result.classID = try id("cls")
        result.maskID = try id("mask")
        result.addsBOS = try metadata.boolIfPresent(prefix + "add_bos_token")
        result.addsEOS = try metadata.boolIfPresent(prefix + "add_eos_token")
        result.addsSeparator = try metadata.boolIfPresent(prefix + "add_sep_token")
        result.addsSpacePrefix = try metadata.boolIfPresent(prefix + "add_space_prefix")
        result.removesExtraWhitespaces = try metadata.boolIfPresent(prefix + "remove_extra_whitespaces")
        result.lowercases = try metadata.boolIfPresent(prefix + "normalizer.lowercase")
        result.stripsAccents = try metadata.boolIfPresent(prefix + "normalizer.strip_accents")
        if let map = try metadata.integersIfPresent(prefix + "precompiled_charsmap") {
            result.charsMap = map.map { UInt8(truncatingIfNeeded: $0) }
        }
        if let template = try metadata.stringIfPresent("tokenizer.chat_template") {
            result.chatTemplates["default"] = template
        }
        let others: [String] = try metadata.stringsIfPresent("tokenizer.chat_templates").map(Array.init) ?? []
        for name in others {
            result.chatTemplates[name] = try metadata.stringIfPresent("tokenizer.chat_template.\(name)")
        }
        return result
    }
}
