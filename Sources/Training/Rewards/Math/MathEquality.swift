/// Whether two answers are equal: numbers by value (to six decimal places), expressions with variables by their values
/// at some points, sets without order, intervals and tuples element by element.
extension MathExpression {
    func equals(_ other: MathExpression) -> Bool {
        switch (self, other) {
        case (.text(let a), .text(let b)): return a == b
        case (.text(let a), .symbol(let b)), (.symbol(let b), .text(let a)): return a == b.lowercased()
        case (.infinity(let a), .infinity(let b)): return a == b
        case (.tuple(let a), .tuple(let b)): return Self.pairwise(a, b)
        case (.set(let a), .set(let b)): return Self.asSets(a, b)
        case (.union(let a), .union(let b)): return Self.asSets(a, b)
        case (.matrix(let a), .matrix(let b)):
            return a.count == b.count && zip(a, b).allSatisfy { Self.pairwise($0, $1) }
        case (.interval(let low, let high, let l, let h), .interval(let low2, let high2, let l2, let h2)):
            return l == l2 && h == h2 && low.equals(low2) && high.equals(high2)
        // (a, b) is an open interval or a pair, depending on the other side.
        case (.interval(let low, let high, false, false), .tuple(let parts)),
            (.tuple(let parts), .interval(let low, let high, false, false)):
            return Self.pairwise([low, high], parts)
        case (.plusMinus(let a, let b), .plusMinus(let c, let d)):
            return a.equals(c) && (b.equals(d) || b.equals(.product([.number(-1), d])))
        case (.plusMinus, .set(let parts)), (.plusMinus, .tuple(let parts)): return Self.asSets(both, parts)
        case (.set(let parts), .plusMinus), (.tuple(let parts), .plusMinus): return Self.asSets(parts, other.both)
        // "2, 3" is a list in no order where the other side is a set.
        case (.set(let a), .tuple(let b)), (.tuple(let a), .set(let b)): return Self.asSets(a, b)
        case (.relation(let sign, let a, let b), .relation(let sign2, let c, let d)):
            if sign == sign2, a.equals(c), b.equals(d) { return true }
            if Self.turned[sign] == sign2, a.equals(d), b.equals(c) { return true }
            guard sign == "=", sign2 == "=" else { return false }
            // Two equations are equal if their differences are multiples of each other.
            return Self.areProportional(
                .sum([a, .product([.number(-1), b])]), .sum([c, .product([.number(-1), d])]))
        // x = 5 equals 5.
        case (.relation("=", let name, let value), _) where name.isName: return value.equals(other)
        case (_, .relation("=", let name, let value)) where name.isName: return equals(value)
        case (.set(let parts), _) where parts.count == 1 && other.isScalar: return parts[0].equals(other)
        case (_, .set(let parts)) where parts.count == 1 && isScalar: return equals(parts[0])
        default: return Self.sameValue(self, other)
        }
    }

    private static let turned = ["<": ">", ">": "<", "≤": "≥", "≥": "≤", "=": "=", "≠": "≠"]

    private var isScalar: Bool {
        switch self {
        case .tuple, .set, .interval, .union, .matrix, .relation, .text, .plusMinus: false
        default: true
        }
    }

    /// A variable, or a function of one as "f(x)".
    private var isName: Bool {
        switch self {
        case .symbol: true
        case .product(let parts): parts.count <= 2 && parts.allSatisfy { if case .symbol = $0 { true } else { false } }
        default: false
        }
    }

    /// The values of a ± b.
    private var both: [MathExpression] {
        guard case .plusMinus(let a, let b) = self else { return [self] }
        return [.sum([a, b]), .sum([a, .product([.number(-1), b])])]
    }

    private static func pairwise(_ a: [MathExpression], _ b: [MathExpression]) -> Bool {
        a.count == b.count && zip(a, b).allSatisfy { $0.equals($1) }
    }

    private static func asSets(_ a: [MathExpression], _ b: [MathExpression]) -> Bool {
        guard a.count == b.count else { return false }
        var left = b
        for part in a {
            guard let index = left.firstIndex(where: { part.equals($0) }) else { return false }
            left.remove(at: index)
        }
        return true
    }

    // MARK: values

    /// The points at which variables are evaluated: arbitrary numbers, unlikely to be special for any answer.
    private static let places = [0.7368062997, 1.2345678912, 2.6180339887, 0.3141592654, 3.3019272488]

    private static func symbolValue(_ name: String, _ place: Int) -> Double {
        var hash: UInt64 = 14_695_981_039_346_656_037
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 1_099_511_628_211 }
        return places[place] + Double(hash % 1009) / 977
    }

    private static func sameValue(_ a: MathExpression, _ b: MathExpression) -> Bool {
        let names = a.symbols.union(b.symbols)
        guard !names.isEmpty else {
            guard let x = a.value({ _ in nil }), let y = b.value({ _ in nil }) else { return a == b }
            return isClose(x, y, absolute: 1e-6)
        }
        // A variable that one side lacks may cancel, as in x − x.
        var compared = 0
        for place in places.indices {
            let x = a.value { symbolValue($0, place) }, y = b.value { symbolValue($0, place) }
            guard let x, let y, x.re.isFinite, y.re.isFinite else { continue }
            guard isClose(x, y, absolute: 1e-9) else { return false }
            compared += 1
        }
        return compared >= 2 || compared == 0 && a == b
    }

    private static func areProportional(_ a: MathExpression, _ b: MathExpression) -> Bool {
        var ratio: Value?
        for place in places.indices {
            guard let x = a.value({ symbolValue($0, place) }), let y = b.value({ symbolValue($0, place) }),
                y.magnitude > 1e-9, x.magnitude > 1e-9
            else { continue }
            let found = x * y.inverse
            if let ratio, !isClose(ratio, found, absolute: 1e-9) { return false }
            ratio = found
        }
        return ratio != nil
    }

    private static func isClose(_ a: Value, _ b: Value, absolute: Double) -> Bool {
        guard a.re.isFinite, b.re.isFinite else { return false }
        let size = max(a.magnitude, b.magnitude)
        let difference = Value(re: a.re - b.re, im: a.im - b.im).magnitude
        return difference <= max(absolute / 2, 1e-12 * size)
    }
}
