#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
import MartletInference
import MartletModels

/// A watermark in generated text: the token before chooses a share γ of the vocabulary, the green list, whose logits grow by
/// δ. Who knows the key counts green tokens:
///
///     z = (green − γ n) / √(n γ (1 − γ))
///
/// Source: Kirchenbauer et al. 2023, algorithm 2 (the token before as the seed).
public struct Watermark: Sendable {
    /// The share of the vocabulary that is green.
    public var gamma: Double
    /// What is added to green tokens' logits.
    public var delta: Double
    public var key: UInt64

    public init(gamma: Double = 0.25, delta: Double = 2, key: UInt64 = 15_485_863) {
        (self.gamma, self.delta, self.key) = (gamma, delta, key)
    }

    /// Whether a token is green after another one: a hash of key and both is below γ.
    public func isGreen(_ token: Int32, after previous: Int32) -> Bool {
        var z = key ^ (UInt64(UInt32(bitPattern: previous)) << 32 | UInt64(UInt32(bitPattern: token)))
        for _ in 0..<2 {
            z &+= 0x9E37_79B9_7F4A_7C15
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            z ^= z >> 31
        }
        return Double(z >> 11) / Double(1 << 53) < gamma
    }

    /// What the tokens of a text say.
    public struct Detection: Sendable, Equatable {
        public var green, tokens: Int
        public var z: Double
        /// The chance of as many green tokens without a watermark, one-sided.
        public var p: Double
    }

    public func detect(_ tokens: [Int32]) -> Detection {
        let pairs = zip(tokens, tokens.dropFirst())
        let green = pairs.count { isGreen($0.1, after: $0.0) }, count = max(tokens.count - 1, 0)
        let size = Double(count), deviation = (size * gamma * (1 - gamma)).squareRoot()
        let z = count == 0 ? 0 : (Double(green) - gamma * size) / deviation
        return Detection(green: green, tokens: count, z: z, p: erfc(z / 2.0.squareRoot()) / 2)
    }

    /// Continues a prompt with the watermark, drawing at a temperature.
    /// - Returns: the tokens of the continuation.
    public func generate(
        _ model: LanguageModel, prompt: [Int32], count: Int, temperature: Double = 1, seed: UInt64 = 1,
        isCancelled: @escaping () -> Bool = { false }
    ) throws -> [Int32] {
        guard !prompt.isEmpty, count >= 0, temperature > 0 else {
            throw EvaluationError("watermark", "needs a prompt and a temperature above 0")
        }
        var options = GenerationOptions()
        options.maximumTokens = max(min(count, model.configuration.contextLength - prompt.count), 0)
        options.sampling = SamplingOptions()
        options.sampling.temperature = Float(temperature)
        options.sampling.seed = seed
        options.logitsProcessor = { logits, tokens in
            guard let previous = tokens.last else { return }
            for token in logits.indices where isGreen(Int32(clamping: token), after: previous) {
                logits[token] += Float(delta)
            }
        }
        var output: [Int32] = []
        let request = EngineRequest(prompt: prompt, options: options)
        try Generator(model, .oneAtATime).run(request, isCancelled: isCancelled) { events in
            for case .token(_, let piece) in events {
                if let token = piece.token, !model.endTokens.contains(token) { output.append(token) }
            }
        }
        if isCancelled() { throw CancellationError() }
        return output
    }
}
