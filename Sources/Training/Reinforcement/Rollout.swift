import MartletInference
import MartletModels
import MartletTensor

/// One reply the model wrote while it was trained.
public struct Rollout: Sendable {
    public let prompt: [Int32]
    /// With the end token, when it came to one.
    public let reply: [Int32]
    /// log p of each token of the reply under the model that wrote it, at temperature 1.
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
            for (index, prompt) in prompts.enumerated() {
                guard !prompt.isEmpty, prompt.count < decoder.configuration.contextLength else {
                    throw ModelError.contextExceeded(
                        tokens: prompt.count, limit: decoder.configuration.contextLength)
                }
                let first = KVCache(decoder.configuration, precision: .exact)
                let hidden = try decoder.hiddenStates(
                    prompt, [DecoderSequence(rows: 0..<prompt.count, cache: first)])
                let logits = try decoder.logits(hidden.leadingRows(prompt.count - 1, count: 1))
                for copy in 0..<copies {
                    let cache = copy == copies - 1 ? first : first.fork()
                    var sequence = Sequence(
                        prompt: prompt, cache: cache,
                        stream: RandomStream(seed: seed, stream: UInt64(index * copies + copy)))
                    choose(logits.floats, &sequence)
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
                let logits = try decoder.logits(decoder.hiddenStates(tokens, parts))
                let width = logits.shape[1]
                for (row, index) in active.enumerated() { choose(logits.floats + row * width, &sequences[index]) }
            }
            return sequences.map {
                Rollout(
                    prompt: $0.prompt, reply: $0.reply, logProbabilities: $0.logProbabilities, isFinished: $0.isFinished
                )
            }
        }
    }

    private func isDone(_ sequence: Sequence) -> Bool {
        sequence.isFinished || sequence.reply.count >= maximumTokens
            || sequence.prompt.count + sequence.reply.count >= decoder.configuration.contextLength
    }

    /// Draws the next token and notes its probability.
    private func choose(_ logits: UnsafePointer<Float>, _ sequence: inout Sequence) {
        let count = decoder.configuration.vocabularySize
        var largest = -Float.infinity, best = 0
        for index in 0..<count where logits[index] > largest { (largest, best) = (logits[index], index) }
        let token: Int
        if temperature == 0 {
            token = best
        } else {
            var total = 0.0
            for index in 0..<count { total += exponential(Double(logits[index] - largest) / temperature) }
            var rest = sequence.stream.nextUniform() * total
            var chosen = best
            for index in 0..<count {
                rest -= exponential(Double(logits[index] - largest) / temperature)
                if rest < 0 {
                    chosen = index
                    break
                }
            }
            token = chosen
        }
        var partition = 0.0
        for index in 0..<count { partition += exponential(Double(logits[index] - largest)) }
        sequence.reply.append(Int32(token))
        sequence.logProbabilities.append(Float(Double(logits[token] - largest) - logarithm(partition)))
        if endTokens.contains(Int32(token)) { sequence.isFinished = true }
    }
}
