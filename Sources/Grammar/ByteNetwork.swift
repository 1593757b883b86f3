import MartletPatterns
import MartletSystem

/// A nondeterministic automaton over bytes whose edges may also call rules: the intermediate form of every kind of
/// grammar. Fragments are built between two states given by the caller.
struct ByteNetwork {
    enum Edge: Hashable, Sendable {
        case empty(Int)
        case bytes(UInt8, UInt8, Int)
        case call(rule: Int, Int)
        /// Can be passed where nothing has been read, or where nothing will be read: `^` and `$` of expressions.
        case textStart(Int)
        case textEnd(Int)
    }

    private(set) var edges: [[Edge]] = []
    let start: Int
    let end: Int
    /// Everything created is charged to this budget, whether it is reachable or not.
    private let budget: GrammarBudget
    var limits: GrammarLimits { budget.limits }
    private var limit: Int { limits.states }
    private var edgeCount = 0
    private var countedEdges = 0
    /// States have few edges each, except for classes of very many characters, which repeats copy.
    private var edgeLimit: Int { limit.multiplied(clampedBy: 8) }

    init(_ budget: GrammarBudget) {
        edges = [[], []]
        start = 0
        end = 1
        self.budget = budget
    }

    mutating func state() throws(GrammarError) -> Int {
        guard edges.count < limit else { throw .tooLarge(what: "states", limit: limit) }
        try spend(2)
        edges.append([])
        return edges.count - 1
    }

    /// Charges a part to be created, and the edges added since the last call.
    private mutating func spend(_ work: Int) throws(GrammarError) {
        guard edgeCount <= edgeLimit else { throw .tooLarge(what: "edges between states", limit: edgeLimit) }
        try budget.spend(work + edgeCount - countedEdges)
        countedEdges = edgeCount
    }

    mutating func add(_ edge: Edge, from state: Int) {
        edges[state].append(edge)
        edgeCount += 1
    }

    mutating func add(bytes: some Sequence<UInt8>, from first: Int, to last: Int) throws(GrammarError) {
        var place = first
        for byte in bytes {
            let next = try state()
            edges[place].append(.bytes(byte, byte, next))
            place = next
        }
        edges[place].append(.empty(last))
    }

    /// One scalar of the set, as UTF-8. Surrogates are left out.
    mutating func add(_ set: ScalarSet, from first: Int, to last: Int) throws(GrammarError) {
        // Sequences with the same first ranges share their states.
        var known: [[ClosedRange<UInt8>]: Int] = [:]
        for sequence in set.byteSequences {
            try spend(1)
            var place = first
            for index in sequence.indices {
                let range = sequence[index]
                if index == sequence.count - 1 {
                    add(.bytes(range.lowerBound, range.upperBound, last), from: place)
                } else if let next = known[Array(sequence[...index])] {
                    place = next
                } else {
                    let next = try state()
                    known[Array(sequence[...index])] = next
                    add(.bytes(range.lowerBound, range.upperBound, next), from: place)
                    place = next
                }
            }
        }
    }

    /// A copy of a deterministic automaton.
    mutating func add(_ automaton: ByteAutomaton, from first: Int, to last: Int) throws(GrammarError) {
        guard edges.count + automaton.states.count < limit else { throw .tooLarge(what: "states", limit: limit) }
        let base = edges.count
        for state in automaton.states {
            var copied = state.ranges.map { Edge.bytes($0.low, $0.high, base + Int($0.target)) }
            copied += state.calls.map { Edge.call(rule: Int($0.rule), base + Int($0.target)) }
            if state.isFinal { copied.append(.empty(last)) }
            edgeCount += copied.count
            try spend(2)
            edges.append(copied)
        }
        edges[first].append(.empty(base))
    }

    /// `least` to `most` repetitions of what `body` adds between two states; unbounded if `most` is nil.
    mutating func `repeat`(
        least: Int, most: Int?, from first: Int, to last: Int,
        _ body: (inout ByteNetwork, Int, Int) throws(GrammarError) -> Void
    ) throws(GrammarError) {
        var place = first
        for _ in 0..<least {
            let next = try state()
            try body(&self, place, next)
            place = next
        }
        guard let most else {
            let loop = try state()
            edges[place].append(.empty(loop))
            let back = try state()
            try body(&self, loop, back)
            edges[back].append(.empty(loop))
            edges[loop].append(.empty(last))
            return
        }
        for _ in least..<max(least, most) {
            edges[place].append(.empty(last))
            let next = try state()
            try body(&self, place, next)
            place = next
        }
        edges[place].append(.empty(last))
    }
}
