#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
import MartletJSON

/// What to train with a budget: the best size and length by a law of the loss, the shape of such a model, and smaller runs
/// of equal compute that would measure the law for one's own data first.
///
/// ```swift
/// let plan = try ScalingPlan(budget: 1e18)         // by Chinchilla's published law
/// print(plan.best.parameters, plan.best.tokens, plan.best.loss)
/// ```
///
/// Source: Hoffmann et al. 2022, equation 4: N = G (C/6)^(β/(α+β)), G = (αA / βB)^(1/(α+β)).
public struct ScalingPlan: Sendable {
    /// A model of 12 · layers · width² parameters beside the embeddings.
    public struct Shape: Sendable, Equatable {
        public var layers, width, heads: Int
        public var parameters: Double { 12 * Double(layers) * Double(width) * Double(width) }
    }

    public struct Run: Sendable {
        public var compute: Double
        public var shape: Shape
        public var tokens: Double
        public var loss: Double
    }

    /// The law: floor, factors and exponents of N and D.
    public let law: ChinchillaLoss
    public let best: ScalingPoint
    public let shape: Shape
    /// Runs of equal compute around the best size, of a thousandth, a three-hundredth and a hundredth of the budget.
    public let trials: [Run]
    /// 95 % of the best size over bootstrap samples of the runs; nil for a published law.
    public let interval: ClosedRange<Double>?

    /// - Parameter runs: one's own, to fit the law; Chinchilla's published law without.
    public init(budget: Double, runs: [ScalingPoint] = [], bootstrapSamples: Int = 40) throws(EvaluationError) {
        guard budget.isFinite, budget > 1e6 else {
            throw EvaluationError("scaling", field: "--budget", "is \(budget), expected FLOPs above 1e6")
        }
        let law = runs.isEmpty ? ChinchillaLoss.published : try ChinchillaLoss(fitting: runs)
        self.law = law
        func best(_ compute: Double, _ law: ChinchillaLoss) -> Double { law.optimalParameters(compute) }
        let parameters = best(budget, law), tokens = budget / (6 * parameters)
        self.best = ScalingPoint(
            parameters: parameters, tokens: tokens, loss: law(parameters: parameters, tokens: tokens), compute: budget)
        shape = Self.shape(parameters)
        trials = [1000.0, 300, 100].flatMap { share -> [Run] in
            let compute = budget / share, own = best(compute, law)
            return [0.25, 0.5, 1, 2, 4].map { factor in
                let shape = Self.shape(own * factor), tokens = compute / (6 * shape.parameters)
                return Run(
                    compute: compute, shape: shape, tokens: tokens,
                    loss: law(parameters: shape.parameters, tokens: tokens))
            }
        }
        guard !runs.isEmpty, bootstrapSamples > 1 else {
            interval = nil
            return
        }
        var random = PythonRandom(seed: 1234), found: [Double] = []
        var places = [Int32](repeating: 0, count: runs.count)
        for _ in 0..<bootstrapSamples {
            random.choices(runs.count, into: &places)
            guard let law = try? ChinchillaLoss(fitting: places.map { runs[Int($0)] }) else { continue }
            let size = best(budget, law)
            if size.isFinite { found.append(size) }
        }
        found.sort()
        interval =
            found.count < 2
            ? nil
            : found[Int(0.025 * Double(found.count - 1))]...found[Int((0.975 * Double(found.count - 1)).rounded(.up))]
    }

    /// A width of a multiple of 64 and as many layers as make about so many parameters, width / layers near 64 for large
    /// models and less for small ones, as published models have it.
    package static func shape(_ parameters: Double) -> Shape {
        var best = Shape(layers: 1, width: 64, heads: 1), bestScore = Double.infinity
        for step in 1...256 {
            let width = 64 * step
            let layers = max(1, Int((parameters / (12 * Double(width) * Double(width))).rounded()))
            guard layers <= 256 else { continue }
            let shape = Shape(layers: layers, width: width, heads: max(1, width / 64))
            let aspect = Double(width) / Double(layers), wanted = min(max(24 * pow(parameters / 1e7, 0.2), 16), 128)
            let score = abs(log(shape.parameters / parameters)) * 4 + abs(log(aspect / wanted))
            if score < bestScore { (best, bestScore) = (shape, score) }
        }
        return best
    }

    public var json: JSON {
        func shown(_ shape: Shape) -> JSON {
            [
                "layers": .integer(Int64(shape.layers)), "width": .integer(Int64(shape.width)),
                "heads": .integer(Int64(shape.heads)), "parameters": .number(shape.parameters),
            ]
        }
        return [
            "compute": .number(best.compute), "parameters": .number(best.parameters), "tokens": .number(best.tokens),
            "loss": .number(best.loss),
            "interval": interval.map { [.number($0.lowerBound), .number($0.upperBound)] } ?? .null,
            "shape": shown(shape),
            "trials": .array(
                trials.map {
                    [
                        "compute": .number($0.compute), "shape": shown($0.shape), "tokens": .number($0.tokens),
                        "loss": .number($0.loss),
                    ]
                }),
        ]
    }
}
