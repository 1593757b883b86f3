#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension RotaryEmbedding {
    /// θ_i = base^(−2i/d) for each pair i of the d rotated dimensions, and how a family scales them for contexts longer
    /// than those it was trained on. Source: Su et al. 2021.
    public struct Configuration: Sendable, Equatable {
        /// Base of the frequencies.
        public var theta: Double
        /// Number of rotated dimensions at the start of each head, at most the head's dimension; even.
        public var dimension: Int
        public var scaling = Scaling.none
        public var layout = Layout.halfSplit

        public init(theta: Double, dimension: Int, scaling: Scaling = .none, layout: Layout = .halfSplit) {
            self.theta = theta
            self.dimension = dimension
            self.scaling = scaling
            self.layout = layout
        }
    }

    /// Which two elements of a head form a pair.
    public enum Layout: Sendable {
        /// (x_i, x_{i + d/2}): checkpoints in transformers' layout.
        case halfSplit
        /// (x_{2i}, x_{2i+1}): as in the paper, and in GGUF files of Llama.
        case interleaved
    }

    public enum Scaling: Sendable, Equatable {
        case none
        /// Linear scaling: positions divided by `factor` (Chen et al. 2023).
        case linear(factor: Double)
        /// Dynamic NTK scaling: the base grows when a sequence is longer than `contextLength`.
        case dynamic(factor: Double, contextLength: Int)
        /// YaRN (Peng et al. 2023): high frequencies are kept, low ones divided by `factor`, with a ramp between them.
        case yarn(
            factor: Double, originalContext: Int, betaFast: Double, betaSlow: Double, attentionFactor: Double,
            truncates: Bool)
        /// Llama 3.1: as YaRN, by wavelength, without the attention factor.
        case llama3(factor: Double, lowFrequencyFactor: Double, highFrequencyFactor: Double, originalContext: Int)
        /// A divisor per frequency, as stored in GGUF files.
        case divided(by: [Double])
        /// LongRoPE (Ding et al. 2024): a divisor per frequency, with one list for lengths up to `originalContext` and
        /// one beyond.
        case longRoPE(short: [Double], long: [Double], originalContext: Int, attentionFactor: Double)
    }
}

extension RotaryEmbedding.Configuration {
    /// The frequencies for sequences of `length` tokens, and the factor on cos and sin.
    public func frequencies(length: Int) -> (inverse: [Double], attentionFactor: Double) {
        let pairs = dimension / 2
        func inverse(_ base: Double) -> [Double] {
            (0..<pairs).map { pow(base, -2 * Double($0) / Double(dimension)) }
        }
        let plain = inverse(theta)
        switch scaling {
        case .none: return (plain, 1)
        case .linear(let factor): return (plain.map { $0 / factor }, 1)
        case .dynamic(let factor, let contextLength):
            guard length > contextLength else { return (plain, 1) }
            let stretch = factor * Double(length) / Double(contextLength) - (factor - 1)
            let base = theta * pow(stretch, Double(dimension) / Double(dimension - 2))
            return (inverse(base), 1)
        case .yarn(let factor, let original, let betaFast, let betaSlow, let attentionFactor, let truncates):
            // The index of the pair that makes `rotations` full turns over the original context.
            func pair(_ rotations: Double) -> Double {
                Double(dimension) * log(Double(original) / (rotations * 2 * .pi)) / (2 * log(theta))
            }
            var low = pair(betaFast), high = pair(betaSlow)
            if truncates { (low, high) = (low.rounded(.down), high.rounded(.up)) }
            low = max(low, 0)
            high = min(high, Double(dimension - 1))
            if low == high { high += 0.001 }
            let scaled = plain.enumerated().map { index, frequency in
                let ramp = min(max((Double(index) - low) / (high - low), 0), 1)
                return frequency / factor * ramp + frequency * (1 - ramp)
            }
            return (scaled, attentionFactor)
        case .llama3(let factor, let lowFactor, let highFactor, let original):
            let longest = Double(original) / lowFactor, shortest = Double(original) / highFactor
            let scaled = plain.map { frequency in
                let wavelength = 2 * Double.pi / frequency
                if wavelength > longest { return frequency / factor }
                if wavelength < shortest { return frequency }
                let smooth = (Double(original) / wavelength - lowFactor) / (highFactor - lowFactor)
                return (1 - smooth) * frequency / factor + smooth * frequency
            }
            return (scaled, 1)
        case .divided(let divisors): return (zip(plain, divisors).map { $0 / $1 }, 1)
        case .longRoPE(let short, let long, let original, let attentionFactor):
            return (zip(plain, length > original ? long : short).map { $0 / $1 }, attentionFactor)
        }
    }

    /// The longest context of a model made for `contextLength`: dynamic scaling multiplies it by its factor.
    package func usableContext(_ contextLength: Int) -> Int {
        guard case .dynamic(let factor, let original) = scaling else { return contextLength }
        return max(contextLength, Int(min(Double(original) * factor, Double(1 << 30))))
    }

    /// A number that changes whenever `frequencies(length:)` changes, so that tables can be kept and shared by
    /// sequences.
    package func regime(length: Int) -> Int {
        switch scaling {
        case .dynamic(_, let contextLength): max(length, contextLength)
        case .longRoPE(_, _, let original, _): length > original ? 1 : 0
        default: 0
        }
    }
}
