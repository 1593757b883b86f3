import MartletChat
import MartletInference
import MartletJSON

/// What any dialect asks of a model that writes text: one type, so that what follows knows no dialect.
///
/// A value holds what the request says; what it leaves out (nil) is the server's or the model's to say. Everything that
/// can be checked without a model has been; `GenerationPlan` does the rest.
public struct GenerationRequest: Sendable {
    /// Where a reply's shape comes from.
    public enum Dialect: Sendable, Equatable {
        case chatCompletions, completions, responses, messages, ollamaChat, ollamaGenerate, llamaCompletion
        case textGeneration
    }

    public enum Input: Sendable {
        case conversation(Conversation)
        /// Prompts to continue; each gets `samples` replies.
        case prompts([Prompt])
        /// A gap to fill in.
        case infill(Infill)
    }

    public enum Prompt: Sendable, Equatable {
        case text(String)
        case tokens([Int32])
    }

    public var dialect: Dialect
    /// The model asked for; nil leaves it to the server.
    public var model: String?
    /// How much of which of the server's adapters this request gets, by their places in the server's list; the others give
    /// nothing. Nil leaves it to the server.
    public var adapterScales: [(id: Int, scale: Double)]?
    public var input: Input
    public var sampling = SamplingSettings()
    public var stopping = StoppingSettings()
    /// Replies to each prompt.
    public var samples = 1
    /// Nil: none; 0: those of the chosen tokens; k: and of the k most probable.
    public var logProbabilities: Int?
    /// As above, for the prompt's tokens.
    public var promptLogProbabilities: Int?
    /// The prompt stands before the reply.
    public var echoesPrompt = false
    public var constraint: ConstraintSource?
    /// Whether replies are searched for with beams; nil leaves it to the model: an encoder-decoder's files may recommend it.
    public var beamSearch: BeamSearch?
    /// Of encoder-decoders: the languages of prompt and reply, as the model calls them.
    public var sourceLanguage, targetLanguage: String?
    public var tools = ToolSettings()
    public var reasoning = ReasoningSettings()
    /// Nil: the reply comes whole.
    public var stream: StreamSettings?
    /// Keeps only so many tokens of a prompt; nil refuses prompts that do not fit.
    public var truncation: Truncation?
    /// Whether a conversation that does not fit loses its oldest turns; system messages and the last turn stay.
    public var dropsOldestTurns = false
    /// Tokens that prompt and reply may have together, where that is less than the model's context (Ollama's `num_ctx`).
    public var contextLength: Int?
    /// Token ids go with the text.
    public var returnsTokens = false
    /// Tokens are written as `token_id:123`.
    public var spellsTokensAsIDs = false
    /// Whether special tokens are put around a prompt; nil: around text, but not around a conversation.
    public var addsSpecialTokens: Bool?
    /// Prompts with different salts share nothing in the cache.
    public var cacheSalt = ""
    public var user: String?
    /// The caller's own notes, which a reply may repeat.
    public var metadata = JSONObject()
    public var requestID: String?
    /// Seconds to keep the model after this request; negative keeps it for good.
    public var keepAliveSeconds: Double?
    /// Nothing is to be generated: the model is to be there.
    public var loadsOnly = false
    /// The shape of text-generation-inference's reply, and whether it tells of each token.
    public var textGenerationForm = TextGenerationForm.one
    public var hasTextGenerationDetails = false
    /// Of a stored response that this one goes on from.
    public var previousResponseID: String?
    /// Whether the response may be kept for later requests.
    public var isStored = true
    /// The conversation's items as they came, for a response that is kept.
    public var inputItems: [JSON] = []
    /// What the request says besides the conversation, which a response that goes on from it does not take over.
    public var instructions: String?
    /// Members of the request that nothing read, for a log.
    public var unknownFields: [String] = []

    public init(dialect: Dialect, input: Input) {
        self.dialect = dialect
        self.input = input
    }
}

extension GenerationRequest {
    /// vLLM's `use_beam_search`.
    public enum BeamSearch: Sendable, Equatable {
        case off
        case on(BeamSearchOptions)
    }
}

/// A conversation and how it becomes a prompt.
public struct Conversation: Sendable {
    public var messages: [ChatMessage]
    public var documents: [JSON]?
    /// Ends the prompt with what opens the assistant's reply.
    public var addsGenerationPrompt = true
    /// Ends the prompt inside the final message.
    public var continuesFinalMessage = false
    /// More variables for the template.
    public var templateVariables = JSONObject()
    /// A template to use instead of the model's.
    public var template: String?

    public init(_ messages: [ChatMessage]) { self.messages = messages }
}

/// How tokens are drawn, as far as the request says.
public struct SamplingSettings: Sendable, Equatable {
    public var temperature: Float?
    public var topK: Int?
    public var topP: Float?
    public var minP: Float?
    public var typicalP: Float?
    public var repetitionPenalty: Float?
    /// Penalties count the last so many tokens; nil counts all.
    public var penaltyWindow: Int?
    public var presencePenalty: Float?
    public var frequencyPenalty: Float?
    public var logitBias: [Int32: Float] = [:]
    public var allowedTokens: [Int32]?
    public var seed: UInt64?

    public init() {}
}

/// What ends a reply.
public struct StoppingSettings: Sendable, Equatable {
    public var maximumTokens: Int?
    /// Nothing ends the reply before so many tokens.
    public var minimumTokens = 0
    /// The stop string that ended a reply is part of it.
    public var includesStopString = false
    public var strings: [String] = []
    public var tokens: Set<Int32> = []
    public var ignoresEndOfSequence = false
    public var skipsSpecialTokens = true
    /// Nil lets a reply go round in circles.
    public var repetitionDetection: RepetitionDetection?

    public init() {}
}

public struct StreamSettings: Sendable, Equatable {
    /// One more event with the usage.
    public var includesUsage = false
    /// The usage so far in every event.
    public var hasContinuousUsage = false
    /// `timings` in every event.
    public var hasTimings = false

    public init() {}
}

public struct Truncation: Sendable, Equatable {
    /// −1: as many as fit.
    public var tokens: Int
    /// The end is kept, or the beginning.
    public var keepsEnd: Bool

    public init(tokens: Int, keepsEnd: Bool = true) {
        self.tokens = tokens
        self.keepsEnd = keepsEnd
    }
}

public struct ReasoningSettings: Sendable, Equatable {
    public enum Effort: String, Sendable, CaseIterable { case none, minimal, low, medium, high, xhigh, max }

    public var effort: Effort?
    /// Whether the model may think before it answers; nil leaves it to the template.
    public var isEnabled: Bool?
    /// Whether thinking is told apart from the answer.
    public var isSplit = true
    /// Whether thinking is part of the reply.
    public var isIncluded = true

    public init() {}
}
