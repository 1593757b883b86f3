/// Limits on a single request, so that none can cost the server more than it is worth.
public struct RequestLimits: Sendable {
    public var samples = 16
    public var prompts = 2048
    public var messages = 4096
    public var tools = 128
    public var stopStrings = 16
    /// In Unicode scalars per stop string.
    public var stopStringLength = 256
    public var stopTokens = 64
    public var logitBiases = 1024
    public var topLogProbabilities = 20
    public var embeddingInputs = 2048
    public var documents = 1024
    public var cacheSaltLength = 128
    /// Bytes of one text to embed, checked before tokenization: more than any such model can read.
    public var embeddingTextBytes = 1 << 20
    /// Tokens of all texts of an embedding or scoring request.
    public var embeddingTokens = 1 << 20
    /// Tokens to detokenize.
    public var decodedTokens = 1 << 21
    /// Values in the JSON of a body: each takes many times the memory of its text.
    public var jsonValues = 1 << 21
    /// Nesting depth of JSON.
    public var depth = 100
    /// Whether a request may contain its own chat template.
    public var allowsChatTemplate = false

    public init() {}
}
