import MartletInference
import MartletModels
import MartletTensor

/// One reply the model wrote while it was trained.
public struct Rollout: Sendable {
    public let prompt: [Int32]
    /// With the end token, when it came to one.
    public let reply: [Int32]
    /// log p of each token of the reply under the distribution it was drawn from: the model's that wrote it, at the
    /// temperature of the drawing (1 for greedy replies).
    public let logProbabilities: [Float]
    public let isFinished: Bool

    public init(prompt: [Int32], reply: [Int32], logProbabilities: [Float], isFinished: Bool) {
        self.prompt = prompt
        self.reply = reply
        self.logProbabilities = logProbabilities
        self.isFinished = isFinished
    }
}

/// Writes many replies side by side with the decoder in training.
public struct RolloutEngine {
    public let decoder: Decoder
    public let endTokens: Set<Int32>
    public var maximumTokens: Int
    public var temperature: Double

    public init(decoder: Decoder, endTokens: Set<Int32>, maximumTokens: Int, temperature: Double = 1) {
        self.decoder = decoder
        self.endTokens = endTokens
        self.maximumTokens = maximumTokens
        self.temperature = temperature
    }

    private struct Sequence {
        let prompt: [Int32]
        let cache: KVCache
        var stream: RandomStream
        var reply: [Int32] = []
        var logProbabilities: [Float] = []
        var isFinished = false
    }

    /// `copies` replies to each prompt, in order. A reply depends on its prompt, its number and `seed` alone, not on
    /// what is written beside it; temperature 0 takes the likeliest token.
    public func replies(to prompts: [[Int32]], copies: Int, seed: UInt64) throws -> [Rollout] {
        try noGrad {
            var sequences: [Sequence] = []
            for prompt in prompts {
                guard !prompt.isEmpty, prompt.count < decoder.configuration.contextLength else {
                    throw ModelError.contextExceeded(
                        tokens: prompt.count, limit: decoder.configuration.contextLength)
                }
            }
            // All prompts at once, each computed a single time for its copies.
            var parts: [DecoderSequence] = [], tokens: [Int32] = [], ends: [Int64] = []
            for prompt in prompts {
                let cache = KVCache(decoder.configuration, precision: .exact)
                parts.append(DecoderSequence(rows: tokens.count..<tokens.count + prompt.count, cache: cache))
                tokens += prompt
                ends.append(Int64(tokens.count - 1))
            }
            let hidden = try decoder.hiddenStates(tokens, parts)
            var chances = try TokenChances(decoder.logits(hidden.take(rows: Tensor(ends))), temperature)
            for (index, prompt) in prompts.enumerated() {
                for copy in 0..<copies {
                    let cache = copy == copies - 1 ? parts[index].cache : parts[index].cache.fork()
                    var sequence = Sequence(
                        prompt: prompt, cache: cache,
                        stream: RandomStream(seed: seed, stream: UInt64(index * copies + copy)))
                    choose(chances, index, &sequence)
                    sequences.append(sequence)
                }
            }
            while true {
                let active = sequences.indices.filter { !isDone(sequences[$0]) }
                guard !active.isEmpty else { break }
                let parts = active.enumerated().map { row, index in
                    DecoderSequence(rows: row..<row + 1, cache: sequences[index].cache)
                }
                let tokens = active.compactMap { sequences[$0].reply.last }
                chances = try TokenChances(decoder.logits(decoder.hiddenStates(tokens, parts)), temperature)
                for (row, index) in active.enumerated() { choose(chances, row, &sequences[index]) }
            }
            return sequences.map {
                Rollout(
                    prompt: $0.prompt, reply: $0.reply, logProbabilities: $0.logProbabilities,
                    isFinished: $0.isFinished)
            }
        }
    }

    private func isDone(_ sequence: Sequence) -> Bool {
        sequence.isFinished || sequence.reply.count >= maximumTokens
            || sequence.prompt.count + sequence.reply.count >= decoder.configuration.contextLength
    }

    /// Draws the next token and notes its probability.
    private func choose(_ chances: TokenChances, _ row: Int, _ sequence: inout Sequence) {
        let token = temperature == 0 ? chances.likeliest(row) : chances.token(row, at: sequence.stream.nextUniform())
        sequence.reply.append(Int32(token))
        sequence.logProbabilities.append(chances.logProbability(row, token))
        if endTokens.contains(Int32(token)) { sequence.isFinished = true }
    }
}

/// The distributions of the next tokens, a row each.
private struct TokenChances {
    /// log softmax(logits / T): what training is to find again. At temperature 0, with T = 1.
    private let logProbabilities: [Float]
    /// softmax(logits / T); of no use at temperature 0.
    private let probabilities: [Float]
    private let width: Int

    init(_ logits: Tensor, _ temperature: Double) throws {
        width = logits.shape[1]
        let isPlain = temperature == 0 || temperature == 1
        let scaled = isPlain ? logits : try logits * (1 / temperature)
        logProbabilities = try scaled.logSoftmax(axis: -1).toArray()
        probabilities = try scaled.softmax(axis: -1).toArray()
    }

    func logProbability(_ row: Int, _ token: Int) -> Float { logProbabilities[row * width + token] }

    func likeliest(_ row: Int) -> Int {
        let first = row * width
        return (0..<width).reduce(0) { logProbabilities[first + $1] > logProbabilities[first + $0] ? $1 : $0 }
    }

    /// The token that a number in 0..<1 falls on, when all lie side by side in the length of their probability.
    func token(_ row: Int, at position: Double) -> Int {
        var rest = position
        for index in 0..<width {
            rest -= Double(probabilities[row * width + index])
            if rest < 0 { return index }
        }
        // What rounding leaves beyond the last.
        return likeliest(row)
    }
}
