/// Bounds on what one request may ask for. Whatever passes them costs the server no more than a request can be worth.
public struct RequestLimits: Sendable {
    public var samples = 16
    public var prompts = 2048
    public var messages = 4096
    public var tools = 128
    public var stopStrings = 16
    /// Unicode scalars of one stop string.
    public var stopStringLength = 256
    public var stopTokens = 64
    public var logitBiases = 1024
    public var topLogProbabilities = 20
    public var embeddingInputs = 2048
    public var documents = 1024
    public var cacheSaltLength = 128
    /// Bytes of one text that is to be made a vector of, before it is cut into tokens: more than any such model reads.
    public var embeddingTextBytes = 1 << 20
    /// Tokens of all texts of a request for vectors or scores.
    public var embeddingTokens = 1 << 20
    /// Tokens to be made text again.
    public var decodedTokens = 1 << 21
    /// Values in the JSON of a body: each takes many times the room that it has in the text.
    public var jsonValues = 1 << 21
    /// Levels of JSON.
    public var depth = 100
    /// Whether a request may bring a chat template of its own.
    public var allowsChatTemplate = false

    public init() {}
}
