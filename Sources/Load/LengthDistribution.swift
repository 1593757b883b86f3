import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The distribution of the lengths of prompts or replies, in tokens.
public enum LengthDistribution: Sendable, Equatable {
    case fixed(Int)
    case uniform(Int, Int)
    /// Values below 1 become 1.
    case normal(mean: Double, deviation: Double)
    /// exp of a normal variable: `median` is its median, `sigma` the standard deviation of its logarithm.
    case logNormal(median: Double, sigma: Double)

    /// `256`, `uniform:100-500`, `normal:256,64` or `lognormal:256,0.5`.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
        if parts.count == 1, let length = Int(parts[0]), (1...1_000_000_000).contains(length) {
            self = .fixed(length)
            return
        }
        guard parts.count == 2 else { return nil }
        let numbers = parts[1].split(whereSeparator: { $0 == "," || $0 == "-" }).compactMap { Double($0) }
        guard numbers.count == 2, numbers.allSatisfy({ $0.isFinite && $0 >= 0 && $0 < 1e9 }), numbers[0] >= 1 else {
            return nil
        }
        switch parts[0] {
        case "uniform" where numbers[1] >= numbers[0]: self = .uniform(Int(numbers[0]), Int(numbers[1]))
        case "normal": self = .normal(mean: numbers[0], deviation: numbers[1])
        case "lognormal" where numbers[1] <= 5: self = .logNormal(median: numbers[0], sigma: numbers[1])
        default: return nil
        }
    }

    public func draw(_ random: inout RandomStream) -> Int {
        switch self {
        case .fixed(let length): return length
        case .uniform(let low, let high): return low + random.nextIndex(below: high - low + 1)
        case .normal(let mean, let deviation):
            return max(1, Int((mean + deviation * Self.normal(&random)).rounded()))
        case .logNormal(let median, let sigma):
            return max(1, Int(min(median * exp(sigma * Self.normal(&random)), 1e9).rounded()))
        }
    }

    /// Box and Muller 1958.
    private static func normal(_ random: inout RandomStream) -> Double {
        sqrt(-2 * log(1 - random.nextUniform())) * cos(2 * .pi * random.nextUniform())
    }
}
