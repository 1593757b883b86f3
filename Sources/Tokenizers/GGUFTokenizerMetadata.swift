/// What the metadata of a GGUF file says about its tokenizer: the `tokenizer.*` keys, as they are.
public struct GGUFTokenizerMetadata: Sendable, Equatable {
    /// `tokenizer.ggml.token_type`
    public enum TokenType: Int32, Sendable {
        case undefined = 0
        case normal, unknown, control, userDefined, unused, byte
    }

    /// `tokenizer.ggml.model`: "gpt2", "llama", "bert", "t5", "gemma4", …
    public var model: String
    /// `tokenizer.ggml.pre`: which cuts a byte-level BPE makes.
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
    /// `tokenizer.ggml.eot_token_id`: the end of a turn.
    public var eotID: Int32?
    /// `tokenizer.ggml.eom_token_id`: the end of a message after which the same turn goes on.
    public var eomID: Int32?
    public var unknownID: Int32?
    public var padID: Int32?
    public var separatorID: Int32?
    public var classID: Int32?
    public var maskID: Int32?
    /// nil: as the model's kind usually does.
    public var addsBOS: Bool?
    public var addsEOS: Bool?
    public var addsSeparator: Bool?
    public var addsSpacePrefix: Bool?
    public var removesExtraWhitespaces: Bool?
    /// `tokenizer.ggml.normalizer.lowercase` and `.strip_accents` of a "bert"; nil: as the vocabulary looks.
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
