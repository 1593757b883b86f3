import MartletPatterns

/// Converts ECMA-262 regular expressions to automata.
///
/// Supported is everything that keeps a language regular (greedy and lazy repeats accept the same texts): characters,
/// classes, groups, alternatives, repeats, `^` and `$` anywhere, and lookaheads at the start of the text
/// (`^(?=.*[0-9])(?!admin)`). Other lookaheads, lookbehinds, `\b` and back references are refused.
enum PatternLanguage {
    /// The texts in which the expression matches: anywhere, or as a whole if `isWhole`.
    static func automaton(
        _ expression: String, isWhole: Bool, _ budget: GrammarBudget
    ) throws(GrammarError) -> ByteAutomaton {
        let node: PatternNode
        do throws(PatternError) {
            node = try PatternParser.parse(expression, .ecma262)
        } catch {
            let problem =
                switch error.reason {
                case .unsupported(let construct): "\(construct) is not supported"
                case .malformed(let problem): problem
                case .tooLarge(let limit): "too large: \(limit)"
                }
            throw .malformed(.regularExpression, position: error.position, problem: problem)
        }
        return try automaton(node, isWhole: isWhole, budget)
    }

    private static func automaton(
        _ node: PatternNode, isWhole: Bool, _ budget: GrammarBudget
    ) throws(GrammarError) -> ByteAutomaton {
        var items: ArraySlice<PatternNode> = if case .sequence(let items) = node { items[...] } else { [node] }
        var isAnchored = isWhole
        var lookaheads: [(node: PatternNode, isNegated: Bool)] = []
        head: while let first = items.first {
            switch first {
            case .assertion(.textStart): isAnchored = true
            case .lookahead(let node, let isNegated) where isAnchored: lookaheads.append((node, isNegated))
            default: break head
            }
            items.removeFirst()
        }
        let rest = PatternNode.sequence(Array(items))
        var result = try plain(rest, startsAnywhere: !isAnchored, endsAnywhere: !isWhole, budget)
        for (node, isNegated) in lookaheads {
            let ahead = try plain(node, startsAnywhere: false, endsAnywhere: true, budget)
            result = isNegated ? try result.subtracting(ahead, budget) : try result.intersection(ahead, budget)
        }
        return result
    }

    private static func plain(
        _ node: PatternNode, startsAnywhere: Bool, endsAnywhere: Bool, _ budget: GrammarBudget
    ) throws(GrammarError) -> ByteAutomaton {
        var network = ByteNetwork(budget)
        let first = try network.state()
        let last = try network.state()
        network.add(.empty(first), from: network.start)
        if startsAnywhere { try network.add(.all, from: first, to: first) }
        let begin = try network.state()
        network.add(.empty(begin), from: first)
        try add(node, from: begin, to: last, &network)
        let tail = try network.state()
        network.add(.empty(tail), from: last)
        if endsAnywhere { try network.add(.all, from: tail, to: tail) }
        network.add(.empty(network.end), from: tail)
        return try network.withoutAnchors(budget).automaton(budget).trimmed
    }

    private static func add(
        _ node: PatternNode, from first: Int, to last: Int, _ network: inout ByteNetwork
    ) throws(GrammarError) {
        func unsupported(_ construct: String) -> GrammarError {
            .malformed(.regularExpression, position: 0, problem: "\(construct) is not supported")
        }
        switch node {
        case .one(let set): try network.add(set, from: first, to: last)
        case .sequence(let nodes):
            var place = first
            for node in nodes {
                let next = try network.state()
                try add(node, from: place, to: next, &network)
                place = next
            }
            network.add(.empty(last), from: place)
        case .choice(let nodes):
            for node in nodes { try add(node, from: first, to: last, &network) }
        case .repeated(let node, let least, let most, let eagerness):
            if eagerness == .possessive { throw unsupported("a possessive repeat") }
            try network.repeat(least: least, most: most, from: first, to: last) {
                (network, first, last) throws(GrammarError) in try add(node, from: first, to: last, &network)
            }
        case .assertion(.textStart): network.add(.textStart(last), from: first)
        case .assertion(.textEnd): network.add(.textEnd(last), from: first)
        case .assertion(.wordBoundary), .assertion(.notWordBoundary): throw unsupported("a word boundary")
        case .assertion: throw unsupported("an end of a line")
        case .atomic: throw unsupported("an atomic group")
        case .lookahead: throw unsupported("a lookahead that is not at the beginning of the text")
        case .lookbehind: throw unsupported("a lookbehind")
        }
    }
}

extension ByteNetwork {
    /// The same language without `^` and `$` edges: four copies of each state, by whether anything has been read and
    /// whether anything may still be read.
    func withoutAnchors(_ budget: GrammarBudget) throws(GrammarError) -> ByteNetwork {
        guard edges.joined().contains(where: { $0.isAnchor }) else { return self }
        var result = ByteNetwork(budget)
        var numbers: [Int: Int] = [start * 4: result.start]
        var order = [start * 4]
        var next = 0
        while next < order.count {
            let (state, phase) = (order[next] / 4, order[next] % 4)
            let from = numbers[order[next]] ?? 0
            next += 1
            let (hasRead, hasEnded) = (phase & 1, phase & 2)
            if state == end { result.add(.empty(result.end), from: from) }
            func number(_ state: Int, _ phase: Int) throws(GrammarError) -> Int {
                if let known = numbers[state * 4 + phase] { return known }
                let number = try result.state()
                numbers[state * 4 + phase] = number
                order.append(state * 4 + phase)
                return number
            }
            for edge in edges[state] {
                switch edge {
                case .empty(let target): result.add(.empty(try number(target, phase)), from: from)
                case .textStart(let target) where hasRead == 0:
                    result.add(.empty(try number(target, phase)), from: from)
                case .textEnd(let target):
                    result.add(.empty(try number(target, hasRead | 2)), from: from)
                case .bytes(let low, let high, let target) where hasEnded == 0:
                    result.add(.bytes(low, high, try number(target, 1)), from: from)
                default: break
                }
            }
        }
        return result
    }
}

extension ByteNetwork.Edge {
    var isAnchor: Bool {
        switch self {
        case .textStart, .textEnd: true
        default: false
        }
    }
}
