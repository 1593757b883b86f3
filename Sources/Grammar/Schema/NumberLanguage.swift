/// Automata of JSON numbers. An unconstrained number may have an exponent; one with bounds, divisors or excluded values
/// is written in plain decimals. Digits are limited, so that numbers end and are not changed by parsing: 18 digits of
/// an integer (64 bits), 15 of another number (a double, so that rounding cannot cross a bound), two of an exponent; or
/// as many digits as the bounds have.
struct NumberLanguage {
    private static let mostIntegerDigits = 18
    private static let mostDigits = 15
    private static let largestDivisor = 20_000

    let shape: NumberShape

    func automaton(_ budget: GrammarBudget) throws(GrammarError) -> ByteAutomaton {
        if shape.isFree {
            let isInteger = shape.kind == .integer
            let most = isInteger ? Self.mostIntegerDigits : Self.mostDigits
            let digits = "-?(0|[1-9][0-9]{0,\(most - 1)})"
            return try PatternLanguage.automaton(
                isInteger
                    ? digits : digits + "(\\.[0-9]{1,\(Self.mostDigits)})?([eE][+-]?[0-9]{1,2})?", isWhole: true,
                budget)
        }
        let zero = NumberShape.Bound(value: .zero, isExclusive: true)
        var negated = NumberShape()
        negated.low = shape.high.map { .init(value: $0.value.negated, isExclusive: $0.isExclusive) }
        negated.high = shape.low.map { .init(value: $0.value.negated, isExclusive: $0.isExclusive) }
        negated.limit(low: zero, high: nil)
        var positive = NumberShape()
        positive.low = shape.low
        positive.high = shape.high
        positive.limit(low: .init(value: .zero, isExclusive: false), high: nil)
        let negativeExcluded = shape.excluded.filter(\.isNegative).map(\.magnitude)
        let positiveExcluded = shape.excluded.filter { !$0.isNegative }

        var network = ByteNetwork(budget)
        let sign = try network.state()
        network.add(.bytes(0x2D, 0x2D, sign), from: network.start)
        try network.add(magnitudes(negated, negativeExcluded, budget), from: sign, to: network.end)
        try network.add(magnitudes(positive, positiveExcluded, budget), from: network.start, to: network.end)
        return try network.automaton(budget).trimmed
    }

    /// Numbers without a sign between non-negative bounds.
    private func magnitudes(
        _ range: NumberShape, _ excluded: [DecimalNumber], _ budget: GrammarBudget
    ) throws(GrammarError) -> ByteAutomaton {
        guard let low = range.low, range.high.map({ !$0.value.isNegative }) ?? true else { return .none }
        let bounds = [low.value, range.high?.value ?? .zero]
        let least = shape.kind == .integer ? Self.mostIntegerDigits : Self.mostDigits
        let digits = bounds.reduce(least) { max($0, $1.whole.count) }
        let length = bounds.reduce(least) { max($0, $1.whole.count + $1.fraction.count) } + 1
        let whole = "(0|[1-9][0-9]{0,\(digits - 1)})"
        let form =
            switch shape.kind {
            case .any: "(?=.{1,\(length)}$)" + whole + "(\\.[0-9]+)?"
            case .integer: whole
            case .fraction: "(?=.{1,\(length)}$)" + whole + "\\.[0-9]*[1-9][0-9]*"
            }
        var result = try PatternLanguage.automaton(form, isWhole: true, budget)
        if !low.value.isZero || low.isExclusive {
            result = try result.intersection(
                PatternLanguage.automaton(Self.atLeast(low), isWhole: true, budget), budget)
        }
        if let high = range.high {
            result = try result.intersection(
                PatternLanguage.automaton(Self.atMost(high), isWhole: true, budget), budget)
        }
        for divisor in shape.divisors {
            result = try result.intersection(Self.multiples(of: divisor, budget), budget)
        }
        for value in excluded {
            let zeros = value.fraction.isEmpty ? "(\\.0*)?" : "0*"
            let text = String(decoding: value.text, as: UTF8.self).split(separator: ".").joined(separator: "\\.")
            result = try result.subtracting(PatternLanguage.automaton(text + zeros, isWhole: true, budget), budget)
        }
        return result
    }

    private static func text(_ digits: some Sequence<UInt8>) -> String { digits.map { String($0) }.joined() }

