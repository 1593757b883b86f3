import MartletJSON

/// Objects: known names in their order, optional ones may be skipped, then other names.
extension SchemaCompiler {
    /// Schemas for other names depend on which of the patterns a name matches.
    private static let mostPatterns = 6

    mutating func add(
        _ shape: ObjectShape, to network: inout ByteNetwork, from first: Int, to last: Int
    ) throws(GrammarError) {
        let nameLanguage = shape.names == .any ? nil : try reader.language(shape.names)
        let forbidden = Set(shape.forbidden)
        let names = shape.knownNames.filter { name in
            !forbidden.contains(name) && nameLanguage?.accepts(name.utf8) ?? true
        }
        guard Set(names).isSuperset(of: shape.required), shape.required.count <= shape.most ?? Int.max,
            shape.least <= shape.most ?? shape.least
        else { return }
        let others = try otherNames(shape, nameLanguage)
        let required = Set(shape.required)
        // Other names might be equal, so several of them count as one property.
        let counts = shape.least > required.count || shape.most != nil
        if shape.least > names.count + (others.isEmpty ? 0 : 1) {
            if others.isEmpty { return }
            throw .unsupportedKeyword(
                "minProperties", pointer: shape.leastPointer,
                reason: "more than one property beyond those that are named")
        }
        let limit = reader.budget.limits.states
        guard shape.most ?? 0 <= limit else { throw .tooLarge(what: "properties to count", limit: limit) }
        // The count of properties is tracked as far as needed: whether there is one, up to `least`, or up to `most`.
        let highest = counts ? max(1, shape.most.map { min($0, names.count) } ?? shape.least) : 1
        let open = try network.state()
        try network.add(bytes: [0x7B], from: first, to: open)
        let close = try network.state()
        network.add(.bytes(0x7D, 0x7D, last), from: close)

        var row = [open]
        for name in names {
            try reader.budget.spend(highest + shape.sources.reduce(0) { $0 + 1 + $1.patterns.count })
            let rule = try rule(shape.value(of: name))
            var next: [Int?] = Array(repeating: nil, count: highest + 1)
            func state(_ count: Int, _ network: inout ByteNetwork) throws(GrammarError) -> Int {
                if let known = next[count] { return known }
                let state = try network.state()
                next[count] = state
                return state
            }
            // A name with and without a preceding property leads to the same value.
            var begins: [Int: Int] = [:]
            for (count, place) in row.enumerated() where place >= 0 {
                if !required.contains(name) { network.add(.empty(try state(count, &network)), from: place) }
                if let most = shape.most, count >= most { continue }
                let after = min(count + 1, highest)
                let begin: Int
                if let known = begins[after] {
                    begin = known
                } else {
                    begin = try network.state()
                    begins[after] = begin
                    let value = try network.state()
                    try addName(name, &network, begin, value)
                    network.add(.call(rule: rule, try state(after, &network)), from: value)
                }
                try count == 0 ? addOpening(&network, place, begin) : addComma(&network, place, begin)
            }
            row = next.map { $0 ?? -1 }
        }
        for (count, place) in row.enumerated() where place >= 0 {
            if count >= shape.least {
                if count == 0 {
                    network.add(.empty(close), from: place)
                } else {
                    try addClosing(&network, place, close)
                }
            }
        }
        try addOthers(others, shape, row, &network, close)
    }

