#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What the losses of smaller models say of a larger one: L(N) = E + A / N^α of runs whose tokens grow with their size in one
/// fixed way, by least squares of the relative errors.
///
/// For each floor E of a grid, A and α follow from the logarithms of L − E; the floor with the smallest error is taken.
/// The interval is the jackknife's: the fit is repeated without each of the runs.
///
/// Source: Kaplan et al. 2020, section 3; the floor as Henighan et al. 2020 have it.
public struct ScalingForecast: Sendable, Equatable {
    public var floor, factor, exponent: Double
    /// The root of the mean squared relative error of the fit.
    public var residual: Double
    /// Fits without each of the runs.
    private var others: [Curve] = []

    private struct Curve: Sendable, Equatable {
        var floor, factor, exponent, residual: Double
        func callAsFunction(_ size: Double) -> Double { floor + factor * pow(size, -exponent) }
    }

    /// - Throws: `EvaluationError` with fewer than four different sizes, or a loss that does not fall with size.
    public init(_ runs: [(parameters: Double, loss: Double)]) throws(EvaluationError) {
        guard Set(runs.map(\.parameters)).count >= 4, runs.allSatisfy({ $0.parameters > 0 && $0.loss > 0 }) else {
            throw EvaluationError("scaling", "three numbers are fitted, which needs runs of four sizes or more")
        }
        guard let curve = Self.fit(runs) else {
            throw EvaluationError("scaling", "the loss does not fall with the size of the models")
        }
        (floor, factor, exponent, residual) = (curve.floor, curve.factor, curve.exponent, curve.residual)
        others = runs.indices.compactMap { left in
            Self.fit(runs.enumerated().filter { $0.offset != left }.map(\.element))
        }
    }

    public func callAsFunction(_ parameters: Double) -> Double {
        Curve(floor: floor, factor: factor, exponent: exponent, residual: 0)(parameters)
    }

    /// 95 % of the forecast: 1.96 jackknife errors, √((n − 1) / n Σ (fᵢ − f̄)²).
    public func interval(_ parameters: Double) -> ClosedRange<Double> {
        let value = self(parameters), found = others.map { $0(parameters) }, size = Double(found.count)
        guard found.count > 1 else { return value...value }
        let mean = found.reduce(0, +) / size
        let error = (found.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } * (size - 1) / size).squareRoot()
        return value - 1.96 * error...value + 1.96 * error
    }

    private static func fit(_ runs: [(parameters: Double, loss: Double)]) -> Curve? {
        let lowest = runs.map(\.loss).min() ?? 0
        var best: Curve?
        func attempt(_ floor: Double) {
            guard let law = PowerLaw(runs.map { ($0.parameters, $0.loss - floor) }), law.exponent < 0 else { return }
            var curve = Curve(floor: floor, factor: law.factor, exponent: -law.exponent, residual: 0)
            let errors = runs.map { curve($0.parameters) / $0.loss - 1 }
            curve.residual = (errors.reduce(0) { $0 + $1 * $1 } / Double(errors.count)).squareRoot()
            if curve.residual < best?.residual ?? .infinity { best = curve }
        }
        // Coarse over all floors, then fine around the best.
        for step in 0..<200 { attempt(lowest * Double(step) / 200) }
        if let middle = best?.floor {
            for step in -100...100 {
                let floor = middle + lowest * Double(step) / 20_000
                if floor >= 0, floor < lowest { attempt(floor) }
            }
        }
        return best
    }
}
