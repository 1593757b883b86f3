#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// y = a · xᵇ, by least squares of the logarithms.
public struct PowerLaw: Sendable, Equatable {
    public var factor, exponent: Double

    public init(factor: Double, exponent: Double) { (self.factor, self.exponent) = (factor, exponent) }

    /// Nil with fewer than two different x.
    public init?(_ points: [(x: Double, y: Double)]) {
        let points = points.filter { $0.x > 0 && $0.y > 0 }
        let size = Double(points.count)
        let x = points.map { log($0.x) }, y = points.map { log($0.y) }
        let meanX = x.reduce(0, +) / size, meanY = y.reduce(0, +) / size
        let spread = x.reduce(0) { $0 + ($1 - meanX) * ($1 - meanX) }
        guard points.count > 1, spread > 0 else { return nil }
        exponent = zip(x, y).reduce(0) { $0 + ($1.0 - meanX) * ($1.1 - meanY) } / spread
        factor = exp(meanY - exponent * meanX)
    }

    public func callAsFunction(_ x: Double) -> Double { factor * pow(x, exponent) }
}

/// A training run as scaling laws see it.
public struct ScalingPoint: Sendable, Equatable {
    public var parameters: Double
    /// Tokens trained on.
    public var tokens: Double
    public var loss: Double
    /// Floating-point operations; 6 · parameters · tokens where nothing else is said.
    public var compute: Double

    public init(parameters: Double, tokens: Double, loss: Double, compute: Double? = nil) {
        (self.parameters, self.tokens, self.loss) = (parameters, tokens, loss)
        self.compute = compute ?? 6 * parameters * tokens
    }
}
