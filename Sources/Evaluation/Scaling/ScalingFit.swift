#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
import MartletJSON

/// How the best size of a model grows with compute.
///
/// Source: Hoffmann et al. 2022: approach 1 takes the lowest loss at each of many computes, approach 2 the lowest point of
/// each curve of equal compute, approach 3 fits the loss itself; Kaplan et al. 2020.
public struct OptimalSize: Sendable {
    /// Compute, and parameters and tokens that were best there.
    public var points: [(compute: Double, parameters: Double, tokens: Double)]
    public var parameters: PowerLaw
    public var tokens: PowerLaw

    init(_ points: [(compute: Double, parameters: Double, tokens: Double)]) throws(EvaluationError) {
        self.points = points
        guard let parameters = PowerLaw(points.map { ($0.compute, $0.parameters) }),
            let tokens = PowerLaw(points.map { ($0.compute, $0.tokens) })
        else {
            throw EvaluationError("scaling", "a law needs at least two different budgets; there are \(points.count)")
        }
        (self.parameters, self.tokens) = (parameters, tokens)
    }

    /// The run with the lowest loss of each budget. Budgets within 1 % are one.
    public static func lowest(_ runs: [ScalingPoint]) throws(EvaluationError) -> OptimalSize {
        try OptimalSize(
            budgets(runs).compactMap { budget in
                budget.runs.min { $0.loss < $1.loss }.map {
                    (budget.compute, $0.parameters, budget.compute / (6 * $0.parameters))
                }
            })
    }

    /// Approach 1: at each of 1,500 computes between the smallest and the largest, the run with the lowest loss among those
    /// that needed at most as much.
    public static func envelope(_ runs: [ScalingPoint]) throws(EvaluationError) -> OptimalSize {
        let sorted = runs.filter { $0.compute > 0 }.sorted { $0.compute < $1.compute }
        guard let first = sorted.first, let last = sorted.last, last.compute > first.compute else {
            throw EvaluationError("scaling", "the runs all have the same compute")
        }
        var points: [(compute: Double, parameters: Double, tokens: Double)] = [], best = first, next = 0
        for index in 0..<1500 {
            let compute = first.compute * pow(last.compute / first.compute, Double(index) / 1499)
            while next < sorted.count, sorted[next].compute <= compute * (1 + 1e-12) {
                if sorted[next].loss < best.loss { best = sorted[next] }
                next += 1
            }
            points.append((compute, best.parameters, compute / (6 * best.parameters)))
        }
        return try OptimalSize(points)
    }

    /// Approach 2: a parabola of the loss over log N through each budget's runs; its lowest point.
    /// - Returns: the law, and budgets whose runs have no lowest point between them.
    public static func isoFLOP(
        _ runs: [ScalingPoint]
    ) throws(EvaluationError) -> (law: OptimalSize, leftOut: [Double]) {
        var points: [(compute: Double, parameters: Double, tokens: Double)] = [], leftOut: [Double] = []
        for budget in budgets(runs) {
            let x = budget.runs.map { log($0.parameters) }
            if budget.runs.count >= 3, let curve = parabola(zip(x, budget.runs.map(\.loss)).map { ($0, $1) }),
                curve.a > 0
            {
                let lowest = -curve.b / (2 * curve.a)
                if let low = x.min(), let high = x.max(), (low...high).contains(lowest) {
                    let parameters = exp(lowest)
                    points.append((budget.compute, parameters, budget.compute / (6 * parameters)))
                    continue
                }
            }
            leftOut.append(budget.compute)
        }
        return (try OptimalSize(points), leftOut)
    }

    static func budgets(_ runs: [ScalingPoint]) -> [(compute: Double, runs: [ScalingPoint])] {
        var budgets: [(compute: Double, runs: [ScalingPoint])] = []
        for run in runs.sorted(by: { $0.compute < $1.compute }) {
            if let last = budgets.indices.last, run.compute <= budgets[last].compute * 1.01 {
                budgets[last].runs.append(run)
            } else {
                budgets.append((run.compute, [run]))
            }
        }
        return budgets
    }

