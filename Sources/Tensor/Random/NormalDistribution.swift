/// The standard normal distribution, computed from additions, multiplications, divisions and square roots only. IEEE
/// 754 defines the rounding of these, so results have the same bits on every machine; `log` and `exp` of system
/// libraries do not guarantee that.
public enum NormalDistribution {
    /// The quantile: the x such that a standard normal number is below x with probability `p`; relative error about
    /// 1e-15.
    ///
    /// Source: Wichura, "Algorithm AS 241: the percentage points of the normal distribution" (Applied Statistics 37,
    /// 1988), PPND16.
    public static func quantile(_ p: Double) -> Double {
        (p - 0.5).magnitude <= 0.425 ? centreQuantile(p) : tailQuantile(p)
    }

    /// Replaces probabilities by their quantiles: first the central range, where most of them are, without branches.
    static func replaceByQuantiles(_ values: UnsafeMutablePointer<Double>, _ count: Int) {
        withUnsafeTemporaryAllocation(of: Double.self, capacity: count) { p in
            guard let p = p.baseAddress else { return }
            p.update(from: values, count: count)
            for i in 0..<count { values[i] = centreQuantile(p[i]) }
            for i in 0..<count where (p[i] - 0.5).magnitude > 0.425 { values[i] = tailQuantile(p[i]) }
        }
    }

    @inline(__always)
    private static func centreQuantile(_ p: Double) -> Double {
        let q = p - 0.5, r = 0.180625 - q * q
        return q * Self.centre.numerator.at(r) / Self.centre.denominator.at(r)
    }

    private static func tailQuantile(_ p: Double) -> Double {
        let upper = p > 0.5
        let r = (-logarithm(upper ? 1 - p : p)).squareRoot()
        let tail =
            r <= 5
            ? shoulder.numerator.at(r - 1.6) / shoulder.denominator.at(r - 1.6)
            : far.numerator.at(r - 5) / far.denominator.at(r - 5)
        return upper ? tail : -tail
    }

    /// The cumulative distribution function at `x`: for |x| < 6.5 by the series phi(x) (x + x^3/3 + x^5/15 + …).
    /// Source: Marsaglia, "Evaluating the normal distribution" (J. Stat. Software 11(4), 2004).
    public static func cumulative(_ x: Double) -> Double {
        if x <= -8 { return 0 }
        if x >= 8 { return 1 }
        var sum = x, previous = 0.0, term = x, divisor = 1.0
        while sum != previous {
            previous = sum
            divisor += 2
            term *= x * x / divisor
            sum += term
        }
        return Swift.min(Swift.max(0.5 + sum * exponential(-x * x / 2) * 0.3989422804014327, 0), 1)
    }

    /// ln x of a positive, normal x: 2 artanh((m - 1) / (m + 1)) + e ln 2 with m within sqrt(2) of 1.
    static func logarithm(_ x: Double) -> Double {
        var exponent = Double(x.exponent), mantissa = x.significand
        if mantissa > 1.4142135623730951 {
            mantissa /= 2
            exponent += 1
        }
        let s = (mantissa - 1) / (mantissa + 1), square = s * s
        var series = 1.0 / 23
        series = series * square + 1.0 / 21
        series = series * square + 1.0 / 19
        series = series * square + 1.0 / 17
        series = series * square + 1.0 / 15
        series = series * square + 1.0 / 13
        series = series * square + 1.0 / 11
        series = series * square + 1.0 / 9
        series = series * square + 1.0 / 7
        series = series * square + 1.0 / 5
        series = series * square + 1.0 / 3
        series = series * square + 1
        return 2 * s * series + exponent * 0.6931471805599453
    }

    /// e^x for -40 < x < 40: 2^n times a Taylor series around 0.
    static func exponential(_ x: Double) -> Double {
        let n = (x * 1.4426950408889634).rounded()
        let r = (x - n * 0.693147180369123816490) - n * 1.90821492927058770002e-10
        var series = 1.0
        for divisor in stride(from: 16.0, through: 1, by: -1) { series = 1 + series * r / divisor }
        return Double(sign: .plus, exponent: Int(n), significand: series)
    }

    private struct Rational: Sendable {
        let numerator, denominator: Polynomial
    }

    /// Coefficients from degree zero to seven.
    private struct Polynomial: Sendable {
        let c: (Double, Double, Double, Double, Double, Double, Double, Double)
        @inline(__always) func at(_ x: Double) -> Double {
            ((((((c.7 * x + c.6) * x + c.5) * x + c.4) * x + c.3) * x + c.2) * x + c.1) * x + c.0
        }
    }

    @inline(__always) private static var centre: Rational {
        Rational(
            numerator: Polynomial(
                c: (
                    3.387132872796366608, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125,
                    45921.953931549871457, 67265.770927008700853, 33430.575583588128105, 2509.0809287301226727
                )),
            denominator: Polynomial(
                c: (
                    1, 42.313330701600911252, 687.1870074920579083, 5394.1960214247511077, 21213.794301586595867,
                    39307.89580009271061, 28729.085735721942674, 5226.495278852854561
                )))
    }
    @inline(__always) private static var shoulder: Rational {
        Rational(
            numerator: Polynomial(
                c: (
                    1.42343711074968357734, 4.6303378461565452959, 5.7694972214606914055, 3.64784832476320460504,
                    1.27045825245236838258, 0.24178072517745061177, 0.0227238449892691845833, 7.7454501427834140764e-4
                )),
            denominator: Polynomial(
                c: (
                    1, 2.05319162663775882187, 1.6763848301838038494, 0.68976733498510000455, 0.14810397642748007459,
                    0.0151986665636164571966, 5.475938084995344946e-4, 1.05075007164441684324e-9
                )))
    }
    @inline(__always) private static var far: Rational {
        Rational(
            numerator: Polynomial(
                c: (
                    6.6579046435011037772, 5.4637849111641143699, 1.7848265399172913358, 0.29656057182850489123,
                    0.026532189526576123093, 0.0012426609473880784386, 2.71155556874348757815e-5,
                    2.01033439929228813265e-7
                )),
            denominator: Polynomial(
                c: (
                    1, 0.59983220655588793769, 0.13692988092273580531, 0.0148753612908506148525,
                    7.868691311456132591e-4, 1.8463183175100546818e-5, 1.4215117583164458887e-7,
                    2.04426310338993978564e-15
                )))
    }
}
