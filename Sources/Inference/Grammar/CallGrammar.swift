import MartletJSON

/// Values of JSON Schemas with fixed text around them: calls of tools in a model's own syntax.
///
/// `opening`, then one of the alternatives, or several with `separator` between them, then `closing`.
public struct CallGrammar: Sendable, Equatable {
    /// Text, a value of the schema, text.
    public struct Alternative: Sendable, Equatable {
        public var opening: String
        public var schema: JSON
        public var closing: String

        public init(opening: String, schema: JSON, closing: String) {
            self.opening = opening
            self.schema = schema
            self.closing = closing
        }
    }

    public var opening = ""
    public var alternatives: [Alternative] = []
    public var separator = ""
    public var closing = ""
    /// Whether there may be more than one.
    public var allowsSeveral = false

    public init() {}

    /// What tells it from others.
    var text: String {
        JSON.array(
            [.string(opening), .string(separator), .string(closing), .bool(allowsSeveral)]
                + alternatives.flatMap { [.string($0.opening), $0.schema, .string($0.closing)] }
        ).text()
    }

    /// The schemas' rules, one after the other, and a rule that puts them together.
    func grammar(_ spacing: JSONSpacing, _ budget: inout GrammarBudget) throws(GrammarError) -> Grammar {
        guard !alternatives.isEmpty else {
            throw .malformed(.calls, position: 0, problem: "there is nothing to choose from")
        }
        var network = ByteNetwork(limits: budget.limits)
        var rules: [ByteAutomaton] = []
        let begin = try network.state()
        let between = try network.state()
        try network.add(bytes: opening.utf8, from: network.start, to: begin)
        for alternative in alternatives {
            let value = try SchemaCompiler.grammar(alternative.schema, spacing, &budget)
            let first = rules.count
            let before = try network.state()
            let after = try network.state()
            try network.add(bytes: alternative.opening.utf8, from: begin, to: before)
            network.add(.call(rule: first + value.start, after), from: before)
            try network.add(bytes: alternative.closing.utf8, from: after, to: between)
            rules += value.rules.map { $0.calling(from: first) }
        }
        if allowsSeveral { try network.add(bytes: separator.utf8, from: between, to: begin) }
        try network.add(bytes: closing.utf8, from: between, to: network.end)
        rules.append(try network.automaton(&budget))
        return try Grammar(
            rules: rules, names: rules.indices.map { _ in "the calls" }, start: rules.count - 1)
    }
}

extension ByteAutomaton {
    /// With the rules it calls counted from another number.
    fileprivate func calling(from first: Int) -> ByteAutomaton {
        var result = self
        for state in result.states.indices {
            for call in result.states[state].calls.indices { result.states[state].calls[call].rule += Int32(first) }
        }
        return result
    }
}
