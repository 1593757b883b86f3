/// The tokenizer metadata of a GGUF file: the `tokenizer.*` keys, unchanged.
public struct GGUFTokenizerMetadata: Sendable, Equatable {
    /// `tokenizer.ggml.token_type`
    public enum TokenType: Int32, Sendable {
        case undefined = 0
        case normal, unknown, control, userDefined, unused, byte
    }

    /// `tokenizer.ggml.model`: "gpt2", "llama", "bert", "t5", "gemma4", …
    public var model: String
    /// `tokenizer.ggml.pre`: the name of a byte-level BPE's pre-tokenizer.
    public var pre: String?
    /// `tokenizer.ggml.tokens`, as bytes: they need not be UTF-8.
    public var tokens: [[UInt8]]
    /// `tokenizer.ggml.scores`
    public var scores: [Float] = []
    /// `tokenizer.ggml.token_type`
    public var tokenTypes: [Int32] = []
    /// `tokenizer.ggml.merges`: "a b"
    public var merges: [String] = []
    public var bosID: Int32?
    public var eosID: Int32?
    /// `tokenizer.ggml.eot_token_id`: end of turn.
    public var eotID: Int32?
    /// `tokenizer.ggml.eom_token_id`: end of a message that is followed by another one of the same turn.
    public var eomID: Int32?
    public var unknownID: Int32?
    public var padID: Int32?
    public var separatorID: Int32?
    public var classID: Int32?
    public var maskID: Int32?
    /// nil: the default of the model type.
    public var addsBOS: Bool?
    public var addsEOS: Bool?
    public var addsSeparator: Bool?
    public var addsSpacePrefix: Bool?
    public var removesExtraWhitespaces: Bool?
    /// `tokenizer.ggml.normalizer.lowercase` and `.strip_accents` of a "bert"; nil: inferred from the vocabulary.
    public var lowercases: Bool?
    public var stripsAccents: Bool?
    /// `tokenizer.ggml.precompiled_charsmap`
    public var charsMap: [UInt8] = []
    /// `tokenizer.chat_template` as "default", `tokenizer.chat_template.NAME` as NAME.
    public var chatTemplates: [String: String] = [:]

    public init(model: String, tokens: [[UInt8]]) {
        self.model = model
        self.tokens = tokens
    }
}