    /// The least-squares parabola a x² + b x + c, around the mean for accuracy.
    private static func parabola(_ points: [(Double, Double)]) -> (a: Double, b: Double, c: Double)? {
        let size = Double(points.count), mean = points.reduce(0) { $0 + $1.0 } / size
        var powers = [Double](repeating: 0, count: 5), sums = [Double](repeating: 0, count: 3)
        for (x, y) in points {
            var power = 1.0
            for index in 0..<5 {
                powers[index] += power
                if index < 3 { sums[index] += power * y }
                power *= x - mean
            }
        }
        guard
            let solved = solve(
                [
                    [powers[4], powers[3], powers[2]], [powers[3], powers[2], powers[1]],
                    [powers[2], powers[1], powers[0]],
                ],
                [sums[2], sums[1], sums[0]])
        else { return nil }
        return (solved[0], solved[1] - 2 * solved[0] * mean, solved[2] - solved[1] * mean + solved[0] * mean * mean)
    }

    /// Gauss with pivots; nil for a matrix without an inverse.
    static func solve(_ matrix: [[Double]], _ right: [Double]) -> [Double]? {
        var rows = zip(matrix, right).map { $0 + [$1] }
        let size = rows.count
        for column in 0..<size {
            guard let pivot = (column..<size).max(by: { abs(rows[$0][column]) < abs(rows[$1][column]) }),
                abs(rows[pivot][column]) > 1e-300
            else { return nil }
            rows.swapAt(column, pivot)
            for row in 0..<size where row != column {
                let factor = rows[row][column] / rows[column][column]
                for index in column...size { rows[row][index] -= factor * rows[column][index] }
            }
        }
        return (0..<size).map { rows[$0][size] / rows[$0][$0] }
    }
}

/// L(N, D) = E + A / N^α + B / D^β, by a Huber loss (δ = 10⁻³) of the logarithms from a grid of beginnings.
///
/// Source: Hoffmann et al. 2022, approach 3 and appendix D.3. The optimum under C = 6 N D:
/// N = G (C / 6)^(β / (α + β)), G = (α A / (β B))^(1 / (α + β)).
public struct ChinchillaLoss: Sendable, Equatable {
    public var floor, parameterFactor, parameterExponent, tokenFactor, tokenExponent: Double
    /// The mean Huber loss of the fit.
    public var residual = 0.0

    public func callAsFunction(parameters: Double, tokens: Double) -> Double {
        floor + parameterFactor / pow(parameters, parameterExponent) + tokenFactor / pow(tokens, tokenExponent)
    }

    public var optimalParameters: PowerLaw {
        let sum = parameterExponent + tokenExponent, exponent = tokenExponent / sum
        let g = pow(parameterExponent * parameterFactor / (tokenExponent * tokenFactor), 1 / sum)
        return PowerLaw(factor: g / pow(6, exponent), exponent: exponent)
    }

    public init(
        floor: Double, parameterFactor: Double, parameterExponent: Double, tokenFactor: Double, tokenExponent: Double
    ) {
        (self.floor, self.parameterFactor, self.parameterExponent) = (floor, parameterFactor, parameterExponent)
        (self.tokenFactor, self.tokenExponent) = (tokenFactor, tokenExponent)
    }

    /// Hoffmann et al. 2022, equation 10.
    public static let published = ChinchillaLoss(
        floor: 1.69, parameterFactor: 406.4, parameterExponent: 0.34, tokenFactor: 410.7, tokenExponent: 0.28)

