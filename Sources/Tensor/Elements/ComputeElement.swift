#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The types that arithmetic is computed in. Integers wrap on overflow, as in PyTorch.
protocol ComputeElement: Comparable, BitwiseCopyable, Sendable {
    static var dtype: DType { get }
    static var zero: Self { get }
    static var one: Self { get }
    /// The smallest and largest values: infinities for floats.
    static var lowest: Self { get }
    static var highest: Self { get }
    var isNotANumber: Bool { get }
    init(_ scalar: Scalar)

    static func plus(_ a: Self, _ b: Self) -> Self
    static func minus(_ a: Self, _ b: Self) -> Self
    static func times(_ a: Self, _ b: Self) -> Self
    /// True division; never called for integers.
    static func over(_ a: Self, _ b: Self) -> Self
    /// The quotient rounded down. Integer divisors are never zero here.
    static func floorOver(_ a: Self, _ b: Self) -> Self
    /// `a - floor(a / b) * b`, with the sign of `b`.
    static func modulo(_ a: Self, _ b: Self) -> Self
    static func power(_ a: Self, _ b: Self) -> Self
}

extension ComputeElement {
    /// NaN if either operand is NaN.
    @inline(__always) static func smaller(_ a: Self, _ b: Self) -> Self { a < b || a.isNotANumber ? a : b }
    @inline(__always) static func larger(_ a: Self, _ b: Self) -> Self { a > b || a.isNotANumber ? a : b }
}

extension ComputeElement where Self: BinaryFloatingPoint {
    static var one: Self { 1 }
    static var lowest: Self { -.infinity }
    static var highest: Self { .infinity }
    @inline(__always) var isNotANumber: Bool { self != self }
    init(_ scalar: Scalar) { self.init(scalar.double) }
    @inline(__always) static func plus(_ a: Self, _ b: Self) -> Self { a + b }
    @inline(__always) static func minus(_ a: Self, _ b: Self) -> Self { a - b }
    @inline(__always) static func times(_ a: Self, _ b: Self) -> Self { a * b }
    @inline(__always) static func over(_ a: Self, _ b: Self) -> Self { a / b }

    /// Computed from the exact remainder, so that the quotient agrees with `modulo` (as Python's `//` and `%`).
    static func floorOver(_ a: Self, _ b: Self) -> Self {
        if b == 0 { return a / b }
        let remainder = a.truncatingRemainder(dividingBy: b)
        var quotient = (a - remainder) / b
        if remainder != 0 && (b < 0) != (remainder < 0) { quotient -= 1 }
        if quotient == 0 { return a / b < 0 ? -0.0 : 0 }
        let floored = quotient.rounded(.down)
        return quotient - floored > 0.5 ? floored + 1 : floored
    }

    static func modulo(_ a: Self, _ b: Self) -> Self {
        let remainder = a.truncatingRemainder(dividingBy: b)
        return remainder != 0 && (b < 0) != (remainder < 0) ? remainder + b : remainder
    }
}

extension Float: ComputeElement {
    static func power(_ a: Float, _ b: Float) -> Float { powf(a, b) }
}
extension Double: ComputeElement {
    static func power(_ a: Double, _ b: Double) -> Double { pow(a, b) }
}

extension ComputeElement where Self: FixedWidthInteger {
    static var one: Self { 1 }
    static var lowest: Self { .min }
    static var highest: Self { .max }
    @inline(__always) var isNotANumber: Bool { false }
    init(_ scalar: Scalar) {
        switch scalar {
        case .boolean(let value): self = value ? 1 : 0
        case .integer(let value): self.init(truncatingIfNeeded: value)
        case .real(let value): self.init(truncatingIfNeeded: Int64(dropping: value))
        }
    }
    @inline(__always) static func plus(_ a: Self, _ b: Self) -> Self { a &+ b }
    @inline(__always) static func minus(_ a: Self, _ b: Self) -> Self { a &- b }
    @inline(__always) static func times(_ a: Self, _ b: Self) -> Self { a &* b }
    @inline(__always) static func over(_ a: Self, _ b: Self) -> Self { floorOver(a, b) }

    static func floorOver(_ a: Self, _ b: Self) -> Self {
        let (quotient, _) = a.dividedReportingOverflow(by: b)
        return modulo(a, b) != 0 && (a < 0) != (b < 0) ? quotient &- 1 : quotient
    }

    static func modulo(_ a: Self, _ b: Self) -> Self {
        let (remainder, overflow) = a.remainderReportingOverflow(dividingBy: b)
        if overflow { return 0 }
        return remainder != 0 && (remainder < 0) != (b < 0) ? remainder &+ b : remainder
    }

    /// By repeated squaring; a negative exponent leaves 1 / a^|b| rounded to zero.
    static func power(_ a: Self, _ b: Self) -> Self {
        if b < 0 { return a == 1 ? 1 : a == -1 ? (b & 1 == 0 ? 1 : -1) : 0 }
        var result: Self = 1, base = a, exponent = b
        while exponent > 0 {
            if exponent & 1 == 1 { result = result &* base }
            base = base &* base
            exponent >>= 1
        }
        return result
    }
}

extension Int32: ComputeElement {}
extension Int64: ComputeElement {}