    /// An expression for the numbers from a non-negative bound upwards. The first digit that differs decides.
    private static func atLeast(_ bound: NumberShape.Bound) -> String {
        let whole = bound.value.whole.isEmpty ? [0] : bound.value.whole
        let fraction = bound.value.fraction
        let anyFraction = "(\\.[0-9]+)?"
        let notZero = "[0-9]*[1-9][0-9]*"
        var ways = ["[1-9][0-9]{\(whole.count),}" + anyFraction]
        for index in whole.indices where whole[index] < 9 {
            ways.append(
                text(whole[..<index]) + "[\(whole[index] + 1)-9][0-9]{\(whole.count - index - 1)}" + anyFraction)
        }
        if fraction.isEmpty {
            ways.append(text(whole) + (bound.isExclusive ? "\\." + notZero : anyFraction))
        } else {
            for index in fraction.indices where fraction[index] < 9 {
                ways.append(text(whole) + "\\." + text(fraction[..<index]) + "[\(fraction[index] + 1)-9][0-9]*")
            }
            ways.append(text(whole) + "\\." + text(fraction) + (bound.isExclusive ? notZero : "[0-9]*"))
        }
        return ways.joined(separator: "|")
    }

    private static func atMost(_ bound: NumberShape.Bound) -> String {
        let whole = bound.value.whole.isEmpty ? [0] : bound.value.whole
        let fraction = bound.value.fraction
        let anyFraction = "(\\.[0-9]+)?"
        var ways: [String] = []
        if whole.count > 1 { ways.append("(0|[1-9][0-9]{0,\(whole.count - 2)})" + anyFraction) }
        for index in whole.indices {
            let lowest: UInt8 = index == 0 && whole.count > 1 ? 1 : 0
            guard whole[index] > lowest else { continue }
            ways.append(
                text(whole[..<index]) + "[\(lowest)-\(whole[index] - 1)][0-9]{\(whole.count - index - 1)}"
                    + anyFraction)
        }
        if fraction.isEmpty {
            if !bound.isExclusive { ways.append(text(whole) + "(\\.0+)?") }
        } else {
            ways.append(text(whole))
            for index in fraction.indices {
                if index > 0 { ways.append(text(whole) + "\\." + text(fraction[..<index])) }
                if fraction[index] > 0 {
                    ways.append(text(whole) + "\\." + text(fraction[..<index]) + "[0-\(fraction[index] - 1)][0-9]*")
                }
            }
            if !bound.isExclusive { ways.append(text(whole) + "\\." + text(fraction) + "0*") }
        }
        return ways.isEmpty ? "[]" : ways.joined(separator: "|")
    }

    /// Multiples of n/10^d: the automaton stores the remainder modulo n of the digits read, and the number of digits
    /// after the point.
    private static func multiples(
        of divisor: DecimalNumber, _ budget: GrammarBudget
    ) throws(GrammarError) -> ByteAutomaton {
        let places = divisor.fraction.count
        let digits = divisor.whole + divisor.fraction
        var size = 0
        for digit in digits {
            size = size * 10 + Int(digit)
            guard size <= largestDivisor else { throw .tooLarge(what: "as a divisor", limit: largestDivisor) }
        }
        guard places <= 9, size * (places + 2) <= largestDivisor * 4 else {
            throw .tooLarge(what: "as a divisor", limit: largestDivisor)
        }
        try budget.spend(10 * size * (places + 2))
        // States: the whole part by remainder, then by digits after the point, then trailing zeros only. State 0 is the
        // start.
        func state(_ remainder: Int, _ place: Int) -> Int32 { Int32(1 + place * size + remainder) }
        var states = [ByteAutomaton.State](repeating: .init(), count: 1 + size * (places + 2))
        func isMultiple(_ remainder: Int, _ after: Int) -> Bool {
            var value = remainder
            for _ in after..<places { value = value * 10 % size }
            return value == 0
        }
        func digitRanges(_ remainder: Int, _ place: Int) -> [ByteAutomaton.Range] {
            (0..<10).map { digit in
                .init(
                    low: 0x30 + UInt8(digit), high: 0x30 + UInt8(digit),
                    target: state((remainder * 10 + digit) % size, place))
            }
        }
        states[0].ranges = digitRanges(0, 0)
        for remainder in 0..<size {
            let whole = Int(state(remainder, 0))
            states[whole].isFinal = isMultiple(remainder, 0)
            // After the point any allowed number of digits follows; place 1 + k means k of them remain.
            states[whole].ranges =
                [.init(low: 0x2E, high: 0x2E, target: state(remainder, 1))]
                + digitRanges(remainder, 0)
            for place in 0...places {
                let index = Int(state(remainder, place + 1))
                let isWhole = isMultiple(remainder, place)
                states[index].isFinal = isWhole
                if place < places {
                    states[index].ranges = digitRanges(remainder, place + 2)
                } else if isWhole {
                    states[index].ranges = [.init(low: 0x30, high: 0x30, target: Int32(index))]
                }
            }
        }
        return ByteAutomaton(states: states).trimmed
    }
}
