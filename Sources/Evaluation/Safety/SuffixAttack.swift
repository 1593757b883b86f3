import MartletInference
import MartletModels
import MartletNN
import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A search for tokens after a prompt that make a model begin its reply with a given target (greedy coordinate gradient), to
/// test defences with; at the scale of small models.
///
/// Each step takes the gradient of the target's loss with respect to the one-hot vectors of the suffix, −∂L/∂x · E for every
/// token of the vocabulary, keeps the best `candidates` of every place, tries `batch` random swaps among them, and keeps the
/// best suffix.
///
/// Source: Zou et al. 2023, "Universal and Transferable Adversarial Attacks on Aligned Language Models", algorithm 1.
public struct SuffixAttack: Sendable {
    public struct Options: Sendable {
        public var suffixLength = 8
        public var steps = 50
        public var candidates = 32
        public var batch = 32
        public var seed: UInt64 = 1
        /// Tokens that may stand in a suffix; all by default.
        public var allowed: [Int32]?
        public init() {}
    }

    public private(set) var suffix: [Int32]
    /// −log p of the target, a mean over its tokens: at first and after every step.
    public private(set) var losses: [Double]
    /// Whether greedy decoding gives the target after prompt and suffix.
    public private(set) var isReached = false

    /// - Parameters:
    ///   - prompt: what stands before the suffix.
    ///   - bridge: what stands between suffix and reply, as the end of a chat template.
    /// - Throws: `EvaluationError` for an empty target; `CancellationError`.
    public init(
        _ decoder: Decoder, prompt: [Int32], bridge: [Int32] = [], target: [Int32],
        _ options: Options = .init(), isCancelled: () -> Bool = { false }, progress: (Int, Double) -> Void = { _, _ in }
    ) throws {
        let size = decoder.configuration.vocabularySize
        guard !target.isEmpty, !prompt.isEmpty, options.suffixLength > 0, options.candidates > 0, options.batch > 0,
            (prompt + bridge + target).allSatisfy({ (0..<size).contains(Int($0)) })
        else { throw EvaluationError("suffix attack", "needs a prompt, a target, and a suffix of a token or more") }
        let allowed = options.allowed ?? (0..<Int32(clamping: size)).map { $0 }
        guard let first = allowed.first, allowed.allSatisfy({ (0..<size).contains(Int($0)) }) else {
            throw EvaluationError("suffix attack", "no token may stand in a suffix")
        }
        suffix = [Int32](repeating: first, count: options.suffixLength)
        let table = try decoder.lossTable()  // [vocabulary, hidden]
        var state = options.seed &* 0x9E37_79B9_7F4A_7C15 | 1
        func random(_ count: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int((state >> 11) % UInt64(max(count, 1)))
        }
        func loss(_ suffix: [Int32]) throws -> (Double, Bool) {
            try noGrad { try Self.targetLoss(decoder, prompt + suffix + bridge, target) }
        }
        var current = try loss(suffix)
        losses = [current.0]
        for step in 0..<options.steps {
            if isCancelled() { throw CancellationError() }
            if current.1 { break }
            let whole = prompt + suffix + bridge + target
            let embedded = try noGrad { try decoder.embedded(whole).copied() }.requiringGrad()  // [tokens, hidden]
            let hidden = try decoder.hiddenStates(embeddings: embedded, Pass(.whole([0..<whole.count])))
            let first = prompt.count + suffix.count + bridge.count - 1
            let logits = try decoder.logits(hidden.slice(0, from: first, to: first + target.count))
            let chosen = try logits.logSoftmax(axis: 1).gather(
                1, Tensor(target.map { Int64($0) }, shape: [target.count, 1]))
            try (-chosen.mean()).backward()
            guard let gradient = embedded.gradient else {
                throw EvaluationError("suffix attack", "this model's pass records no gradients")
            }
            // What each token would lower the loss by, to first order: [suffix, vocabulary].
            let own = try gradient.slice(0, from: prompt.count, to: prompt.count + suffix.count).contiguous()
            let values: [Float] = try noGrad { try own.matmul(table.transpose(0, 1)).toArray() }
            let best = suffix.indices.map { place -> [Int32] in
                let row = values[place * size..<(place + 1) * size]
                return allowed.sorted { row[row.startIndex + Int($0)] < row[row.startIndex + Int($1)] }
                    .prefix(options.candidates).map { $0 }
            }
            for _ in 0..<options.batch {
                let place = random(suffix.count)
                var other = suffix
                other[place] = best[place][random(best[place].count)]
                guard other != suffix else { continue }
                let found = try loss(other)
                if found.0 < current.0 { (suffix, current) = (other, found) }
            }
            losses.append(current.0)
            progress(step + 1, current.0)
        }
        isReached = current.1
    }

