import MartletJSON

/// One alternative of a schema in normal form: values of one type with constraints. A schema is a list of alternatives
/// (`anyOf`); a conjunction of schemas is the list of the intersections of each pair.
enum SchemaShape: Sendable {
    case null
    /// Both values, or only the given one.
    case boolean(Bool?)
    case number(NumberShape)
    case string(StringShape)
    case array(ArrayShape)
    case object(ObjectShape)
    /// One of the values. Not empty.
    case literals([JSON])

    /// A schema without keywords.
    static let anything: [SchemaShape] = [
        .null, .boolean(nil), .number(NumberShape()), .string(StringShape()), .array(ArrayShape()),
        .object(ObjectShape()),
    ]

    /// The cost charged for an intersection with another shape.
    var size: Int {
        switch self {
        case .null, .boolean, .literals: 1
        case .number(let shape): 1 + shape.divisors.count + shape.excluded.count * shape.excluded.count / 8
        case .string(let shape): 1 + shape.languages.count + shape.excluded.count
        case .array(let shape):
            1 + shape.contained.count + shape.rest.terms.count
                + shape.prefix.reduce(0) { $0 + 1 + $1.terms.count }
        case .object(let shape): shape.size
        }
    }
}

struct NumberShape: Hashable, Sendable {
    enum Kind: Sendable {
        case any, integer
        /// Numbers that are not integers.
        case fraction
    }

    struct Bound: Hashable, Sendable {
        var value: DecimalNumber
        var isExclusive: Bool
    }

    var kind = Kind.any
    var low: Bound?
    var high: Bound?
    var divisors: [DecimalNumber] = []
    var excluded: [DecimalNumber] = []

    var isFree: Bool { kind != .fraction && low == nil && high == nil && divisors.isEmpty && excluded.isEmpty }

    /// Nil if the intersection is empty.
    func merged(_ other: NumberShape) -> NumberShape? {
        var result = self
        switch (kind, other.kind) {
        case (.any, let kind), (let kind, .any): result.kind = kind
        case (.integer, .integer), (.fraction, .fraction): break
        default: return nil
        }
        result.limit(low: other.low, high: other.high)
        for divisor in other.divisors where !divisors.contains(divisor) { result.divisors.append(divisor) }
        for value in other.excluded where !excluded.contains(value) { result.excluded.append(value) }
        return result
    }

    mutating func limit(low other: Bound?, high otherHigh: Bound?) {
        if let other {
            if let low {
                if low.value < other.value || low.value == other.value && other.isExclusive { self.low = other }
            } else {
                low = other
            }
        }
        if let otherHigh {
            if let high {
                if otherHigh.value < high.value || high.value == otherHigh.value && otherHigh.isExclusive {
                    self.high = otherHigh
                }
            } else {
                high = otherHigh
            }
        }
    }
}

struct StringShape: Sendable {
    /// In Unicode scalars.
    var least = 0
    var most: Int?
    /// The unescaped string is in all of the first and in none of the second languages.
    var languages: [ByteAutomaton] = []
    var excluded: [ByteAutomaton] = []

    func merged(_ other: StringShape) -> StringShape {
        var result = self
        result.least = max(least, other.least)
        result.most = smaller(most, other.most)
        result.languages += other.languages.filter { !languages.contains($0) }
        result.excluded += other.excluded.filter { !excluded.contains($0) }
        return result
    }
}

struct ArrayShape: Sendable {
    struct Contained: Hashable, Sendable {
        var items: SchemaConjunction
        var least: Int
        var most: Int?
        var pointer: String
    }

    var prefix: [SchemaConjunction] = []
    var rest = SchemaConjunction.any
    var least = 0
    var most: Int?
    var contained: [Contained] = []
    /// The pointer of `uniqueItems`.
    var unique: String?
    /// The number of leading items evaluated by `prefixItems` or `items`.
    var evaluated = 0
    /// The pointer of a `contains`, which evaluates some items; it is not known which.
    var evaluatesSome: String?

    func item(_ index: Int) -> SchemaConjunction { index < prefix.count ? prefix[index] : rest }

    func merged(_ other: ArrayShape) -> ArrayShape {
        var result = self
        result.prefix = (0..<max(prefix.count, other.prefix.count)).map { item($0).and(other.item($0)) }
        result.rest = rest.and(other.rest)
        result.least = max(least, other.least)
        result.most = smaller(most, other.most)
        result.contained += other.contained.filter { !contained.contains($0) }
        result.unique = unique ?? other.unique
        result.evaluated = max(evaluated, other.evaluated)
        result.evaluatesSome = evaluatesSome ?? other.evaluatesSome
        return result
    }
}

struct ObjectShape: Sendable {
    /// `properties`, `patternProperties` and `additionalProperties` of one schema: the last one applies to names that
    /// the others of the same schema do not cover.
    struct Source: Sendable {
        var names: [String] = []
        var schemas: [String: SchemaTerm] = [:]
        var patterns: [(automaton: ByteAutomaton, schema: SchemaTerm)] = []
        var additional: SchemaTerm?
        /// Whether the covered properties count as evaluated for `unevaluatedProperties`.
        var isEvaluation = true

        func terms(of name: String) -> [SchemaTerm] {
            var result = patterns.filter { $0.automaton.accepts(name.utf8) }.map(\.schema)
            if let schema = schemas[name] { result.append(schema) }
            if result.isEmpty, let additional { result.append(additional) }
            return result
        }
    }

    var sources: [Source] = []
    /// In the order of the schema.
    var required: [String] = []
    var forbidden: [String] = []
    var least = 0
    var most: Int?
    /// The pointer of the keyword that set `least`.
    var leastPointer = ""
    /// The schema of names.
    var names = SchemaConjunction.any

    /// The number of names and patterns.
    var size: Int {
        1 + required.count + forbidden.count + sources.reduce(0) { $0 + $1.patterns.count + 1 }
    }

    /// The explicitly named properties, in order.
    var knownNames: [String] {
        var seen: Set<[UInt8]> = []
        return (sources.flatMap(\.names) + required).filter { seen.insert(Array($0.utf8)).inserted }
    }

    func value(of name: String) -> SchemaConjunction { SchemaConjunction(sources.flatMap { $0.terms(of: name) }) }

    func merged(_ other: ObjectShape) -> ObjectShape? {
        var result = self
        result.sources += other.sources
        let known = Set(required), excluded = Set(forbidden)
        result.required += other.required.filter { !known.contains($0) }
        result.forbidden += other.forbidden.filter { !excluded.contains($0) }
        if !Set(result.required).isDisjoint(with: result.forbidden) { return nil }
        if other.least > least {
            result.least = other.least
            result.leastPointer = other.leastPointer
        }
        result.most = smaller(most, other.most)
        result.names = names.and(other.names)
        return result
    }
}

/// The smaller of two optional limits.
func smaller(_ left: Int?, _ right: Int?) -> Int? {
    guard let left else { return right }
    guard let right else { return left }
    return min(left, right)
}
