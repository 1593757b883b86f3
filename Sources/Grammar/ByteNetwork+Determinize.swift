extension ByteNetwork {
    /// Subset construction: sets of states as states of a deterministic automaton. Calls are treated as symbols.
    func automaton(_ budget: GrammarBudget) throws(GrammarError) -> ByteAutomaton {
        var closer = EmptyEdges(self)
        var numbers: [[Int32]: Int32] = [:]
        var subsets: [[Int32]] = []
        func number(_ subset: [Int32], _ budget: GrammarBudget) throws(GrammarError) -> Int32 {
            if let known = numbers[subset] { return known }
            try budget.addState()
            numbers[subset] = Int32(subsets.count)
            subsets.append(subset)
            return Int32(subsets.count - 1)
        }
        var states: [ByteAutomaton.State] = []
        _ = try number(try closer.closure([Int32(start)], budget), budget)
        while states.count < subsets.count {
            let subset = subsets[states.count]
            var state = ByteAutomaton.State(isFinal: subset.contains(Int32(end)))
            var moves: [(low: UInt8, high: UInt8, target: Int32)] = []
            var calls: [Int32: [Int32]] = [:]
            for place in subset {
                try budget.spend(edges[Int(place)].count / 4)
                for edge in edges[Int(place)] {
                    switch edge {
                    case .bytes(let low, let high, let target): moves.append((low, high, Int32(target)))
                    case .call(let rule, let target): calls[Int32(rule), default: []].append(Int32(target))
                    default: break
                    }
                }
            }
            // Between two bounds all bytes lead to the same states.
            let bounds = Set(moves.map { Int($0.low) } + moves.map { Int($0.high) + 1 }).sorted()
            for (low, next) in zip(bounds, bounds.dropFirst()) {
                try budget.spend(moves.count)
                let targets = moves.compactMap { Int($0.low) <= low && low <= Int($0.high) ? $0.target : nil }
                if targets.isEmpty { continue }
                let target = try number(try closer.closure(targets, budget), budget)
                if let last = state.ranges.last, Int(last.high) + 1 == low, last.target == target {
                    state.ranges[state.ranges.count - 1].high = UInt8(next - 1)
                } else {
                    state.ranges.append(.init(low: UInt8(low), high: UInt8(next - 1), target: target))
                }
            }
            for rule in calls.keys.sorted() {
                let target = try number(try closer.closure(calls[rule] ?? [], budget), budget)
                state.calls.append(.init(rule: rule, target: target))
            }
            states.append(state)
        }
        return ByteAutomaton(states: states)
    }
}

/// Follows empty (epsilon) edges.
private struct EmptyEdges {
    let network: ByteNetwork
    private var seen: [Int]
    private var round = 0
    /// States with only empty edges need not be in a subset.
    private let matters: [Bool]

    init(_ network: ByteNetwork) {
        self.network = network
        seen = Array(repeating: 0, count: network.edges.count)
        matters = network.edges.indices.map { index in
            index == network.end
                || network.edges[index].contains { if case .empty = $0 { false } else { true } }
        }
    }

    /// In ascending order.
    mutating func closure(_ states: [Int32], _ budget: GrammarBudget) throws(GrammarError) -> [Int32] {
        round += 1
        var result: [Int32] = []
        var waiting: [Int32] = []
        for state in states where seen[Int(state)] != round {
            seen[Int(state)] = round
            waiting.append(state)
        }
        while let state = waiting.popLast() {
            if matters[Int(state)] { result.append(state) }
            for edge in network.edges[Int(state)] {
                guard case .empty(let target) = edge, seen[target] != round else { continue }
                seen[target] = round
                waiting.append(Int32(target))
            }
            try budget.spend(1)
        }
        result.sort()
        return result
    }
}