    /// - Throws: with fewer than five runs, or with runs that do not vary in both sizes.
    public init(fitting runs: [ScalingPoint]) throws(EvaluationError) {
        let runs = runs.filter { $0.parameters > 0 && $0.tokens > 0 && $0.loss > 0 }
        guard runs.count >= 5, Set(runs.map(\.parameters)).count > 1, Set(runs.map(\.tokens)).count > 1 else {
            throw EvaluationError(
                "scaling",
                "five numbers need at least five runs of different sizes and lengths; there are \(runs.count)")
        }
        let data = runs.map { (log($0.parameters), log($0.tokens), log($0.loss)) }
        let lowest = data.map(\.2).min() ?? 0
        var best: [Double] = [], bestValue = Double.infinity
        for alpha in [0.1, 0.35, 0.7] {
            for beta in [0.1, 0.35, 0.7] {
                for e in [lowest - 1, lowest - 0.3, lowest - 0.05] {
                    // Terms that begin as large as what is left above the floor.
                    let a = lowest - 1 + alpha * data[0].0, b = lowest - 1 + beta * data[0].1
                    let found = Self.minimum([a, b, e, alpha, beta], data)
                    if found.value < bestValue { (best, bestValue) = (found.place, found.value) }
                }
            }
        }
        guard bestValue.isFinite else { throw EvaluationError("scaling", "no fit was found") }
        (parameterFactor, tokenFactor, floor) = (exp(best[0]), exp(best[1]), exp(best[2]))
        (parameterExponent, tokenExponent) = (best[3], best[4])
        residual = bestValue / Double(data.count)
    }

    /// Levenberg and Marquardt with the weights of the Huber loss: each step solves a weighted least-squares problem.
    private static func minimum(
        _ start: [Double], _ data: [(Double, Double, Double)]
    ) -> (place: [Double], value: Double) {
        let delta = 1e-3
        var place = start, damping = 1e-2
        func residuals(_ p: [Double]) -> [(value: Double, slope: [Double])] {
            data.map { logN, logD, logLoss in
                let terms = [p[0] - p[3] * logN, p[1] - p[4] * logD, p[2]]
                let most = terms.max() ?? 0, powers = terms.map { exp($0 - most) }, sum = powers.reduce(0, +)
                let share = powers.map { $0 / sum }
                return (most + log(sum) - logLoss, [share[0], share[1], share[2], -share[0] * logN, -share[1] * logD])
            }
        }
        func value(_ found: [(value: Double, slope: [Double])]) -> Double {
            found.reduce(0) {
                let size = abs($1.value)
                return $0 + (size <= delta ? size * size / 2 : delta * (size - delta / 2))
            }
        }
        var current = residuals(place), now = value(current)
        for _ in 0..<2000 {
            var matrix = [[Double]](repeating: [Double](repeating: 0, count: 5), count: 5)
            var right = [Double](repeating: 0, count: 5)
            for (residual, slope) in current {
                let weight = abs(residual) <= delta ? 1 : delta / abs(residual)
                for i in 0..<5 {
                    right[i] -= weight * residual * slope[i]
                    for j in 0..<5 { matrix[i][j] += weight * slope[i] * slope[j] }
                }
            }
            for i in 0..<5 { matrix[i][i] += damping * max(matrix[i][i], 1e-12) }
            guard let step = OptimalSize.solve(matrix, right) else { break }
            let next = zip(place, step).map { $0 + $1 }
            let found = residuals(next), after = value(found)
            if after < now, after.isFinite {
                let gain = now - after
                (place, current, now, damping) = (next, found, after, max(damping / 3, 1e-12))
                if gain < 1e-14 * max(now, 1e-12) { break }
            } else {
                damping *= 4
                if damping > 1e12 { break }
            }
        }
        return (place, now)
    }
}

/// L(N) = (N_c / N)^α and L(D) = (D_c / D)^α: the laws of one quantity while the other does not limit.
///
/// Source: Kaplan et al. 2020, equations 1.1 to 1.3.
public struct KaplanLaw: Sendable, Equatable {
    public var scale, exponent: Double

    /// - Throws: with fewer than two different sizes, or when loss does not fall.
    public init(_ points: [(size: Double, loss: Double)], of name: String) throws(EvaluationError) {
        guard let law = PowerLaw(points.map { ($0.size, $0.loss) }), law.exponent < 0 else {
            throw EvaluationError("scaling", "the loss does not fall with \(name) over at least two different values")
        }
        exponent = -law.exponent
        scale = pow(law.factor, 1 / exponent)
    }

    public func callAsFunction(_ size: Double) -> Double { pow(scale / size, exponent) }
}
