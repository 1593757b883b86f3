import MartletJSON
import MartletTokenizers

/// A byte-level tokenizer without merges, made in memory.
enum ByteTokenizer {
    static func make(special: [String], end: String) throws -> Tokenizer {
        // GPT-2's letters for bytes: printable ones stand for themselves, the others follow from U+0100 on.
        var vocabulary: [JSONObject.Element] = [], others = 0
        for byte in 0..<256 {
            let isPrintable = (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte)
            let scalar = isPrintable ? byte : 256 + others
            if !isPrintable { others += 1 }
            let letter = UnicodeScalar(scalar).map { String($0) } ?? ""
            vocabulary.append((letter, .integer(Int64(byte))))
        }
        let added: [JSON] = special.enumerated().map { index, text in
            [
                "id": .integer(Int64(256 + index)), "content": .string(text), "special": true, "single_word": false,
                "lstrip": false, "rstrip": false, "normalized": false,
            ]
        }
        let file: JSON = [
            "version": "1.0", "added_tokens": .array(added), "normalizer": .null,
            "pre_tokenizer": ["type": "ByteLevel", "add_prefix_space": false, "use_regex": true],
            "post_processor": .null, "decoder": ["type": "ByteLevel"],
            "model": ["type": "BPE", "vocab": .object(JSONObject(vocabulary)), "merges": []],
        ]
        return try Tokenizer(json: file, configuration: ["eos_token": .string(end)])
    }
}
