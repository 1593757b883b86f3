/// A context-free grammar over bytes: rules (non-terminals) are automata whose edges may call rules. Every state can
/// reach an end of its rule, and no rule is left-recursive, so it can be run from left to right without dead ends.
struct Grammar: Sendable {
    let rules: [ByteAutomaton]
    let start: Int
    /// Whether it refers to tokens besides text, by their ids after a byte that no text contains.
    var usesTokens = false

    /// - Parameters:
    ///   - rules: their automata, possibly with dead ends.
    ///   - names: the name of each rule.
    ///   - place: describes a rule by name in errors.
    init(
        rules: [ByteAutomaton], names: [String], start: Int, place: (String) -> String = { $0 }
    ) throws(GrammarError) {
        let graph = RuleGraph(rules)
        let alive = graph.reach(acrossBytes: true)
        guard alive[graph.base[start]] else {
            // The rule to report is one that cannot be satisfied although all rules it calls can.
            let fault = graph.reachable(from: start).first { rule in
                !alive[graph.base[rule]]
                    && rules[rule].states.allSatisfy { $0.calls.allSatisfy { alive[graph.base[Int($0.rule)]] } }
            }
            throw .unsatisfiable(place: place(names[fault ?? start]))
        }
        self.rules = rules.enumerated().map { index, rule in
            var rule = rule
            for state in rule.states.indices {
                rule.states[state].calls.removeAll { !alive[graph.base[Int($0.rule)]] }
            }
            return rule.trimmed { alive[graph.base[index] + $0] }
        }
        self.start = start
        if let rule = RuleGraph(self.rules).leftRecursion() {
            throw .leftRecursion(rule: names[rule])
        }
    }
}

/// The reachability relations between states and rules.
private struct RuleGraph {
    let rules: [ByteAutomaton]
    /// The index of each rule's first state when all states are numbered consecutively.
    let base: [Int]
    private let count: Int

    init(_ rules: [ByteAutomaton]) {
        self.rules = rules
        var base: [Int] = []
        var count = 0
        for rule in rules {
            base.append(count)
            count += rule.states.count
        }
        self.base = base
        self.count = count
    }

    /// The states from which an end of their rule can be reached: by any text, or by the empty text.
    func reach(acrossBytes: Bool) -> [Bool] {
        var result = [Bool](repeating: false, count: count)
        var sources: [[Int32]] = Array(repeating: [], count: count)
        // Calls that return to a state, and calls of a rule.
        var callsTo: [[(rule: Int32, from: Int32)]] = Array(repeating: [], count: count)
        var callsOf: [[(from: Int32, target: Int32)]] = Array(repeating: [], count: rules.count)
        var startOf = [Int32](repeating: -1, count: count)
        var waiting: [Int32] = []
        for (index, rule) in rules.enumerated() {
            startOf[base[index]] = Int32(index)
            for (offset, state) in rule.states.enumerated() {
                let from = Int32(base[index] + offset)
                if acrossBytes {
                    for range in state.ranges { sources[base[index] + Int(range.target)].append(from) }
                }
                for call in state.calls {
                    let target = base[index] + Int(call.target)
                    callsTo[target].append((call.rule, from))
                    callsOf[Int(call.rule)].append((from, Int32(target)))
                }
                if state.isFinal {
                    result[Int(from)] = true
                    waiting.append(from)
                }
            }
        }
        func mark(_ state: Int32) {
            guard !result[Int(state)] else { return }
            result[Int(state)] = true
            waiting.append(state)
        }
        while let state = waiting.popLast() {
            for source in sources[Int(state)] { mark(source) }
            for call in callsTo[Int(state)] where result[base[Int(call.rule)]] { mark(call.from) }
            let rule = startOf[Int(state)]
            if rule >= 0 {
                for call in callsOf[Int(rule)] where result[Int(call.target)] { mark(call.from) }
            }
        }
        return result
    }

    /// The rules called directly or indirectly by a rule.
    func reachable(from start: Int) -> [Int] {
        var result = [start]
        var seen: Set<Int> = [start]
        var next = 0
        while next < result.count {
            for call in rules[result[next]].states.flatMap(\.calls) where seen.insert(Int(call.rule)).inserted {
                result.append(Int(call.rule))
            }
            next += 1
        }
        return result
    }

    /// A rule that can be reached from its own start without reading a byte.
    func leftRecursion() -> Int? {
        let isNullable = reach(acrossBytes: false)
        var first: [[Int]] = []
        for rule in rules {
            var seen: Set<Int32> = [0]
            var waiting: [Int32] = [0]
            var called: Set<Int> = []
            while let state = waiting.popLast() {
                for call in rule.states[Int(state)].calls {
                    called.insert(Int(call.rule))
                    if isNullable[base[Int(call.rule)]], seen.insert(call.target).inserted {
                        waiting.append(call.target)
                    }
                }
            }
            first.append(called.sorted())
        }
        // Depth-first search: 1 is on the current path, 2 is done.
        var color = [UInt8](repeating: 0, count: rules.count)
        for root in rules.indices where color[root] == 0 {
            var path: [(rule: Int, next: Int)] = [(root, 0)]
            color[root] = 1
            while let (rule, next) = path.last {
                guard next < first[rule].count else {
                    color[rule] = 2
                    path.removeLast()
                    continue
                }
                path[path.count - 1].next += 1
                let called = first[rule][next]
                if color[called] == 1 { return called }
                if color[called] == 0 {
                    color[called] = 1
                    path.append((called, 0))
                }
            }
        }
        return nil
    }
}
