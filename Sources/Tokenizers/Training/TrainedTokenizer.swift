import MartletJSON

/// The result of training: the contents of `tokenizer.json` and `tokenizer_config.json`.
public struct TrainedTokenizer: Sendable {
    /// Tokens in order of id, in the file's spelling.
    public internal(set) var tokens: [String]
    /// The BPE merges in order, in the file's spelling; empty for other models.
    public internal(set) var merges: [Merge] = []
    /// The total count of words that were dropped because of the memory limit.
    public internal(set) var forgottenWords = 0
    /// The contents of `tokenizer.json`, which the `tokenizers` library can read too.
    public internal(set) var json: JSON
    /// The special tokens with a role for the model; written to `tokenizer_config.json`.
    public var roles: Roles
    /// The chat template in Jinja; written to `tokenizer_config.json`.
    public var chatTemplate: String?

    public struct Merge: Sendable, Hashable {
        public var left: String
        public var right: String
    }

    /// The special tokens for beginning and end of sequence, padding and unknown text.
    public struct Roles: Sendable, Equatable {
        public var begin: String?
        public var end: String?
        public var pad: String?
        public var unknown: String?

        public init(begin: String? = nil, end: String? = nil, pad: String? = nil, unknown: String? = nil) {
            self.begin = begin
            self.end = end
            self.pad = pad
            self.unknown = unknown
        }
    }

    /// The contents of `tokenizer_config.json`.
    public var configuration: JSON {
        var members: [(String, JSON)] = [("tokenizer_class", "PreTrainedTokenizerFast")]
        for (key, token) in [
            ("bos_token", roles.begin), ("eos_token", roles.end), ("pad_token", roles.pad),
            ("unk_token", roles.unknown),
        ] {
            if let token { members.append((key, .string(token))) }
        }
        members.append(("clean_up_tokenization_spaces", false))
        if let chatTemplate { members.append(("chat_template", .string(chatTemplate))) }
        return .object(JSONObject(members.map { (key: $0.0, value: $0.1) }))
    }

    /// The files of a folder that `Tokenizer(folder:)` and transformers can read, by name.
    public var files: [(name: String, bytes: [UInt8])] {
        [
            ("tokenizer.json", json.bytes(indent: 2) + [0x0A]),
            ("tokenizer_config.json", configuration.bytes(indent: 2) + [0x0A]),
        ]
    }

    /// Sets the ChatML template: replies end with `<|im_end|>`, and `<|endoftext|>`, if it exists, is the padding
    /// token.
    public mutating func adoptChatMarkup() throws(TokenizerTrainingError) {
        for token in [ChatMarkup.start, ChatMarkup.end] where !tokens.contains(token) {
            throw .setting("specialTokens", found: "without \(token)", expected: "it among them, for conversations")
        }
        chatTemplate = ChatMarkup.template
        roles.begin = nil
        roles.end = ChatMarkup.end
        if roles.pad == nil, tokens.contains(ChatMarkup.document) { roles.pad = ChatMarkup.document }
    }

    /// Creates the trained tokenizer.
    public func tokenizer() throws(TokenizerError) -> Tokenizer {
        try Tokenizer(json: json, configuration: configuration)
    }
}

extension TrainedTokenizer {
    /// - Parameters:
    ///   - specials: the special tokens with their ids.
    ///   - parts: normaliser, pre-tokenizer, template, decoder and model, as in `tokenizer.json`.
    init(
        tokens: [String], specials: [(id: Int32, content: String)], roles: Roles,
        normalizer: JSON = .null, preTokenizer: JSON, postProcessor: JSON = .null, decoder: JSON, model: JSON
    ) {
        self.tokens = tokens
        self.roles = roles
        let added = specials.sorted { $0.id < $1.id }.map { special -> JSON in
            [
                "id": .integer(Int64(special.id)), "content": .string(special.content), "single_word": false,
                "lstrip": false, "rstrip": false, "normalized": false, "special": true,
            ]
        }
        json = [
            "version": "1.0", "truncation": .null, "padding": .null, "added_tokens": .array(added),
            "normalizer": normalizer, "pre_tokenizer": preTokenizer, "post_processor": postProcessor,
            "decoder": decoder, "model": model,
        ]
    }

    /// `{"token": id}`, in order of id.
    static func vocabulary(_ tokens: [String]) -> JSON {
        .object(JSONObject(tokens.enumerated().map { (key: $1, value: .integer(Int64($0))) }))
    }
}

extension TrainedTokenizer.Roles {
    /// The roles that follow from the usual names.
    static func guessed(among specials: [String]) -> Self {
        func first(_ names: String...) -> String? { names.first(where: specials.contains) }
        let end = first("<|endoftext|>", "</s>", "<|end_of_text|>", "<eos>", "[SEP]")
        return Self(
            begin: first("<|bos|>", "<s>", "<|begin_of_text|>", "<bos>", "[CLS]")
                ?? (end == "<|endoftext|>" ? end : nil),
            end: end, pad: first("<|pad|>", "<pad>", "[PAD]"), unknown: first("<unk>", "[UNK]"))
    }
}