    /// Other names, after `row[count]` known ones.
    private mutating func addOthers(
        _ others: [(names: ByteAutomaton?, value: SchemaConjunction)], _ shape: ObjectShape, _ row: [Int],
        _ network: inout ByteNetwork, _ close: Int
    ) throws(GrammarError) {
        if others.isEmpty { return }
        let rules = try others.map { other throws(GrammarError) in try rule(other.value) }
        func addEntry(_ network: inout ByteNetwork, _ begin: Int, _ end: Int) throws(GrammarError) {
            for (other, rule) in zip(others, rules) {
                let colon = try network.state()
                let value = try network.state()
                if let names = other.names {
                    try network.addString(names, from: begin, to: colon)
                } else {
                    try network.addString(least: 0, most: nil, from: begin, to: colon)
                }
                try addColon(&network, colon, value)
                network.add(.call(rule: rule, end), from: value)
            }
        }
        // `ends[total]` is the state after another name; without an upper bound all totals share one.
        var ends: [Int: Int] = [:]
        func end(_ total: Int, _ network: inout ByteNetwork) throws(GrammarError) -> Int {
            let key = shape.most == nil ? 0 : total
            if let known = ends[key] { return known }
            let state = try network.state()
            ends[key] = state
            return state
        }
        for (count, place) in row.enumerated() where place >= 0 && count + 1 >= shape.least {
            if let most = shape.most, count >= most { continue }
            let begin = try network.state()
            try count == 0 ? addOpening(&network, place, begin) : addComma(&network, place, begin)
            try addEntry(&network, begin, end(count + 1, &network))
        }
        var total = 1
        while total <= shape.most ?? 1 {
            if shape.most == nil ? ends[0] != nil : ends[total] != nil {
                let place = try end(total, &network)
                try addClosing(&network, place, close)
                if total < shape.most ?? Int.max {
                    let begin = try network.state()
                    try addComma(&network, place, begin)
                    try addEntry(&network, begin, end(total + 1, &network))
                }
            }
            total += 1
        }
    }

    /// Names without any schema, and names with only pattern schemas, each with the schema of its value. A nil
    /// automaton represents all strings.
    private mutating func otherNames(
        _ shape: ObjectShape, _ language: ByteAutomaton?
    ) throws(GrammarError) -> [(names: ByteAutomaton?, value: SchemaConjunction)] {
        let patterns = shape.sources.flatMap(\.patterns)
        var distinct: [ByteAutomaton] = []
        for pattern in patterns where !distinct.contains(pattern.automaton) {
            distinct.append(pattern.automaton)
            guard distinct.count <= Self.mostPatterns else {
                throw .unsupportedKeyword(
                    "patternProperties", pointer: patterns[0].schema.pointer,
                    reason: "more than \(Self.mostPatterns) patterns on one object")
            }
        }
        let taken = shape.knownNames + shape.forbidden
        if distinct.isEmpty, taken.isEmpty, language == nil {
            return try open([(nil, SchemaConjunction(shape.sources.compactMap(\.additional)))])
        }
        let budget = reader.budget
        var rest = language ?? .anyText
        if !taken.isEmpty { rest = try rest.subtracting(.texts(taken, budget), budget) }
        var result: [(names: ByteAutomaton?, value: SchemaConjunction)] = []
        for choice in 0..<(1 << distinct.count) {
            var names = rest
            var matched: Set<ByteAutomaton> = []
            for (index, pattern) in distinct.enumerated() where !names.isEmpty {
                if choice >> index & 1 == 1 {
                    matched.insert(pattern)
                    names = try names.intersection(pattern, budget)
                } else {
                    names = try names.subtracting(pattern, budget)
                }
            }
            if names.isEmpty { continue }
            let terms = shape.sources.flatMap { source in
                let terms = source.patterns.filter { matched.contains($0.automaton) }.map(\.schema)
                return terms.isEmpty ? source.additional.map { [$0] } ?? [] : terms
            }
            result.append((names, SchemaConjunction(terms)))
        }
        return try open(result)
    }

    /// Without names whose value cannot be satisfied.
    private mutating func open(
        _ names: [(names: ByteAutomaton?, value: SchemaConjunction)]
    ) throws(GrammarError) -> [(names: ByteAutomaton?, value: SchemaConjunction)] {
        var result: [(names: ByteAutomaton?, value: SchemaConjunction)] = []
        for entry in names {
            if try !reader.shapes(entry.value).isEmpty { result.append(entry) }
        }
        return result
    }
}
