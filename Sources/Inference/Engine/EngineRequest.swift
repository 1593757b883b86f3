import MartletGrammar

/// What an engine or a generator is asked for.
public struct EngineRequest: Sendable {
    public var prompt: [Int32]
    public var options: GenerationOptions
    /// Log-probabilities of the prompt's tokens: nil for none, 0 for the tokens alone, k for the k most probable too.
    public var promptLogProbabilities: Int?
    /// Requests share computed prompts only with the same salt.
    public var cacheSalt = ""
    /// Replies that are not complete by then end with `FinishReason.deadline`.
    public var deadline: ContinuousClock.Instant?
    public var delivery = Delivery.promptly
    /// For logs.
    public var identifier = ""
    /// Log-probabilities are of the distribution that tokens are drawn from, at its temperature, and not of the model's.
    package var scoresDrawnDistribution = false

    public init(prompt: [Int32], options: GenerationOptions = GenerationOptions()) {
        self.prompt = prompt
        self.options = options
    }
}

extension EngineRequest {
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

    /// When events reach who asked. Each delivery wakes a thread, on a machine whose processors all compute the next step:
    /// fewer of them are faster replies. The events themselves are the same.
    public enum Delivery: Sendable, Equatable {
        /// With the step they come from.
        case promptly
        /// The first token with its step; then what came since the last delivery, no later than this after it, as far as
        /// the time of a step can be foreseen, and always before a step that computes prompts.
        case every(Duration)
        /// All at the end, for who waits for the whole reply.
        case together
    }
}

/// A token of a reply, or the text held back at its end.
public struct GeneratedPiece: Sendable {
    /// Nil in a last piece that only carries text held back. The end-of-sequence token comes too, with no text.
    public var token: Int32?
    /// The characters that became certain; empty in the middle of a character or of what may be a stop string.
    public var text: String
    public var logProbability: TokenLogProbability?

    public init(token: Int32?, text: String, logProbability: TokenLogProbability? = nil) {
        self.token = token
        self.text = text
        self.logProbability = logProbability
    }
}

/// How probable the model found a token, before penalties, temperature and grammar.
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
    /// Natural logarithm.
    public var logProbability: Float
    /// The most probable tokens, falling, the lower id first among equals.
    public var top: [Alternative]

    public init(token: Int32, logProbability: Float, top: [Alternative] = []) {
        self.token = token
        self.logProbability = logProbability
        self.top = top
    }
}

/// What happens to a request.
public enum EngineEvent: Sendable {
    /// The prompt is being computed; `cachedTokens` of it were there already.
    case started(cachedTokens: Int, promptTokens: Int)
    /// One element for each token of the prompt, nil for the first, before any token of the reply.
    case prompt([TokenLogProbability?])
    case token(sample: Int, GeneratedPiece)
    case finished(sample: Int, FinishReason, GenerationStatistics)

    var isToken: Bool { if case .token = self { true } else { false } }
}

/// The events of one request, up to the `finished` of its last sample. It holds at most one reply's worth of events.
/// Leaving the loop, or cancelling the task, stops the computation with the step that is under way.
public struct EngineReply: AsyncSequence, Sendable {
    public typealias Element = EngineEvent
    /// The same events in the portions they come in, for who has something to do once a portion.
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

    /// Stops the computation; the samples end with `FinishReason.cancelled`.
    public func cancel() { cancelled.set() }
}

/// Why a request is not taken.
public enum EngineError: Error, Sendable, Equatable, CustomStringConvertible {
    /// As many requests wait as may.
    case overloaded(retryAfterSeconds: Double)
    /// The prompt leaves no room in the context for what is asked.
    case contextExceeded(tokens: Int, maximumTokens: Int?, limit: Int)
    case shuttingDown

    public var description: String {
        switch self {
        case .overloaded(let seconds): "too many requests wait; try again in \(Int(seconds.rounded(.up))) s"
        case .contextExceeded(let tokens, let maximum, let limit):
            "the prompt has \(tokens) tokens" + (maximum.map { " and \($0) are asked for" } ?? "")
                + "; the context holds \(limit)"
        case .shuttingDown: "the engine is shutting down"
        }
    }
}