    /// −log p of the target after a context, and whether greedy decoding gives it.
    package static func targetLoss(
        _ decoder: Decoder, _ context: [Int32], _ target: [Int32]
    ) throws -> (Double, Bool) {
        let whole = context + target
        let hidden = try decoder.hiddenStates(whole, segments: [0..<whole.count])
        let logits = try decoder.logits(hidden.slice(0, from: context.count - 1, to: whole.count - 1))
        let logs = try logits.logSoftmax(axis: 1), size = logs.shape[1]
        let values: [Float] = try logs.toArray()
        var sum = 0.0, isGreedy = true
        for (row, token) in target.enumerated() {
            let own = values[row * size..<(row + 1) * size]
            sum -= Double(own[own.startIndex + Int(token)])
            if own.max() != own[own.startIndex + Int(token)] { isGreedy = false }
        }
        return (sum / Double(target.count), isGreedy)
    }
}

extension Decoder {
    /// The rows of the embedding as the first block gets them, `[vocabulary, hidden]`.
    fileprivate func lossTable() throws -> Tensor {
        try noGrad { try embedded((0..<Int32(clamping: configuration.vocabularySize)).map { $0 }).copied() }
    }
}

/// A defence against suffixes that are found by search: they read as noise, so that their perplexity is far above that of
/// people's prompts. A prompt is refused where that of any window of its tokens is above a limit, which is set so that a
/// share of ordinary prompts is refused at most.
///
/// Source: Jain et al. 2023 (windows); Alon and Kamfonas 2023.
public struct PerplexityFilter: Sendable {
    public let window: Int
    /// The mean −log p of a window above which a prompt is refused.
    public let limit: Double

    /// - Parameters:
    ///   - ordinary: prompts of people.
    ///   - refusing: the share of them that may be refused.
    /// - Throws: `EvaluationError` without prompts.
    public init(
        _ model: LanguageModel, ordinary: [[Int32]], window: Int = 8, refusing: Double = 0
    ) throws {
        guard window > 0, !ordinary.isEmpty, (0..<1).contains(refusing) else {
            throw EvaluationError("perplexity filter", "needs ordinary prompts, and a share from 0 to 1")
        }
        self.window = window
        let highest = try ordinary.map { try Self.highest(model, $0, window) }.sorted()
        let place = min(highest.count - 1, Int((Double(highest.count - 1) * (1 - refusing)).rounded(.up)))
        limit = highest[place]
    }

    /// The mean −log p of the prompt's least likely window.
    public static func highest(_ model: LanguageModel, _ prompt: [Int32], _ window: Int) throws -> Double {
        let logs = try Scorer(model).rolling(prompt).map { -$0 }
        guard logs.count > window else { return logs.reduce(0, +) / Double(max(logs.count, 1)) }
        return (0...(logs.count - window)).map { logs[$0..<$0 + window].reduce(0, +) / Double(window) }.max() ?? 0
    }

    public func refuses(_ model: LanguageModel, _ prompt: [Int32]) throws -> Bool {
        try Self.highest(model, prompt, window) > limit
    }
}
