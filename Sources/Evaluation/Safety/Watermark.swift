#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
import MartletInference
import MartletModels
import MartletNN
import MartletTensor

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
        isCancelled: () -> Bool = { false }
    ) throws -> [Int32] {
        guard !prompt.isEmpty, count >= 0, temperature > 0 else {
            throw EvaluationError("watermark", "needs a prompt and a temperature above 0")
        }
        let cache = KVCache(model.configuration, precision: model.precision)
        var input = prompt, output: [Int32] = [], state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
        while output.count < min(count, model.configuration.contextLength - prompt.count) {
            if isCancelled() { throw CancellationError() }
            let values: [Float] = try noGrad {
                let rows = input.count
                let hidden = try model.decoder.hiddenStates(input, [DecoderSequence(rows: 0..<rows, cache: cache)])
                return try model.decoder.logits(hidden.gatheredRows([rows - 1])).toArray()
            }
            let previous = output.last ?? prompt[prompt.count - 1]
            let logits = values.enumerated().map { index, value in
                (Double(value) + (isGreen(Int32(clamping: index), after: previous) ? delta : 0)) / temperature
            }
            let most = logits.max() ?? 0, powers = logits.map { exp($0 - most) }
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            var rest = Double(state >> 11) / Double(1 << 53) * powers.reduce(0, +)
            let token = powers.firstIndex { power in
                rest -= power
                return rest < 0
            }
            let next = Int32(clamping: token ?? powers.count - 1)
            if model.endTokens.contains(next) { break }
            output.append(next)
            input = [next]
        }
        return output
    }
}
