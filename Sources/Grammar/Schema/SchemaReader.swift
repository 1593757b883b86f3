import MartletJSON

/// Converts schemas to shapes. Shapes of subschemas are computed on demand, so that recursion ends.
struct SchemaReader {
    let document: SchemaDocument
    let budget: GrammarBudget
    private var known: [SchemaTerm: [SchemaShape]] = [:]
    private var open: Set<SchemaTerm> = []
    private var expressions: [String: ByteAutomaton] = [:]
    var languages: [SchemaConjunction: ByteAutomaton] = [:]
    var disjointness: [[SchemaConjunction]: Bool] = [:]

    /// Cached by shape: many values may be checked against one.
    var numberLanguages: [NumberShape: ByteAutomaton] = [:]

    init(_ schema: JSON, _ budget: GrammarBudget) throws(GrammarError) {
        document = try SchemaDocument(schema, budget)
        self.budget = budget
    }

    /// The language of numbers of one shape.
    mutating func language(_ shape: NumberShape) throws(GrammarError) -> ByteAutomaton {
        if let known = numberLanguages[shape] { return known }
        let result = try NumberLanguage(shape: shape).automaton(budget)
        numberLanguages[shape] = result
        return result
    }

    /// The shapes of values that satisfy all of these schemas; empty if it is known that there are none.
    mutating func shapes(_ conjunction: SchemaConjunction) throws(GrammarError) -> [SchemaShape] {
        var result = SchemaShape.anything
        for term in conjunction.terms { result = try merged(result, shapes(term)) }
        return result
    }

    mutating func shapes(_ term: SchemaTerm) throws(GrammarError) -> [SchemaShape] {
        if let shapes = known[term] { return shapes }
        guard open.insert(term).inserted else {
            throw .endlessReference(term.pointer)
        }
        defer { open.remove(term) }
        guard open.count <= budget.limits.depth else {
            throw .tooLarge(what: "schemas within schemas", limit: budget.limits.depth)
        }
        let shapes =
            switch term {
            case .schema(let pointer): try read(pointer)
            case .not(let pointer): try readNegated(pointer).map(Self.unevaluated)
            }
        known[term] = shapes
        return shapes
    }

    /// The intersection of each pair.
    mutating func merged(_ left: [SchemaShape], _ right: [SchemaShape]) throws(GrammarError) -> [SchemaShape] {
        var result: [SchemaShape] = []
        for one in left {
            for other in right {
                try budget.spend(one.size + other.size)
                if let shape = try merged(one, other) { result.append(shape) }
                try checkAlternatives(result.count)
            }
        }
        return result
    }

    func checkAlternatives(_ count: Int) throws(GrammarError) {
        guard count <= budget.limits.alternatives else {
            throw .tooLarge(what: "alternatives of one schema", limit: budget.limits.alternatives)
        }
    }

    private mutating func merged(_ one: SchemaShape, _ other: SchemaShape) throws(GrammarError) -> SchemaShape? {
        switch (one, other) {
        case (.null, .null): return .null
        case (.boolean(let one), .boolean(let other)):
            if let one, let other, one != other { return nil }
            return .boolean(one ?? other)
        case (.number(let one), .number(let other)): return one.merged(other).map { .number($0) }
        case (.string(let one), .string(let other)): return .string(one.merged(other))
        case (.array(let one), .array(let other)): return .array(one.merged(other))
        case (.object(let one), .object(let other)): return one.merged(other).map { .object($0) }
        case (.literals(let values), let shape), (let shape, .literals(let values)):
            var kept: [JSON] = []
            for value in values {
                if try admits(shape, value) { kept.append(value) }
            }
            return kept.isEmpty ? nil : .literals(kept)
        default: return nil
        }
    }

    /// A regular expression of the schema as an automaton of the strings in which it matches.
    mutating func expression(
        _ text: String, keyword: String, at pointer: String, isWhole: Bool = false
    ) throws(GrammarError) -> ByteAutomaton {
        let key = (isWhole ? "w" : "s") + text
        if let automaton = expressions[key] { return automaton }
        do throws(GrammarError) {
            let automaton = try PatternLanguage.automaton(text, isWhole: isWhole, budget)
            expressions[key] = automaton
            return automaton
        } catch {
            guard case .malformed(_, let position, let problem) = error else { throw error }
            let reason = position == 0 ? problem : "character \(position): \(problem)"
            throw .unsupportedKeyword(keyword, pointer: pointer, reason: reason)
        }
    }
}

extension GrammarError {
    static func endlessReference(_ pointer: String) -> GrammarError {
        .invalidSchema(pointer: pointer, problem: "it refers to itself without an end")
    }

    var isEndlessReference: Bool {
        if case .invalidSchema(let pointer, _) = self { self == .endlessReference(pointer) } else { false }
    }
}
