import MartletFormats
import MartletJSON

/// A byte-level BPE that knows printable ASCII, the line feed, and a few merges.
package enum TinyTokenizer {
    package static let specials = ["<|pad|>", "<|im_start|>", "<|im_end|>"]
    package static let end: Int32 = 2

    static let merges = [
        ("t", "h"), ("h", "e"), ("i", "n"), ("e", "r"), ("a", "n"), ("r", "e"), ("o", "n"), ("a", "t"), ("e", "n"),
        ("n", "d"), ("t", "i"), ("e", "s"), ("o", "r"), ("t", "e"), ("o", "f"), ("e", "d"), ("i", "s"), ("i", "t"),
        ("a", "l"), ("a", "r"), ("s", "t"), ("t", "o"), ("n", "t"), ("Ġ", "a"), ("Ġ", "t"), ("Ġ", "s"), ("Ġ", "w"),
        ("Ġt", "he"), ("in", "g"),
    ]

    /// In the order of their ids.
    package static let tokens: [String] = {
        // In GPT-2's spelling of bytes a space is Ġ and a line feed Ċ.
        let alphabet = ["Ċ", "Ġ"] + (0x21...0x7E).map { String(UnicodeScalar(UInt8($0))) }
        return specials + alphabet + merges.map { $0.0 + $0.1 }
    }()

    package static let template = """
        {% for message in messages %}<|im_start|>{{ message.role }}
        {{ message.content }}<|im_end|>
        {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
        {% endif %}
        """

    static var json: JSON {
        var vocabulary = JSONObject()
        for (id, token) in tokens.enumerated() { vocabulary[token] = .integer(Int64(id)) }
        let added: [JSON] = specials.enumerated().map { id, content in
            [
                "id": .integer(Int64(id)), "content": .string(content), "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true,
            ]
        }
        let byteLevel: JSON = [
            "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
        ]
        return [
            "version": "1.0", "truncation": .null, "padding": .null, "added_tokens": .array(added), "normalizer": .null,
            "pre_tokenizer": byteLevel, "post_processor": .null, "decoder": byteLevel,
            "model": [
                "type": "BPE", "dropout": .null, "unk_token": .null, "continuing_subword_prefix": .null,
                "end_of_word_suffix": .null, "fuse_unk": false, "byte_fallback": false,
                "vocab": .object(vocabulary), "merges": .array(merges.map { .string("\($0.0) \($0.1)") }),
            ],
        ]
    }

    static func configuration(hasChatTemplate: Bool) -> JSON {
        var object = JSONObject()
        object["tokenizer_class"] = "PreTrainedTokenizerFast"
        object["eos_token"] = .string(specials[Int(end)])
        object["pad_token"] = .string(specials[0])
        if hasChatTemplate { object["chat_template"] = .string(template) }
        return .object(object)
    }

    static func add(to metadata: inout GGUFMetadata, hasChatTemplate: Bool) {
        let prefix = "tokenizer.ggml."
        metadata[prefix + "model"] = .string("gpt2")
        metadata[prefix + "pre"] = .string("gpt-2")
        metadata[prefix + "tokens"] = .array(GGUFArray(tokens))
        // 1 is a normal token, 3 a control token.
        metadata[prefix + "token_type"] = .array(
            GGUFArray(tokens.indices.map { Int32($0 < specials.count ? 3 : 1) }))
        metadata[prefix + "merges"] = .array(GGUFArray(merges.map { "\($0.0) \($0.1)" }))
        metadata[prefix + "eos_token_id"] = .uint32(UInt32(end))
        if hasChatTemplate { metadata["tokenizer.chat_template"] = .string(template) }
    }

    /// Writes tokenizer.json and tokenizer_config.json into a folder of some other model.
    package static func write(folder: String, hasChatTemplate: Bool = false) throws {
        try AtomicFile.write(folder + "/tokenizer.json", bytes: json.bytes())
        try AtomicFile.write(
            folder + "/tokenizer_config.json", bytes: configuration(hasChatTemplate: hasChatTemplate).bytes(indent: 2))
    }
}
