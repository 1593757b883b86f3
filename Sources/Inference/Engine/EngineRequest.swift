import MartletGrammar

/// A request to an engine or a generator.
public struct EngineRequest: Sendable {
    public var prompt: [Int32]
    public var options: GenerationOptions
    /// Log-probabilities of the prompt's tokens: nil for none, 0 for the tokens only, k for the k most probable ones
    /// too.
    public var promptLogProbabilities: Int?
    /// Requests share cached prefixes only if their salts are equal.
    public var cacheSalt = ""
    /// A reply that is not complete at this time ends with `FinishReason.deadline`.
    public var deadline: ContinuousClock.Instant?
    public var delivery = Delivery.promptly
    /// An identifier for logs, the same for all prompts of one client's request.
    public var identifier = ""
    /// Whether log-probabilities refer to the sampling distribution (with temperature) instead of the model's
    /// distribution.
    package var scoresDrawnDistribution = false

    public init(prompt: [Int32], options: GenerationOptions = GenerationOptions()) {
        self.prompt = prompt
        self.options = options
    }
}

extension EngineRequest {
    /// Of its keys and values: they belong to the adapter they were computed with.
    var prefixSalt: String { options.adapter.map { cacheSalt + $0.salt } ?? cacheSalt }

    /// How many replies there will be.
    var replies: Int { options.beams?.returnedCount ?? samples }

    /// `options.samples`.
    public var samples: Int {
        get { options.samples }
        set { options.samples = newValue }
    }
    /// `options.topLogProbabilities`.
    public var topLogProbabilities: Int? {
        get { options.topLogProbabilities }
        set { options.topLogProbabilities = newValue }
    }
    /// `options.constraint`.
    public var constraint: (any TokenConstraint)? {
        get { options.constraint }
        set { options.constraint = newValue }
    }

    /// When events are delivered to the caller. Every delivery wakes a thread while all processors compute the next
    /// step, so fewer deliveries make replies faster. The events themselves are the same.
    public enum Delivery: Sendable, Equatable {
        /// After the step that produced them.
        case promptly
        /// The first token after its step; later events at intervals of at most this duration, as far as the time of a
        /// step can be predicted, and always before a step that computes prompts.
        case every(Duration)
        /// All at the end, for callers that wait for the whole reply.
        case together
    }
}

/// A token of a reply, or text that was held back until the end.
public struct GeneratedPiece: Sendable {
    /// Nil in a last piece with held-back text only. The end-of-sequence token is included, without text.
    public var token: Int32?
    /// The characters that are complete; empty inside a character or inside a possible stop string.
    public var text: String
    public var logProbability: TokenLogProbability?

    public init(token: Int32?, text: String, logProbability: TokenLogProbability? = nil) {
        self.token = token
        self.text = text
        self.logProbability = logProbability
    }
}

/// The model's log-probability of a token, before penalties, temperature and grammar.
public struct TokenLogProbability: Sendable {
    public struct Alternative: Sendable, Equatable {
        public var token: Int32
        public var logProbability: Float

        public init(token: Int32, logProbability: Float) {
            self.token = token
            self.logProbability = logProbability
        }
    }
    public var token: Int32
    /// The natural logarithm of the probability.
    public var logProbability: Float
    /// The most probable tokens in descending order, the lower id first among equals.
    public var top: [Alternative]

    public init(token: Int32, logProbability: Float, top: [Alternative] = []) {
        self.token = token
        self.logProbability = logProbability
        self.top = top
    }
}

/// An event of a request.
public enum EngineEvent: Sendable {
    /// The prompt is being computed; `cachedTokens` of its tokens were in the prefix cache.
    case started(cachedTokens: Int, promptTokens: Int)
    /// One element per prompt token, nil for the first; before any token of the reply.
    case prompt([TokenLogProbability?])
    case token(sample: Int, GeneratedPiece)
    case finished(sample: Int, FinishReason, GenerationStatistics)

    var isToken: Bool { if case .token = self { true } else { false } }
}

/// The events of one request, up to `finished` of its last sample. It buffers at most one reply. Leaving the loop, or
/// cancelling the task, cancels the request after the current step.
public struct EngineReply: AsyncSequence, Sendable {
    public typealias Element = EngineEvent
    /// The same events in the batches in which they are delivered.
    public let deliveries: AsyncThrowingStream<[EngineEvent], any Error>
    let cancelled: CancellationFlag

    public struct Iterator: AsyncIteratorProtocol {
        fileprivate var deliveries: AsyncThrowingStream<[EngineEvent], any Error>.Iterator
        fileprivate var delivery: ArraySlice<EngineEvent> = []

        public mutating func next() async throws -> EngineEvent? {
            while delivery.isEmpty {
                guard let next = try await deliveries.next() else { return nil }
                delivery = next[...]
            }
            return delivery.removeFirst()
        }
    }

    public func makeAsyncIterator() -> Iterator { Iterator(deliveries: deliveries.makeAsyncIterator()) }

    /// Cancels the request; its samples end with `FinishReason.cancelled`.
    public func cancel() { cancelled.set() }
}

/// Why a request is refused.
public enum EngineError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The queue of waiting requests is full.
    case overloaded(retryAfterSeconds: Double)
    /// Prompt and reply do not fit the context.
    case contextExceeded(tokens: Int, maximumTokens: Int?, limit: Int)
    case shuttingDown

    public var description: String {
        switch self {
        case .overloaded(let seconds): "too many requests are waiting; try again in \(Int(seconds.rounded(.up))) s"
        case .contextExceeded(let tokens, let maximum, let limit):
            "the prompt has \(tokens) tokens" + (maximum.map { " and \($0) are asked for" } ?? "")
                + "; the context holds \(limit)"
        case .shuttingDown: "the engine is shutting down"
        }
    }
}
