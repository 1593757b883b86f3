#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The functions that elementwise operations need of a float type.
protocol RealElement: ComputeElement, BinaryFloatingPoint {
    static func exponential(_ x: Self) -> Self
    static func exponentialMinusOne(_ x: Self) -> Self
    static func logarithm(_ x: Self) -> Self
    static func logarithmOnePlus(_ x: Self) -> Self
    static func binaryLogarithm(_ x: Self) -> Self
    static func sine(_ x: Self) -> Self
    static func cosine(_ x: Self) -> Self
    static func tangent(_ x: Self) -> Self
    static func hyperbolicTangent(_ x: Self) -> Self
    static func errorFunction(_ x: Self) -> Self
}

extension RealElement {
    @inline(__always) static func sigmoid(_ x: Self) -> Self { 1 / (1 + exponential(-x)) }
}

extension Float: RealElement {
    static func exponential(_ x: Float) -> Float { expf(x) }
    static func exponentialMinusOne(_ x: Float) -> Float { expm1f(x) }
    static func logarithm(_ x: Float) -> Float { logf(x) }
    static func logarithmOnePlus(_ x: Float) -> Float { log1pf(x) }
    static func binaryLogarithm(_ x: Float) -> Float { log2f(x) }
    static func sine(_ x: Float) -> Float { sinf(x) }
    static func cosine(_ x: Float) -> Float { cosf(x) }
    static func tangent(_ x: Float) -> Float { tanf(x) }
    static func hyperbolicTangent(_ x: Float) -> Float { tanhf(x) }
    static func errorFunction(_ x: Float) -> Float { erff(x) }
}

extension Double: RealElement {
    static func exponential(_ x: Double) -> Double { exp(x) }
    static func exponentialMinusOne(_ x: Double) -> Double { expm1(x) }
    static func logarithm(_ x: Double) -> Double { log(x) }
    static func logarithmOnePlus(_ x: Double) -> Double { log1p(x) }
    static func binaryLogarithm(_ x: Double) -> Double { log2(x) }
    static func sine(_ x: Double) -> Double { sin(x) }
    static func cosine(_ x: Double) -> Double { cos(x) }
    static func tangent(_ x: Double) -> Double { tan(x) }
    static func hyperbolicTangent(_ x: Double) -> Double { tanh(x) }
    static func errorFunction(_ x: Double) -> Double { erf(x) }
}
