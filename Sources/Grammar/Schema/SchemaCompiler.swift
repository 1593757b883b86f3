import MartletJSON

/// Compiles JSON Schemas to grammars: one rule for every conjunction of schemas.
struct SchemaCompiler {
    var reader: SchemaReader
    let spacing: JSONSpacing
    private var numbers: [SchemaConjunction: Int] = [:]
    private var conjunctions: [SchemaConjunction] = []

    private init(_ schema: JSON, _ spacing: JSONSpacing, _ budget: GrammarBudget) throws(GrammarError) {
        reader = try SchemaReader(schema, budget)
        self.spacing = spacing
    }

    /// - Throws: `unsupportedKeyword`, `invalidSchema`, `unsatisfiable`, `tooLarge`.
    static func grammar(
        _ schema: JSON, _ spacing: JSONSpacing, _ budget: GrammarBudget
    ) throws(GrammarError) -> Grammar {
        var compiler = try SchemaCompiler(schema, spacing, budget)
        let start = try compiler.rule(SchemaConjunction([.schema("")]))
        var rules: [ByteAutomaton] = []
        while rules.count < compiler.conjunctions.count {
            var network = ByteNetwork(budget)
            for shape in try compiler.reader.shapes(compiler.conjunctions[rules.count]) {
                try compiler.add(shape, to: &network, from: network.start, to: network.end)
            }
            rules.append(try network.automaton(budget))
        }
        return try Grammar(rules: rules, names: compiler.conjunctions.map(\.place), start: start)
    }

    /// The rule for values that satisfy all of these schemas; compiled later.
    mutating func rule(_ conjunction: SchemaConjunction) throws(GrammarError) -> Int {
        if let known = numbers[conjunction] { return known }
        guard conjunctions.count < reader.budget.limits.rules else {
            throw .tooLarge(what: "rules", limit: reader.budget.limits.rules)
        }
        numbers[conjunction] = conjunctions.count
        conjunctions.append(conjunction)
        return conjunctions.count - 1
    }

    private mutating func add(
        _ shape: SchemaShape, to network: inout ByteNetwork, from first: Int, to last: Int
    ) throws(GrammarError) {
        switch shape {
        case .null: try network.add(bytes: "null".utf8, from: first, to: last)
        case .boolean(let value):
            if value != false { try network.add(bytes: "true".utf8, from: first, to: last) }
            if value != true { try network.add(bytes: "false".utf8, from: first, to: last) }
        case .number(let shape): try network.add(reader.language(shape), from: first, to: last)
        case .string(let shape):
            if shape.languages.isEmpty, shape.excluded.isEmpty {
                if shape.least > shape.most ?? shape.least { return }
                try network.addString(least: shape.least, most: shape.most, from: first, to: last)
            } else {
                let language = try reader.language(shape)
                try network.addString(language, from: first, to: last)
            }
        case .literals(let values):
            for value in values { try add(value, to: &network, from: first, to: last) }
        case .array(let shape): try add(shape, to: &network, from: first, to: last)
        case .object(let shape): try add(shape, to: &network, from: first, to: last)
        }
    }

    /// One literal value.
    func add(
        _ value: JSON, to network: inout ByteNetwork, from first: Int, to last: Int
    ) throws(GrammarError) {
        func list(
            _ brackets: (String, String), _ count: Int,
            item: (inout ByteNetwork, Int, Int, Int) throws(GrammarError) -> Void
        ) throws(GrammarError) {
            var place = try network.state()
            try network.add(bytes: brackets.0.utf8, from: first, to: place)
            for index in 0..<count {
                let begin = try network.state()
                let end = try network.state()
                try index == 0 ? addOpening(&network, place, begin) : addComma(&network, place, begin)
                try item(&network, index, begin, end)
                place = end
            }
            let end = count == 0 ? place : try network.state()
            if count > 0 { try addClosing(&network, place, end) }
            try network.add(bytes: brackets.1.utf8, from: end, to: last)
        }
        switch value {
        case .array(let values):
            try list(("[", "]"), values.count) { (network, index, first, last) throws(GrammarError) in
                try add(values[index], to: &network, from: first, to: last)
            }
        case .object(let object):
            try list(("{", "}"), object.count) { (network, index, first, last) throws(GrammarError) in
                let colon = try network.state()
                try addName(object[index].key, &network, first, colon)
                try add(object[index].value, to: &network, from: colon, to: last)
            }
        default: try network.add(bytes: value.bytes(), from: first, to: last)
        }
    }

    // MARK: - Separators

    /// A name, its colon, and the space after it.
    func addName(_ name: String, _ network: inout ByteNetwork, _ first: Int, _ last: Int) throws(GrammarError) {
        let colon = try network.state()
        try network.add(bytes: JSON.string(name).bytes(), from: first, to: colon)
        try addColon(&network, colon, last)
    }

    func addColon(_ network: inout ByteNetwork, _ first: Int, _ last: Int) throws(GrammarError) {
        let space = try network.state()
        network.add(.bytes(0x3A, 0x3A, space), from: first)
        network.add(.empty(last), from: space)
        if spacing != .compact { network.add(.bytes(0x20, 0x20, last), from: space) }
    }

    func addComma(_ network: inout ByteNetwork, _ first: Int, _ last: Int) throws(GrammarError) {
        let space = try network.state()
        network.add(.bytes(0x2C, 0x2C, space), from: first)
        network.add(.empty(last), from: space)
        if spacing != .compact { network.add(.bytes(0x20, 0x20, last), from: space) }
        if spacing == .lines { try addLine(&network, space, last) }
    }

    func addOpening(_ network: inout ByteNetwork, _ first: Int, _ last: Int) throws(GrammarError) {
        network.add(.empty(last), from: first)
        if spacing == .lines { try addLine(&network, first, last) }
    }

    func addClosing(_ network: inout ByteNetwork, _ first: Int, _ last: Int) throws(GrammarError) {
        try addOpening(&network, first, last)
    }

    private func addLine(_ network: inout ByteNetwork, _ first: Int, _ last: Int) throws(GrammarError) {
        let begin = try network.state()
        network.add(.bytes(0x0A, 0x0A, begin), from: first)
        try network.repeat(least: 0, most: 16, from: begin, to: last) {
            (network, first, last) throws(GrammarError) in network.add(.bytes(0x20, 0x20, last), from: first)
        }
    }
}
