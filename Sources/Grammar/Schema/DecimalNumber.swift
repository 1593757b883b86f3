import MartletJSON

/// An exact decimal number.
struct DecimalNumber: Hashable, Sendable, Comparable {
    /// Never true for zero.
    let isNegative: Bool
    /// Digits 0 to 9, most significant first, without leading zeros; empty for numbers below one.
    let whole: [UInt8]
    /// Without trailing zeros.
    let fraction: [UInt8]

    static let zero = DecimalNumber(isNegative: false, whole: [], fraction: [])

    init(isNegative: Bool, whole: [UInt8], fraction: [UInt8]) {
        self.whole = Array(whole.drop { $0 == 0 })
        self.fraction = fraction.lastIndex { $0 != 0 }.map { Array(fraction[...$0]) } ?? []
        self.isNegative = isNegative && !(self.whole.isEmpty && self.fraction.isEmpty)
    }

    /// Nil for a value that is not a number. A double is converted to its shortest decimal representation.
    init?(_ value: JSON) {
        switch value {
        case .integer(let value): self.init(text: String(value))
        case .number(let value) where value.isFinite: self.init(text: value.description)
        default: return nil
        }
    }

    /// A number in Swift's notation: `-12.5e-07`.
    private init?(text: String) {
        let parts = text.split(separator: "e", maxSplits: 1)
        guard let mantissa = parts.first, let exponent = parts.count == 2 ? Int(parts[1]) : 0, abs(exponent) < 400
        else {
            return nil
        }
        let halves = mantissa.drop { $0 == "-" }.split(separator: ".", omittingEmptySubsequences: false)
        var whole = halves[0].utf8.map { $0 &- 0x30 }
        var fraction = halves.count == 2 ? halves[1].utf8.map { $0 &- 0x30 } : []
        guard whole.allSatisfy({ $0 < 10 }), fraction.allSatisfy({ $0 < 10 }) else { return nil }
        for _ in 0..<max(0, exponent) { whole.append(fraction.isEmpty ? 0 : fraction.removeFirst()) }
        for _ in 0..<max(0, -exponent) { fraction.insert(whole.popLast() ?? 0, at: 0) }
        self.init(isNegative: text.hasPrefix("-"), whole: whole, fraction: fraction)
    }

    var isZero: Bool { whole.isEmpty && fraction.isEmpty }
    var isInteger: Bool { fraction.isEmpty }
    var magnitude: DecimalNumber { DecimalNumber(isNegative: false, whole: whole, fraction: fraction) }
    var negated: DecimalNumber { DecimalNumber(isNegative: !isNegative, whole: whole, fraction: fraction) }

    /// Without an exponent.
    var text: [UInt8] {
        var result: [UInt8] = isNegative ? [0x2D] : []
        result += whole.isEmpty ? [0x30] : whole.map { $0 + 0x30 }
        if !fraction.isEmpty { result += [0x2E] + fraction.map { $0 + 0x30 } }
        return result
    }

    static func < (left: DecimalNumber, right: DecimalNumber) -> Bool {
        if left.isNegative != right.isNegative { return left.isNegative }
        if left.isNegative { return right.magnitude < left.magnitude }
        if left.whole.count != right.whole.count { return left.whole.count < right.whole.count }
        if left.whole != right.whole { return left.whole.lexicographicallyPrecedes(right.whole) }
        return left.fraction.lexicographicallyPrecedes(right.fraction)
    }
}
