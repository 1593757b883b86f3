import Foundation
import MartletEvaluation
import MartletJSON
import Testing

@Suite struct LawTests {
    /// The best sizes of the nine budgets of the isoFLOP exercise, with worse sizes beside them.
    @Test func theLowestRunsOfEachBudgetGiveTheLaw() throws {
        let budgets = [6e18, 1e19, 3e19, 6e19, 1e20, 3e20, 6e20, 1e21, 3e21]
        let sizes = [7.62e8, 8.07e8, 1.54e9, 1.95e9, 3.25e9, 5.90e9, 6.97e9, 6.86e9, 1.215e10]
        let runs = zip(budgets, sizes).flatMap { compute, size in
            [0.5, 1, 2.0].map { share in
                ScalingPoint(
                    parameters: size * share, tokens: compute / (6 * size * share), loss: 3 + (share == 1 ? 0 : 0.1),
                    compute: compute)
            }
        }
        let law = try OptimalSize.lowest(runs).parameters
        #expect(abs(law.factor - 1.163) < 0.02)
        #expect(abs(law.exponent - 0.4687) < 0.0005)
        #expect(abs(law(1e23) / 7.01e10 - 1) < 0.01)
    }

    /// Losses made by the law itself: all three approaches find it again.
    @Test func chinchillasThreeApproachesAgree() throws {
        let truth = { (n: Double, d: Double) in 1.69 + 406.4 / pow(n, 0.34) + 410.7 / pow(d, 0.28) }
        let runs = (0..<9).flatMap { budget -> [ScalingPoint] in
            let compute = 1e18 * pow(3, Double(budget))
            return (0..<15).map { index in
                let n = 1e7 * pow(1.7, Double(index)) * pow(3, Double(budget) * 0.45), d = compute / (6 * n)
                return ScalingPoint(parameters: n, tokens: d, loss: truth(n, d), compute: compute)
            }
        }
        let loss = try ChinchillaLoss(fitting: runs)
        #expect(abs(loss.floor - 1.69) < 0.01)
        #expect(abs(loss.parameterExponent - 0.34) < 0.005)
        #expect(abs(loss.tokenExponent - 0.28) < 0.005)
        let exponent = 0.28 / (0.34 + 0.28)
        #expect(abs(loss.optimalParameters.exponent - exponent) < 0.01)
        let curves = try OptimalSize.isoFLOP(runs)
        #expect(curves.leftOut.isEmpty)
        #expect(abs(curves.law.parameters.exponent - exponent) < 0.03)
        #expect(abs(try OptimalSize.envelope(runs).parameters.exponent - exponent) < 0.1)
        #expect(throws: EvaluationError.self) { try ChinchillaLoss(fitting: Array(runs.prefix(3))) }
    }

    @Test func bradleyTerryFindsStrengthsAgain() throws {
        // 75 % of 400 votes: 400 log₁₀ 3 = 190.85 points.
        let votes = (0..<400).map { ArenaVote("a", "b", $0 % 4 == 0 ? .second : .first) }
        let arena = try Arena(votes, bootstrapSamples: 200)
        let gap = arena.ratings[0].bradleyTerry - arena.ratings[1].bradleyTerry
        #expect(abs(gap - 190.85) < 0.1)
        #expect(arena.ratings[0].interval.contains(arena.ratings[0].bradleyTerry))
        #expect(arena.ratings.map(\.model) == ["a", "b"])
        #expect(arena.firstShare == 0.75)
        #expect(throws: EvaluationError.self) { try Arena([ArenaVote("a", "b", .tie), ArenaVote("c", "d", .first)]) }
        #expect(throws: EvaluationError.self) { try Arena([]) }
        #expect(ArenaVote(["model_a": "x", "model_b": "y", "winner": "tie (bothbad)"]) == ArenaVote("x", "y", .tie))
        #expect(ArenaVote(["model_a": "x", "model_b": "y", "winner": "nobody"]) == nil)
    }

    @Test func mcNemarIsExact() {
        #expect(PairedComparison.exactP(0, 0) == 1)
        #expect(abs(PairedComparison.exactP(1, 9) - 22.0 / 1024) < 1e-12)
        #expect(PairedComparison.exactP(5, 5) == 1)
    }
}
