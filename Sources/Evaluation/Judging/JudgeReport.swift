#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
import MartletJSON

/// What a judge's comparisons of two models come to.
public struct JudgeReport: Sendable {
    public var first, second: String
    /// Of the first model, ties counting half; its standard error.
    public var winRate: Double, standardError: Double
    /// What the win rate would be if the answers were as long.
    public var lengthControlledWinRate: Double
    public var wins = 0, losses = 0, ties = 0
    /// Pairs whose verdict turned with the order, and the share of single verdicts (without ties) for what stood first.
    public var turned = 0
    public var firstPlaceShare: Double?
    /// Replies that were no verdict, and pairs without any.
    public var nonsense = 0, leftOut = 0

    /// - Throws: `EvaluationError` when there is no verdict at all.
    public init(_ comparisons: [Judge.Comparison]) throws(EvaluationError) {
        let judged = comparisons.filter { $0.outcome != nil }
        guard let one = judged.first else {
            throw EvaluationError(
                "judge", "none of \(2 * comparisons.count) replies was a verdict ([[A]], [[B]] or [[C]])")
        }
        (first, second) = (one.first, one.second)
        let outcomes = judged.compactMap(\.outcome), count = Double(outcomes.count)
        winRate = outcomes.reduce(0, +) / count
        standardError = outcomes.count > 1 ? Aggregation.meanError(outcomes) : .nan
        wins = outcomes.count { $0 == 1 }
        losses = outcomes.count { $0 == 0 }
        ties = outcomes.count { $0 == 0.5 }
        nonsense = comparisons.reduce(0) { $0 + $1.verdicts.count { $0 == nil } }
        leftOut = comparisons.count - judged.count
        var atFirst = 0, decided = 0
        for comparison in comparisons {
            if case (let a?, let b?) = (comparison.verdicts[0], comparison.verdicts[1]), a != b { turned += 1 }
            for (order, verdict) in comparison.verdicts.enumerated() where verdict != nil && verdict != .tie {
                decided += 1
                if (verdict == .first) == (order == 0) { atFirst += 1 }
            }
        }
        firstPlaceShare = decided == 0 ? nil : Double(atFirst) / Double(decided)
        lengthControlledWinRate = Self.lengthControlled(
            judged.map { ($0.outcome ?? 0.5, Double($0.lengths.0 - $0.lengths.1)) })
    }

    /// logit P(first wins) = θ + φ tanh(Δ / s), Δ the difference of the answers' lengths and s its deviation, fitted with a
    /// small penalty; the win rate at Δ = 0 is σ(θ).
    package static func lengthControlled(_ pairs: [(outcome: Double, difference: Double)]) -> Double {
        guard !pairs.isEmpty else { return .nan }
        let spread = (pairs.reduce(0) { $0 + $1.difference * $1.difference } / Double(pairs.count)).squareRoot()
        let features = pairs.map { spread > 0 ? tanh($0.difference / spread) : 0 }
        var theta = 0.0, phi = 0.0
        let penalty = 0.05
        for _ in 0..<100 {
            var g0 = penalty * theta * 0.1, g1 = penalty * phi, h00 = penalty * 0.1, h01 = 0.0, h11 = penalty
            for (pair, x) in zip(pairs, features) {
                let p = 1 / (1 + exp(-(theta + phi * x))), weight = max(p * (1 - p), 1e-9)
                g0 += p - pair.outcome
                g1 += (p - pair.outcome) * x
                h00 += weight
                h01 += weight * x
                h11 += weight * x * x
            }
            let determinant = h00 * h11 - h01 * h01
            guard determinant > 1e-12 else { break }
            let step = ((h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant)
            theta -= max(-2, min(2, step.0))
            phi -= max(-2, min(2, step.1))
            if abs(step.0) + abs(step.1) < 1e-10 { break }
        }
        return 1 / (1 + exp(-theta))
    }

    public var json: JSON {
        [
            "model": .string(first), "against": .string(second), "win_rate": .number(winRate),
            "standard_error": standardError.isNaN ? .null : .number(standardError),
            "length_controlled_win_rate": .number(lengthControlledWinRate), "wins": .integer(Int64(wins)),
            "losses": .integer(Int64(losses)), "ties": .integer(Int64(ties)),
            "turned_with_order": .integer(Int64(turned)),
            "first_place_share": firstPlaceShare.map { .number($0) } ?? .null, "no_verdict": .integer(Int64(nonsense)),
            "pairs_left_out": .integer(Int64(leftOut)),
        ]
    }
}
