/// Set operations on the languages of automata. For automata without calls; results are trimmed.
extension ByteAutomaton {
    /// The language of all valid UTF-8 texts.
    static let anyText: ByteAutomaton = {
        let budget = GrammarBudget(GrammarLimits())
        var network = ByteNetwork(budget)
        do throws(GrammarError) {
            try network.add(.all, from: network.start, to: network.start)
            network.add(.empty(network.end), from: network.start)
            return try network.automaton(budget)
        } catch {
            // A few states are within any limits.
            return .none
        }
    }()

    func intersection(
        _ other: ByteAutomaton, _ budget: GrammarBudget
    ) throws(GrammarError) -> ByteAutomaton {
        try product(other, budget, keepsAlone: false) { $0 && $1 }
    }

    /// The texts of this language that are not in the other one (difference).
    func subtracting(_ other: ByteAutomaton, _ budget: GrammarBudget) throws(GrammarError) -> ByteAutomaton {
        try product(other, budget, keepsAlone: true) { $0 && !$1 }
    }

    /// The language that consists of the given texts.
    static func texts(
        _ texts: some Sequence<String>, _ budget: GrammarBudget
    ) throws(GrammarError) -> ByteAutomaton {
        var network = ByteNetwork(budget)
        for text in texts { try network.add(bytes: text.utf8, from: network.start, to: network.end) }
        return try network.automaton(budget).trimmed
    }

    private func product(
        _ other: ByteAutomaton, _ budget: GrammarBudget, keepsAlone: Bool, isFinal: (Bool, Bool) -> Bool
    ) throws(GrammarError) -> ByteAutomaton {
        struct Pair: Hashable {
            var mine: Int32
            /// -1 where the other automaton has no state any more.
            var theirs: Int32
        }
        var numbers: [Pair: Int32] = [:]
        var pairs: [Pair] = []
        func number(_ pair: Pair, _ budget: GrammarBudget) throws(GrammarError) -> Int32 {
            if let known = numbers[pair] { return known }
            try budget.addState()
            numbers[pair] = Int32(pairs.count)
            pairs.append(pair)
            return Int32(pairs.count - 1)
        }
        _ = try number(Pair(mine: 0, theirs: 0), budget)
        var result: [State] = []
        while result.count < pairs.count {
            let pair = pairs[result.count]
            let mine = states[Int(pair.mine)]
            let theirs = pair.theirs < 0 ? State() : other.states[Int(pair.theirs)]
            var state = State(isFinal: isFinal(mine.isFinal, theirs.isFinal))
            for range in mine.ranges {
                var low = Int(range.low)
                let high = Int(range.high)
                try budget.spend(theirs.ranges.count + 1)
                for overlap in theirs.ranges where Int(overlap.high) >= low && Int(overlap.low) <= high {
                    if keepsAlone, Int(overlap.low) > low {
                        let target = try number(Pair(mine: range.target, theirs: -1), budget)
                        state.ranges.append(.init(low: UInt8(low), high: overlap.low - 1, target: target))
                    }
                    let first = max(low, Int(overlap.low))
                    let last = min(high, Int(overlap.high))
                    let target = try number(Pair(mine: range.target, theirs: overlap.target), budget)
                    state.ranges.append(.init(low: UInt8(first), high: UInt8(last), target: target))
                    low = last + 1
                }
                if keepsAlone, low <= high {
                    let target = try number(Pair(mine: range.target, theirs: -1), budget)
                    state.ranges.append(.init(low: UInt8(low), high: UInt8(high), target: target))
                }
            }
            result.append(state)
        }
        return ByteAutomaton(states: result).trimmed
    }
}
