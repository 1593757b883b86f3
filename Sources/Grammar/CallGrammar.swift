import MartletJSON

/// Arguments with fixed text around them: tool calls in a model's own syntax.
///
/// `opening`, then one of the alternatives, or several separated by `separator`, then `closing`.
public struct CallGrammar: Sendable, Equatable {
    /// Fixed text, arguments, fixed text.
    public struct Alternative: Sendable, Equatable {
        public var opening: String
        public var arguments: Arguments
        public var closing: String

        public init(opening: String, arguments: Arguments, closing: String) {
            self.opening = opening
            self.arguments = arguments
            self.closing = closing
        }

        public init(opening: String, schema: JSON, closing: String) {
            self.init(opening: opening, arguments: .value(.json(schema)), closing: closing)
        }
    }

    public enum Arguments: Sendable, Equatable {
        case value(Value)
        /// Several values in this order with the separator between them; values that are not required may be omitted.
        case members([Member], separator: String = "")
    }

    /// Fixed text, a value, fixed text.
    public struct Member: Sendable, Equatable {
        public var opening: String
        public var value: Value
        public var closing: String
        public var isRequired: Bool

        public init(opening: String, value: Value, closing: String, isRequired: Bool) {
            self.opening = opening
            self.value = value
            self.closing = closing
            self.isRequired = isRequired
        }
    }

    public enum Value: Sendable, Equatable {
        /// JSON that satisfies a schema.
        case json(JSON)
        /// Any text that does not contain this one.
        case text(without: String)
        /// One of these texts.
        case choice([String])
    }

    public var opening = ""
    public var alternatives: [Alternative] = []
    public var separator = ""
    public var closing = ""
    /// Whether more than one alternative may occur.
    public var allowsSeveral = false

    public init() {}

    /// A text that identifies this grammar.
    var text: String {
        JSON.array(
            [.string(opening), .string(separator), .string(closing), .bool(allowsSeveral)]
                + alternatives.map { .array([.string($0.opening), $0.arguments.json, .string($0.closing)]) }
        ).text()
    }

    /// The rules of the schemas, and a rule that combines them.
    func grammar(_ spacing: JSONSpacing, _ budget: GrammarBudget) throws(GrammarError) -> Grammar {
        guard !alternatives.isEmpty else {
            throw .malformed(.calls, position: 0, problem: "there is nothing to choose from")
        }
        var network = ByteNetwork(budget)
        var rules: [ByteAutomaton] = []
        let begin = try network.state()
        let between = try network.state()
        try network.add(bytes: opening.utf8, from: network.start, to: begin)
        for alternative in alternatives {
            let before = try network.state()
            try network.add(bytes: alternative.opening.utf8, from: begin, to: before)
            let after = try network.state()
            switch alternative.arguments {
            case .value(let value): try network.add(value, from: before, to: after, &rules, spacing, budget)
            case .members(let members, let separator):
                // The state before any member, and the state after one, which is followed by the separator.
                var (none, some) = (before, try network.state())
                for member in members {
                    let begin = try network.state()
                    let (opened, valued) = (try network.state(), try network.state())
                    let (noneAfter, someAfter) = (try network.state(), try network.state())
                    network.add(.empty(begin), from: none)
                    try network.add(bytes: separator.utf8, from: some, to: begin)
                    try network.add(bytes: member.opening.utf8, from: begin, to: opened)
                    try network.add(member.value, from: opened, to: valued, &rules, spacing, budget)
                    try network.add(bytes: member.closing.utf8, from: valued, to: someAfter)
                    if !member.isRequired {
                        network.add(.empty(noneAfter), from: none)
                        network.add(.empty(someAfter), from: some)
                    }
                    (none, some) = (noneAfter, someAfter)
                }
                network.add(.empty(after), from: none)
                network.add(.empty(after), from: some)
            }
            try network.add(bytes: alternative.closing.utf8, from: after, to: between)
        }
        if allowsSeveral { try network.add(bytes: separator.utf8, from: between, to: begin) }
        try network.add(bytes: closing.utf8, from: between, to: network.end)
        rules.append(try network.automaton(budget))
        return try Grammar(
            rules: rules, names: rules.indices.map { _ in "the calls" }, start: rules.count - 1)
    }
}

extension CallGrammar.Arguments {
    fileprivate var json: JSON {
        switch self {
        case .value(let value): value.json
        case .members(let members, let separator):
            .array(
                [.string(separator)]
                    + members.map {
                        .array([.string($0.opening), $0.value.json, .string($0.closing), .bool($0.isRequired)])
                    })
        }
    }
}

extension CallGrammar.Value {
    fileprivate var json: JSON {
        switch self {
        case .json(let schema): schema
        case .text(let excluded): .string(excluded)
        case .choice(let texts): .array(texts.map { .string($0) })
        }
    }
}

extension ByteNetwork {
    /// Adds a value between two states; a schema becomes rules after the existing ones.
    fileprivate mutating func add(
        _ value: CallGrammar.Value, from: Int, to: Int, _ rules: inout [ByteAutomaton], _ spacing: JSONSpacing,
        _ budget: GrammarBudget
    ) throws(GrammarError) {
        switch value {
        case .json(let schema):
            let grammar = try SchemaCompiler.grammar(schema, spacing, budget)
            let first = rules.count
            add(.call(rule: first + grammar.start, to), from: from)
            rules += grammar.rules.map { $0.calling(from: first) }
        case .text(let excluded):
            let any = try PatternLanguage.automaton("[\\s\\S]*", isWhole: true, budget)
            var network = ByteNetwork(budget)
            let (open, close) = (try network.state(), try network.state())
            try network.add(any, from: network.start, to: open)
            try network.add(bytes: excluded.utf8, from: open, to: close)
            try network.add(any, from: close, to: network.end)
            try add(any.subtracting(network.automaton(budget), budget), from: from, to: to)
        case .choice(let texts): try add(.texts(texts, budget), from: from, to: to)
        }
    }
}

extension ByteAutomaton {
    /// The same automaton with the numbers of its called rules shifted.
    fileprivate func calling(from first: Int) -> ByteAutomaton {
        var result = self
        for state in result.states.indices {
            for call in result.states[state].calls.indices { result.states[state].calls[call].rule += Int32(first) }
        }
        return result
    }
}
