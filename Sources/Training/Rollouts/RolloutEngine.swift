import MartletInference
import MartletModels
import MartletNN
import MartletTensor

/// One reply the model wrote while it was trained.
public struct Rollout: Sendable {
    public let prompt: [Int32]
    /// With the end token, when it came to one. Where tools were called, all turns: what the model wrote, and what it was told.
    public let reply: [Int32]
    /// Whether each token of the reply was drawn; nil: all were. What a tool said is read, and not learnt.
    public let isDrawn: [Bool]?
    /// Where the last turn begins in the reply.
    public let lastTurn: Int
    /// log p of each token of the reply under the distribution it was drawn from: the model's that wrote it, at the
    /// temperature of the drawing (1 for greedy replies). Training computes the same hidden states, to the bit
    /// (`Pass.attendsInPages`), so the two differ by the rounding of a logarithm at most (the metric `rollout_difference`).
    public let logProbabilities: [Float]
    public let isFinished: Bool

    /// Tokens that were drawn.
    public var drawnCount: Int { isDrawn?.count { $0 } ?? reply.count }

    /// - Parameters:
    ///   - logProbabilities: of each token of the reply; of those that were not drawn 0.
    ///   - isDrawn: nil: all were.
    public init(
        prompt: [Int32], reply: [Int32], logProbabilities: [Float], isFinished: Bool, isDrawn: [Bool]? = nil,
        lastTurn: Int = 0
    ) {
        self.isDrawn = isDrawn
        self.lastTurn = lastTurn
        self.prompt = prompt
        self.reply = reply
        self.logProbabilities = logProbabilities
        self.isFinished = isFinished
    }
}

/// Writes many replies side by side with the decoder in training, by the `Generator` that serving drives.
public struct RolloutEngine {
    public let decoder: Decoder
    public let endTokens: Set<Int32>
    public var maximumTokens: Int
    public var temperature: Double
    /// `.exact` is what training computes with; `.fast` writes texts of which nothing else is asked.
    public var precision = Precision.exact
    /// Samples of a request at most; larger groups are several requests, which share the prompt all the same.
    private static let samplesOfARequest = 128

    public init(decoder: Decoder, endTokens: Set<Int32>, maximumTokens: Int, temperature: Double = 1) {
        self.decoder = decoder
        self.endTokens = endTokens
        self.maximumTokens = maximumTokens
        self.temperature = temperature
    }

    fileprivate struct Reply {
        var tokens: [Int32] = []
        var logProbabilities: [Float] = []
        var isFinished = false
    }

    /// `copies` replies to each prompt, in order. A reply depends on its prompt, the two's numbers and `seed` alone, not on
    /// what is written beside it; temperature 0 takes the likeliest token. A prompt is computed once for its copies.
    public func replies(to prompts: [[Int32]], copies: Int, seed: UInt64) throws -> [Rollout] {
        let limit = decoder.configuration.contextLength
        for prompt in prompts where prompt.isEmpty || prompt.count >= limit {
            throw ModelError.contextExceeded(tokens: prompt.count, limit: limit)
        }
        var options = EngineOptions()
        options.tokensPerStep = 512
        // Only the whole replies are waited for.
        options.promptTime = .seconds(3600)
        options.maximumRunning = options.tokensPerStep
        // Within a request the prompt is shared anyway.
        options.keepsPrefixes = copies > Self.samplesOfARequest
        var replies = [Reply](repeating: Reply(), count: prompts.count * copies)
        var failure: (any Error)?
        try noGrad {
            let generator = try Generator(decoder, nil, precision: precision, endTokens: endTokens, options)
            for (index, prompt) in prompts.enumerated() {
                var stream = RandomStream(seed: seed, stream: UInt64(index))
                let first = stream.next()
                for start in stride(from: 0, to: copies, by: Self.samplesOfARequest) {
                    var request = EngineRequest(prompt: prompt)
                    request.options.maximumTokens = min(maximumTokens, limit - prompt.count)
                    request.options.sampling.temperature = Float(temperature)
                    request.options.sampling.seed = first &+ UInt64(start)
                    request.options.topLogProbabilities = 0
                    request.scoresDrawnDistribution = true
                    request.samples = min(Self.samplesOfARequest, copies - start)
                    request.delivery = .together
                    let place = index * copies + start
                    try generator.submit(request) { output in
                        switch output {
                        case .events(let events): for event in events { replies.take(event, from: place) }
                        case .failed(let error): failure = failure ?? error
                        case .finished: break
                        }
                    }
                }
            }
            while failure == nil, generator.step() {}
        }
        if let failure { throw failure }
        return replies.enumerated().map { place, reply in
            Rollout(
                prompt: prompts[place / copies], reply: reply.tokens, logProbabilities: reply.logProbabilities,
                isFinished: reply.isFinished)
        }
    }
}

extension [RolloutEngine.Reply] {
    fileprivate mutating func take(_ event: EngineEvent, from place: Int) {
        switch event {
        case .token(let sample, let piece):
            guard let token = piece.token else { return }
            self[place + sample].tokens.append(token)
            self[place + sample].logProbabilities.append(piece.logProbability?.logProbability ?? .nan)
        case .finished(let sample, let reason, _): self[place + sample].isFinished = reason == .stop
        case .started, .prompt: break
        }
    }
}
