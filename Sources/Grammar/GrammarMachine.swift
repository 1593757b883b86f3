import MartletSystem

/// A grammar laid out for execution: the states of all rules in one table, their edges in two more.
final class GrammarMachine: Sendable {
    struct State: Sendable {
        /// Index in `ranges` and `calls`.
        var firstRange: Int32
        var lastRange: Int32
        var firstCall: Int32
        var lastCall: Int32
        var isFinal: Bool
    }

    struct Call: Sendable {
        var start: Int32
        /// The state after the called rule.
        var target: Int32
        /// Whether only the end of this rule follows (tail call).
        var isTail: Bool
    }

    let states: [State]
    private let ranges: [ByteAutomaton.Range]
    private let calls: [Call]
    let start: Int32
    /// Bytes of the same class have the same target in every state.
    let classes: [UInt8]
    let classCount: Int
    let ambiguity: Int
    /// The maximum number of stacks examined in one step.
    let mostSeen: Int
    /// For every state its representative, with the same masks.
    let like: [Int32]

    private static let mostLikenessWork = 2_000_000

    /// - Parameter longest: the maximum length of a token's text in bytes.
    init(_ grammar: Grammar, limits: GrammarLimits, longest: Int) {
        var base: [Int32] = []
        var count: Int32 = 0
        for rule in grammar.rules {
            base.append(count)
            count += Int32(rule.states.count)
        }
        var states: [State] = [], ranges: [ByteAutomaton.Range] = [], calls: [Call] = []
        states.reserveCapacity(Int(count))
        var isBound = [Bool](repeating: false, count: 257)
        for (index, rule) in grammar.rules.enumerated() {
            for state in rule.states {
                let (firstRange, firstCall) = (Int32(ranges.count), Int32(calls.count))
                for range in state.ranges {
                    isBound[Int(range.low)] = true
                    isBound[Int(range.high) + 1] = true
                    ranges.append(.init(low: range.low, high: range.high, target: base[index] + range.target))
                }
                for call in state.calls {
                    let after = rule.states[Int(call.target)]
                    calls.append(
                        Call(
                            start: base[Int(call.rule)], target: base[index] + call.target,
                            isTail: after.isFinal && after.ranges.isEmpty && after.calls.isEmpty))
                }
                states.append(
                    State(
                        firstRange: firstRange, lastRange: Int32(ranges.count), firstCall: firstCall,
                        lastCall: Int32(calls.count), isFinal: state.isFinal))
            }
        }
        var classes: [UInt8] = []
        var current = 0
        for byte in 0..<256 {
            if byte > 0, isBound[byte] { current += 1 }
            classes.append(UInt8(current))
        }
        self.states = states
        self.ranges = ranges
        self.calls = calls
        self.classes = classes
        classCount = current + 1
        start = base[grammar.start]
        ambiguity = limits.ambiguity
        mostSeen = min(limits.ambiguity.multiplied(clampedBy: 4), 1 << 20)
        like = Self.likeness(states, ranges, calls, length: longest, work: Self.mostLikenessWork)
    }

    func ranges(of state: State) -> ArraySlice<ByteAutomaton.Range> {
        ranges[Int(state.firstRange)..<Int(state.lastRange)]
    }

    func calls(of state: State) -> ArraySlice<Call> { calls[Int(state.firstCall)..<Int(state.lastCall)] }

    /// The target of a byte from a state.
    func target(from state: Int32, _ byte: UInt8) -> Int32? {
        let state = states[Int(state)]
        var low = Int(state.firstRange)
        var high = Int(state.lastRange)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].high < byte { low = middle + 1 } else { high = middle }
        }
        return low < Int(state.lastRange) && ranges[low].low <= byte ? ranges[low].target : nil
    }

    /// Memory of the tables.
    var bytes: Int {
        states.capacity * MemoryLayout<State>.stride + ranges.capacity * MemoryLayout<ByteAutomaton.Range>.stride
            + calls.capacity * MemoryLayout<Call>.stride + like.capacity * MemoryLayout<Int32>.stride
    }
}
