#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

package enum JinjaOperator: String, Sendable {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case floorDivide = "//"
    case modulo = "%"
    case power = "**"
}

extension JinjaValue {
    /// Python's binary operators. Integers have 64 bits; overflow is an error.
    static func apply(
        _ symbol: JinjaOperator, _ left: JinjaValue, _ right: JinjaValue, _ meter: JinjaMeter
    ) throws(JinjaError) -> JinjaValue {
        if let a = left.index, let b = right.index { return try integers(symbol, a, b) }
        if let a = left.number, let b = right.number { return .float(try doubles(symbol, a, b)) }
        if symbol == .add, let (a, b) = texts(left, right) { return .string(try a.joined(with: b, meter)) }
        switch (symbol, left, right) {
        case (.modulo, .string(let format), _):
            return .string(try format.formatted(with: right, meter))
        case (_, .undefined(let what), _), (_, _, .undefined(let what)):
            throw JinjaError(.undefined, what)
        case (.add, .list(let a), .list(let b)):
            try checkCount(a.count + b.count, meter)
            return .list(JinjaList(a.items + b.items))
        case (.add, .tuple(let a), .tuple(let b)):
            try checkCount(a.count + b.count, meter)
            return .tuple(JinjaList(a.items + b.items))
        case (.multiply, .string(let text), _), (.multiply, _, .string(let text)):
            if let times = left.index ?? right.index { return .string(try text.repeated(times, meter)) }
        case (.multiply, .list(let values), _), (.multiply, _, .list(let values)):
            if let times = left.index ?? right.index { return .list(try repeated(values, times, meter)) }
        case (.multiply, .tuple(let values), _), (.multiply, _, .tuple(let values)):
            if let times = left.index ?? right.index { return .tuple(try repeated(values, times, meter)) }
        default: break
        }
        throw .type(
            "unsupported operand type(s) for \(symbol.rawValue): '\(left.typeName)' and '\(right.typeName)'")
    }

    /// Two texts, or a text and a value with a replacing text.
    private static func texts(_ left: JinjaValue, _ right: JinjaValue) -> (JinjaText, JinjaText)? {
        switch (left, right) {
        case (.string(let a), _): right.asText.map { (a, $0) }
        case (_, .string(let b)): left.asText.map { ($0, b) }
        case (.dict, _), (_, .dict):
            if let a = left.asText, let b = right.asText { (a, b) } else { nil }
        default: nil
        }
    }

    private static func checkCount(_ count: Int, _ meter: JinjaMeter) throws(JinjaError) {
        try meter.step(count / 2)
        guard count <= JinjaLimits.listCount else {
            throw .limit("a list is longer than the limit of \(JinjaLimits.listCount)")
        }
    }

    private static func repeated(
        _ values: JinjaList, _ times: Int64, _ meter: JinjaMeter
    ) throws(JinjaError) -> JinjaList {
        guard times > 0, !values.isEmpty else { return [] }
        let (count, overflow) = times.multipliedReportingOverflow(by: Int64(values.count))
        try checkCount(overflow ? Int.max : Int(count), meter)
        var result: [JinjaValue] = []
        result.reserveCapacity(Int(count))
        for _ in 0..<times { result += values.items }
        return JinjaList(result)
    }

    private static func integers(_ symbol: JinjaOperator, _ a: Int64, _ b: Int64) throws(JinjaError) -> JinjaValue {
        let result: (partialValue: Int64, overflow: Bool)
        switch symbol {
        case .add: result = a.addingReportingOverflow(b)
        case .subtract: result = a.subtractingReportingOverflow(b)
        case .multiply: result = a.multipliedReportingOverflow(by: b)
        case .divide:
            guard b != 0 else { throw .value("division by zero") }
            return .float(Double(a) / Double(b))
        case .floorDivide, .modulo:
            guard b != 0 else { throw .value("integer division or modulo by zero") }
            let division = a.dividedReportingOverflow(by: b)
            guard !division.overflow else {
                if symbol == .modulo { return .int(0) }
                throw overflow(symbol)
            }
            let remainder = a % b
            let isNegative = remainder != 0 && (remainder < 0) != (b < 0)
            if symbol == .modulo { return .int(isNegative ? remainder + b : remainder) }
            return .int(isNegative ? division.partialValue - 1 : division.partialValue)
        case .power:
            if b < 0 {
                guard a != 0 else { throw .value("0.0 cannot be raised to a negative power") }
                return .float(pow(Double(a), Double(b)))
            }
            result = power(a, b)
        }
        guard !result.overflow else { throw overflow(symbol) }
        return .int(result.partialValue)
    }

    private static func overflow(_ symbol: JinjaOperator) -> JinjaError {
        .value("the result of \(symbol.rawValue) does not fit in 64 bits")
    }

    private static func power(_ base: Int64, _ exponent: Int64) -> (partialValue: Int64, overflow: Bool) {
        if base == 1 || exponent == 0 { return (1, false) }
        if base == 0 { return (0, false) }
        if base == -1 { return (exponent % 2 == 0 ? 1 : -1, false) }
        guard exponent < 64 else { return (0, true) }
        var result: Int64 = 1
        for _ in 0..<exponent {
            let product = result.multipliedReportingOverflow(by: base)
            if product.overflow { return (0, true) }
            result = product.partialValue
        }
        return (result, false)
    }

    private static func doubles(_ symbol: JinjaOperator, _ a: Double, _ b: Double) throws(JinjaError) -> Double {
        switch symbol {
        case .add: return a + b
        case .subtract: return a - b
        case .multiply: return a * b
        case .divide:
            guard b != 0 else { throw .value("float division by zero") }
            return a / b
        case .floorDivide, .modulo:
            guard b != 0 else { throw .value("float floor division or modulo by zero") }
            var remainder = fmod(a, b)
            if remainder != 0, (remainder < 0) != (b < 0) { remainder += b }
            if symbol == .modulo {
                return remainder == 0 ? Double(signOf: b, magnitudeOf: 0) : remainder
            }
            let quotient = (a - remainder) / b
            guard quotient != 0 else { return Double(signOf: a / b, magnitudeOf: 0) }
            let whole = quotient.rounded(.down)
            return quotient - whole > 0.5 ? whole + 1 : whole
        case .power:
            if a == 0, b < 0 { throw .value("0.0 cannot be raised to a negative power") }
            if a < 0, b.isFinite, b != b.rounded() { throw .value("complex numbers are not supported") }
            let result = pow(a, b)
            if result.isInfinite, a.isFinite, b.isFinite { throw .value("the result of ** is too large") }
            return result
        }
    }

    /// `-value` and `+value`.
    func negated(_ isNegative: Bool) throws(JinjaError) -> JinjaValue {
        switch self {
        case .float(let value): return .float(isNegative ? -value : value)
        case .int, .bool:
            let value = index ?? 0
            guard isNegative else { return .int(value) }
            guard value != .min else { throw Self.overflow(.subtract) }
            return .int(-value)
        case .undefined(let what): throw JinjaError(.undefined, what)
        default: throw .type("bad operand type for unary \(isNegative ? "-" : "+"): '\(typeName)'")
        }
    }
}
