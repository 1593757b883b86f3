/// Numbers from a file, a request, a flag or a log are narrowed where they come in, with these and nothing else:
///
/// - `Int(whole:)`, `Int(clamping: Double)`: from floating point, which `Int(_:)` traps on when it is too large or no number.
/// - `narrowed(to:)`: to the range that its use has, or nil.
/// - `Int.product(_:)`, `Int.sum(_:)`: sizes that follow from several such numbers, or nil when there are too many bytes,
///   rows or steps for a machine to count.
/// - `adding(clamped:)`, `multiplied(clampedBy:)`: for estimates, where "more than can be counted" is an answer.
extension FixedWidthInteger {
    /// The whole number that a floating-point value is, or nil for a fraction, an infinity, "not a number" and whatever
    /// does not fit.
    @inlinable public init?<Source: BinaryFloatingPoint>(whole value: Source) {
        self.init(exactly: value)
    }

    /// The nearest number of this type: the fraction cut off, the largest or least where the value lies beyond, and 0 for
    /// "not a number".
    @inlinable public init<Source: BinaryFloatingPoint>(clamping value: Source) {
        if let exact = Self(exactly: value.rounded(.towardZero)) {
            self = exact
        } else if value.isNaN {
            self = 0
        } else {
            self = value < 0 ? .min : .max
        }
    }

    /// The same number where it lies within `range`, else nil.
    @inlinable public func narrowed(to range: ClosedRange<Self>) -> Self? {
        range.contains(self) ? self : nil
    }

    /// `self + other`, or the largest or least number where that is beyond.
    @inlinable public func adding(clamped other: Self) -> Self {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }

    /// `self * other`, or the largest or least number where that is beyond.
    @inlinable public func multiplied(clampedBy other: Self) -> Self {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? ((self < 0) == (other < 0) ? .max : .min) : product
    }
}

extension Int {
    /// The product of the factors, or nil when it is not within 64 bits: `Int.product(layers, heads, width)`.
    @inlinable public static func product(_ factors: Int...) -> Int? {
        var result = 1
        for factor in factors {
            let (next, overflow) = result.multipliedReportingOverflow(by: factor)
            if overflow { return factors.contains(0) ? 0 : nil }
            result = next
        }
        return result
    }

    /// The sum of the terms, or nil when it, or the sum of the first ones, is not within 64 bits.
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
