import MartletJSON

/// The files of a tokenizer with further added tokens: each text of theirs is one token wherever it stands.
public enum AddedTokenFiles {
    /// - Parameters:
    ///   - files: `tokenizer.json` among them, and `tokenizer_config.json`, as folders have them.
    ///   - texts: of the tokens, whose ids go on from `first`.
    ///   - areSpecial: whether they are left out of text that people read, as `<|im_end|>` is.
    /// - Throws: `TokenizerError` where there is no `tokenizer.json`, or it is not as expected.
    public static func adding(
        _ texts: [String], from first: Int, areSpecial: Bool, to files: [(name: String, bytes: [UInt8])]
    ) throws -> [(name: String, bytes: [UInt8])] {
        guard files.contains(where: { $0.name == "tokenizer.json" }) else {
            throw TokenizerError.unreadable(
                file: "tokenizer.json", reason: "the model has no such file, which is the one that tokens are added to")
        }
        let tokens = zip(first..., texts).map { id, text in
            (
                id: id,
                members: [
                    "content": .string(text), "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": .bool(!areSpecial), "special": .bool(areSpecial),
                ] as JSONObject
            )
        }
        return try files.map { name, bytes in
            switch name {
            case "tokenizer.json":
                guard var members = try JSON(parsing: bytes).object else {
                    throw TokenizerError.malformed(file: name, field: "added_tokens", reason: "it is no object")
                }
                let added: [JSON] = tokens.map { id, members in
                    var whole: JSONObject = ["id": .integer(Int64(id))]
                    for (key, value) in members { whole[key] = value }
                    return .object(whole)
                }
                members["added_tokens"] = .array((members["added_tokens"]?.array ?? []) + added)
                return (name, JSON.object(members).bytes(indent: 2))
            case "tokenizer_config.json":
                guard var members = try JSON(parsing: bytes).object else { return (name, bytes) }
                if var known = members["added_tokens_decoder"]?.object {
                    for (id, token) in tokens { known["\(id)"] = .object(token) }
                    members["added_tokens_decoder"] = .object(known)
                }
                if areSpecial, let known = members["additional_special_tokens"]?.array {
                    members["additional_special_tokens"] = .array(known + texts.map { .string($0) })
                }
                return (name, JSON.object(members).bytes(indent: 2))
            case "added_tokens.json":
                guard var members = try JSON(parsing: bytes).object else { return (name, bytes) }
                for (id, text) in zip(first..., texts) { members[text] = .integer(Int64(id)) }
                return (name, JSON.object(members).bytes(indent: 2))
            default: return (name, bytes)
            }
        }
    }
}
