import MartletSystem

/// A deterministic automaton over bytes, some of whose edges may call rules (non-terminals). It accepts byte strings;
/// with calls, the strings of a rule after the calls are expanded.
struct ByteAutomaton: Hashable, Sendable {
    struct Range: Hashable, Sendable {
        var low: UInt8
        var high: UInt8
        var target: Int32
    }

    struct Call: Hashable, Sendable {
        var rule: Int32
        var target: Int32
    }

    struct State: Hashable, Sendable {
        /// Ascending, without overlap.
        var ranges: [Range] = []
        /// In ascending order by rule, one per rule.
        var calls: [Call] = []
        var isFinal = false

        func target(of byte: UInt8) -> Int32? {
            for range in ranges where range.low <= byte {
                if byte <= range.high { return range.target }
            }
            return nil
        }
    }

    /// The first state is the start state.
    var states: [State]

    init(states: [State]) { self.states = states }

    /// The empty language.
    static let none = ByteAutomaton(states: [State()])
    static let emptyText = ByteAutomaton(states: [State(isFinal: true)])

    /// Whether no text leads to a final state. Valid for trimmed automata only.
    var isEmpty: Bool { states.count == 1 && !states[0].isFinal && states[0].ranges.isEmpty && states[0].calls.isEmpty }

    /// Whether an automaton without calls accepts a text.
    func accepts(_ text: some Sequence<UInt8>) -> Bool {
        var place = 0
        for byte in text {
            guard let next = states[place].target(of: byte) else { return false }
            place = Int(next)
        }
        return states[place].isFinal
    }

    /// Removes states from which no final state can be reached, and unreachable states.
    func trimmed(alive: (Int) -> Bool) -> ByteAutomaton {
        guard alive(0) else { return .none }
        var number = [Int32](repeating: -1, count: states.count)
        number[0] = 0
        var order = [0]
        var result: [State] = []
        while result.count < order.count {
            var state = states[order[result.count]]
            func renumber(_ target: Int32) -> Int32 {
                if number[Int(target)] < 0 {
                    number[Int(target)] = Int32(order.count)
                    order.append(Int(target))
                }
                return number[Int(target)]
            }
            state.ranges = state.ranges.compactMap { range in
                guard alive(Int(range.target)) else { return nil }
                return Range(low: range.low, high: range.high, target: renumber(range.target))
            }
            state.calls = state.calls.compactMap { call in
                guard alive(Int(call.target)) else { return nil }
                return Call(rule: call.rule, target: renumber(call.target))
            }
            result.append(state)
        }
        return ByteAutomaton(states: result)
    }

    /// Removes dead ends. For automata without calls.
    var trimmed: ByteAutomaton {
        var sources: [[Int32]] = Array(repeating: [], count: states.count)
        var alive = states.map(\.isFinal)
        var waiting: [Int32] = []
        for (index, state) in states.enumerated() {
            for range in state.ranges { sources[Int(range.target)].append(Int32(index)) }
            if state.isFinal { waiting.append(Int32(index)) }
        }
        while let state = waiting.popLast() {
            for source in sources[Int(state)] where !alive[Int(source)] {
                alive[Int(source)] = true
                waiting.append(source)
            }
        }
        return trimmed { alive[$0] }
    }
}

/// The remaining budget of a compilation: one for everything that is created.
final class GrammarBudget {
    let limits: GrammarLimits
    private(set) var work = 0
    private(set) var states = 0
    private let isCancelled: (@Sendable () -> Bool)?
    /// When to check for cancellation next.
    private var nextQuestion = GrammarBudget.workBetweenQuestions
    private static let workBetweenQuestions = 50_000

    init(_ limits: GrammarLimits, isCancelled: (@Sendable () -> Bool)? = nil) {
        self.limits = limits
        self.isCancelled = isCancelled
    }

    func spend(_ amount: Int) throws(GrammarError) {
        work = work.adding(clamped: amount)
        guard work <= limits.work else { throw .tooLarge(what: "steps of compilation", limit: limits.work) }
        guard work >= nextQuestion else { return }
        nextQuestion = work + Self.workBetweenQuestions
        if let isCancelled, isCancelled() { throw .cancelled }
    }

    func addState() throws(GrammarError) {
        states += 1
        guard states <= limits.states else { throw .tooLarge(what: "states", limit: limits.states) }
    }
}
