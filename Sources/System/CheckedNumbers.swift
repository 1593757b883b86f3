/// Checked conversions for numbers from a file, a request, a flag or a log. Such numbers are narrowed where they enter
/// the program, only with these functions:
///
/// - `Int(whole:)`, `Int(clamping: Double)`: from floating point; `Int(_:)` would trap for NaN and values that are
///   too large.
/// - `narrowed(to:)`: to the range of valid values, or nil.
/// - `Int.product(_:)`, `Int.sum(_:)`: sizes computed from several such numbers, or nil on overflow.
/// - `adding(clamped:)`, `multiplied(clampedBy:)`: for estimates, where the largest number stands for "too many".
extension FixedWidthInteger {
    /// The integer equal to a floating-point value; nil for a fraction, an infinity, NaN, or a value out of range.
    @inlinable public init?<Source: BinaryFloatingPoint>(whole value: Source) {
        self.init(exactly: value)
    }

    /// The nearest number of this type: truncated toward zero, clamped to the limits of the type, and 0 for NaN.
    @inlinable public init<Source: BinaryFloatingPoint>(clamping value: Source) {
        if let exact = Self(exactly: value.rounded(.towardZero)) {
            self = exact
        } else if value.isNaN {
            self = 0
        } else {
            self = value < 0 ? .min : .max
        }
    }

    /// The same number if it is within `range`, else nil.
    @inlinable public func narrowed(to range: ClosedRange<Self>) -> Self? {
        range.contains(self) ? self : nil
    }

    /// `self + other`, clamped to the limits of the type.
    @inlinable public func adding(clamped other: Self) -> Self {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }

    /// `self * other`, clamped to the limits of the type.
    @inlinable public func multiplied(clampedBy other: Self) -> Self {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? ((self < 0) == (other < 0) ? .max : .min) : product
    }
}

extension Int {
    /// The product of the factors, or nil on overflow: `Int.product(layers, heads, width)`.
    @inlinable public static func product(_ factors: Int...) -> Int? {
        var result = 1
        for factor in factors {
            let (next, overflow) = result.multipliedReportingOverflow(by: factor)
            if overflow { return factors.contains(0) ? 0 : nil }
            result = next
        }
        return result
    }

    /// The sum of the terms, or nil if it or a partial sum overflows.
    @inlinable public static func sum(_ terms: Int...) -> Int? {
        var result = 0
        for term in terms {
            let (next, overflow) = result.addingReportingOverflow(term)
            if overflow { return nil }
            result = next
        }
        return result
    }
}
