/// A grammar laid out for running: the states of all rules in one table.
final class GrammarMachine: Sendable {
    struct State: Sendable {
        var ranges: [ByteAutomaton.Range]
        /// `target` is where to go on after the rule; `isTail` says that nothing follows there but the end of this rule.
        var calls: [(start: Int32, target: Int32, isTail: Bool)]
        var isFinal: Bool
    }

    let states: [State]
    let start: Int32
    /// Bytes of one class lead from every state to the same.
    let classes: [UInt8]
    let classCount: Int
    let ambiguity: Int
    /// For every state the one whose masks it shares.
    let like: [Int32]

    private static let mostLikenessWork = 2_000_000

    /// - Parameter longest: how long the texts are that tokens stand for, in bytes.
    init(_ grammar: Grammar, limits: GrammarLimits, longest: Int) {
        var base: [Int32] = []
        var count: Int32 = 0
        for rule in grammar.rules {
            base.append(count)
            count += Int32(rule.states.count)
        }
        var states: [State] = []
        states.reserveCapacity(Int(count))
        var isBound = [Bool](repeating: false, count: 257)
        for (index, rule) in grammar.rules.enumerated() {
            for state in rule.states {
                for range in state.ranges {
                    isBound[Int(range.low)] = true
                    isBound[Int(range.high) + 1] = true
                }
                states.append(
                    State(
                        ranges: state.ranges.map {
                            .init(low: $0.low, high: $0.high, target: base[index] + $0.target)
                        },
                        calls: state.calls.map { call in
                            let after = rule.states[Int(call.target)]
                            return (
                                base[Int(call.rule)], base[index] + call.target,
                                after.isFinal && after.ranges.isEmpty && after.calls.isEmpty
                            )
                        },
                        isFinal: state.isFinal))
            }
        }
        var classes: [UInt8] = []
        var current = 0
        for byte in 0..<256 {
            if byte > 0, isBound[byte] { current += 1 }
            classes.append(UInt8(current))
        }
        self.states = states
        like = Self.likeness(states, length: longest, work: Self.mostLikenessWork)
        self.classes = classes
        classCount = current + 1
        start = base[grammar.start]
        ambiguity = limits.ambiguity
    }
}
