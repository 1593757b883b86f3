import MartletJSON

/// One alternative of what a schema comes down to: values of one type, and what is asked of them. A schema is a list of
/// alternatives (anyOf), a conjunction of schemas is the list of what each pair has in common.
enum SchemaShape: Sendable {
    case null
    /// Either, or the one given.
    case boolean(Bool?)
    case number(NumberShape)
    case string(StringShape)
    case array(ArrayShape)
    case object(ObjectShape)
    /// One of the values. Not empty.
    case literals([JSON])

    /// What a schema without keywords allows.
    static let anything: [SchemaShape] = [
        .null, .boolean(nil), .number(NumberShape()), .string(StringShape()), .array(ArrayShape()),
        .object(ObjectShape()),
    ]

    /// How much there is to go through when it is merged with another: what that is charged.
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
        /// What is no integer.
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

    /// Nil where nothing is left.
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
    /// The string, unescaped, is in all of these and none of those.
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
    /// The pointer of the keyword that asks for different items.
    var unique: String?
    /// So many items at the beginning are what `prefixItems` or `items` spoke of.
    var evaluated = 0
    /// The pointer of a `contains`, which speaks of some items and nobody knows which.
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
    /// `properties`, `patternProperties` and `additionalProperties` of one schema: the last speaks of what the others of
    /// the same schema do not.
    struct Source: Sendable {
        var names: [String] = []
        var schemas: [String: SchemaTerm] = [:]
        var patterns: [(automaton: ByteAutomaton, schema: SchemaTerm)] = []
        var additional: SchemaTerm?
        /// Whether what it speaks of is seen by `unevaluatedProperties`.
        var isEvaluation = true

        func terms(of name: String) -> [SchemaTerm] {
            var result = patterns.filter { $0.automaton.accepts(name.utf8) }.map(\.schema)
            if let schema = schemas[name] { result.append(schema) }
            if result.isEmpty, let additional { result.append(additional) }
            return result
        }
    }

    var sources: [Source] = []
    /// In the order they were asked for.
    var required: [String] = []
    var forbidden: [String] = []
    var least = 0
    var most: Int?
    /// Where `least` comes from.
    var leastPointer = ""
    /// What names must be.
    var names = SchemaConjunction.any

    /// How many names and patterns there are.
    var size: Int {
        1 + required.count + forbidden.count + sources.reduce(0) { $0 + $1.patterns.count + 1 }
    }

    /// Names that are spoken of, in order.
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

/// The lesser of two bounds that may be missing.
func smaller(_ left: Int?, _ right: Int?) -> Int? {
    guard let left else { return right }
    guard let right else { return left }
    return min(left, right)
}
