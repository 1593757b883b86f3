#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The parsed form of an answer in LaTeX.
indirect enum MathExpression: Equatable, Sendable {
    case number(Double)
    /// A variable, π, e or i, by its name.
    case symbol(String)
    case sum([MathExpression])
    case product([MathExpression])
    case quotient(MathExpression, MathExpression)
    case power(MathExpression, MathExpression)
    case function(String, MathExpression)
    /// a ± b: both.
    case plusMinus(MathExpression, MathExpression)
    case infinity(isNegative: Bool)
    /// (a, b), which may be an open interval.
    case tuple([MathExpression])
    case set([MathExpression])
    case interval(MathExpression, MathExpression, includesLow: Bool, includesHigh: Bool)
    case union([MathExpression])
    case matrix([[MathExpression]])
    /// a = b, a < b, …
    case relation(String, MathExpression, MathExpression)
    /// Words, in lower case without space around them.
    case text(String)

    /// A complex number: roots of negative numbers are answers too.
    struct Value {
        var re: Double, im = 0.0

        static func + (a: Value, b: Value) -> Value { Value(re: a.re + b.re, im: a.im + b.im) }
        static func * (a: Value, b: Value) -> Value {
            Value(re: a.re * b.re - a.im * b.im, im: a.re * b.im + a.im * b.re)
        }
        var inverse: Value {
            let size = re * re + im * im
            return Value(re: re / size, im: -im / size)
        }
        var magnitude: Double { hypot(re, im) }
        /// A real power of a real number if it is real, else the principal value.
        func raised(to power: Value) -> Value {
            if power.im == 0, im == 0, re >= 0 || power.re == power.re.rounded() {
                return Value(re: pow(re, power.re))
            }
            guard magnitude > 0 else { return Value(re: 0) }
            let logarithm = Value(re: log(magnitude), im: atan2(im, re)) * power
            let size = exp(logarithm.re)
            return Value(re: size * cos(logarithm.im), im: size * sin(logarithm.im))
        }
    }

    /// The value for given values of the symbols; nil if it is not a number.
    func value(_ symbols: (String) -> Double?) -> Value? {
        switch self {
        case .number(let number): return Value(re: number)
        case .symbol("π"): return Value(re: .pi)
        case .symbol("e"): return Value(re: exp(1))
        case .symbol("i"): return Value(re: 0, im: 1)
        case .symbol(let name): return symbols(name).map { Value(re: $0) }
        case .sum(let terms): return terms.folded(Value(re: 0), symbols, +)
        case .product(let factors): return factors.folded(Value(re: 1), symbols, *)
        case .quotient(let a, let b):
            guard let a = a.value(symbols), let b = b.value(symbols), b.magnitude > 0 else { return nil }
            return a * b.inverse
        case .power(let base, let power):
            guard let base = base.value(symbols), let power = power.value(symbols) else { return nil }
            return base.raised(to: power)
        case .function(let name, let argument): return argument.value(symbols).flatMap { Self.applied(name, $0) }
        case .plusMinus, .infinity, .tuple, .set, .interval, .union, .matrix, .relation, .text: return nil
        }
    }

    private static func applied(_ name: String, _ x: Value) -> Value? {
        if name == "abs" { return Value(re: x.magnitude) }
        guard x.im == 0 else { return nil }
        let real: Double
        switch name {
        case "sin": real = sin(x.re)
        case "cos": real = cos(x.re)
        case "tan": real = tan(x.re)
        case "cot": real = 1 / tan(x.re)
        case "sec": real = 1 / cos(x.re)
        case "csc": real = 1 / sin(x.re)
        case "arcsin": real = asin(x.re)
        case "arccos": real = acos(x.re)
        case "arctan": real = atan(x.re)
        case "sinh": real = sinh(x.re)
        case "cosh": real = cosh(x.re)
        case "tanh": real = tanh(x.re)
        case "ln", "log": real = log(x.re)
        case "exp": real = exp(x.re)
        case "floor": real = x.re.rounded(.down)
        case "ceil": real = x.re.rounded(.up)
        case "factorial":
            guard x.re >= 0, x.re <= 170, x.re == x.re.rounded() else { return nil }
            real = tgamma(x.re + 1).rounded()
        default: return nil
        }
        return Value(re: real)
    }

    /// The variables in it.
    var symbols: Set<String> {
        switch self {
        case .symbol(let name): ["π", "e", "i"].contains(name) ? [] : [name]
        case .number, .infinity, .text: []
        case .sum(let parts), .product(let parts), .tuple(let parts), .set(let parts), .union(let parts):
            parts.reduce(into: []) { $0.formUnion($1.symbols) }
        case .quotient(let a, let b), .power(let a, let b), .plusMinus(let a, let b), .interval(let a, let b, _, _),
            .relation(_, let a, let b):
            a.symbols.union(b.symbols)
        case .function(_, let argument): argument.symbols
        case .matrix(let rows): rows.joined().reduce(into: []) { $0.formUnion($1.symbols) }
        }
    }
}

extension [MathExpression] {
    fileprivate func folded(
        _ start: MathExpression.Value, _ symbols: (String) -> Double?,
        _ join: (MathExpression.Value, MathExpression.Value) -> MathExpression.Value
    ) -> MathExpression.Value? {
        var total = start
        for part in self {
            guard let value = part.value(symbols) else { return nil }
            total = join(total, value)
        }
        return total
    }
}
