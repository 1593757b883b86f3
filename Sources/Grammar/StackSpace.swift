/// The lazily computed and memoised places that texts reach in a grammar. A place is a set of stacks; a stack is a
/// state of the current rule's automaton and the states to return to, innermost first (a pushdown automaton).
///
/// Stacks share their tails (`nodes`) and places are numbered, so a known step is a table lookup: `steps[place *
/// classes + class of the byte]`. Everything is stored in a few flat lists, so memory is known exactly and freed at
/// once. If the limit is exceeded, all places that are not in use are evicted (`StackSpace+Memory`).
struct StackSpace: Sendable {
    /// The dead place: no text leads here.
    static let dead: Int32 = -1
    private static let unknown: Int32 = -2
    /// The bottom of every stack, including truncated ones.
    static let bottom: Int32 = 0
    static let cut: Int32 = 1

    struct Place: Sendable {
        /// Index in `stacks`.
        var firstStack: Int
        var stackCount: Int32
        /// Whether the text may end here.
        var mayEnd: Bool
        /// Whether the answer depends on the removed part of a truncated stack.
        var isUnderCut: Bool
        /// Whether a mask needs more than these frames.
        var isTooShallow = false
        /// This place with every stack truncated to a few frames, by level; -1 if not computed.
        var shallow: (Int32, Int32) = (-1, -1)
        /// Index in `masks`; -1 if not computed.
        var mask: Int32 = -1
    }

    let machine: GrammarMachine
    let limits: GrammarLimits
    let memory: GrammarMemory
    /// The vocabulary size, for the memory of masks.
    let vocabularySize: Int
    private(set) var places: [Place] = []
    /// The stacks of all places: the state in the upper half, the node to return to in the lower; ascending within a
    /// place.
    private(set) var stacks: [UInt64] = []
    private var placeIndex = NumberIndex()
    /// The state in the upper half, the parent in the lower.
    private(set) var nodes: [UInt64] = []
    private var nodeIndex = NumberIndex()
    private var steps: [Int32] = []
    private var masks: [TokenMask] = []
    private(set) var start: Int32 = dead
    /// The roots in use, and what they wait for.
    var roots: [Root] = []
    /// Unfinished walks over the vocabulary, by the place where they begin.
    var walks: [Int32: MaskWalk] = [:]
    /// Steps and stacks examined so far: the measure of work.
    private(set) var work = 0
    /// Whether places were added since this was last reset.
    var hasGrown = false
    /// Memory reserved for this space.
    var granted = 0
    /// Below this size eviction is not worth it, because the memory in use is too large a part.
    var leastBytes = 0
    private var seen: StampedSet
    private var waiting: [UInt64] = []
    private var found: [UInt64] = []

    init(
        _ machine: GrammarMachine, _ limits: GrammarLimits, _ memory: GrammarMemory, vocabularySize: Int
    ) throws(GrammarError) {
        self.init(machine, limits, memory, vocabularySize, seen: StampedSet(most: machine.mostSeen + 2))
        waiting = [Self.stack(machine.start, Self.bottom)]
        start = try placeOfWaiting()
    }

    /// An empty space with the same settings.
    init(emptied other: StackSpace) {
        self.init(other.machine, other.limits, other.memory, other.vocabularySize, seen: other.seen)
        work = other.work
        granted = other.granted
        roots = other.roots
    }

    private init(
        _ machine: GrammarMachine, _ limits: GrammarLimits, _ memory: GrammarMemory, _ vocabularySize: Int,
        seen: StampedSet
    ) {
        self.machine = machine
        self.limits = limits
        self.memory = memory
        self.vocabularySize = vocabularySize
        self.seen = seen
        nodes = [Self.stack(-1, -1), Self.stack(-2, -1)]
    }

    static func stack(_ state: Int32, _ node: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: state)) << 32 | UInt64(UInt32(bitPattern: node))
    }

    static func state(of stack: UInt64) -> Int32 { Int32(truncatingIfNeeded: stack >> 32) }
    static func node(of stack: UInt64) -> Int32 { Int32(truncatingIfNeeded: stack) }

    func stacks(of place: Int32) -> ArraySlice<UInt64> {
        let place = places[Int(place)]
        return stacks[place.firstStack..<(place.firstStack + Int(place.stackCount))]
    }

    /// Memory of the lists.
    var bytes: Int {
        let masks = masks.count * (vocabularySize / 8 + 64) + walks.count * (vocabularySize / 8 + 1024)
        return places.capacity * MemoryLayout<Place>.stride + (stacks.capacity + nodes.capacity) * 8
            + steps.capacity * 4 + placeIndex.bytes + nodeIndex.bytes + seen.bytes + masks
            + roots.capacity * MemoryLayout<Root>.stride
    }

    // MARK: Steps

    mutating func step(_ place: Int32, _ byte: UInt8) throws(GrammarError) -> Int32 {
        work += 1
        let index = Int(place) * machine.classCount + Int(machine.classes[Int(byte)])
        let known = steps[index]
        if known != Self.unknown { return known }
        waiting.removeAll(keepingCapacity: true)
        for stack in stacks(of: place) {
            if let target = machine.target(from: Self.state(of: stack), byte) {
                waiting.append(Self.stack(target, Self.node(of: stack)))
            }
        }
        work += Int(places[Int(place)].stackCount)
        let result = waiting.isEmpty ? Self.dead : try placeOfWaiting()
        steps[index] = result
        return result
    }

    /// The union of two places; either may be dead.
    mutating func union(_ one: Int32, _ other: Int32) -> Int32 {
        guard one >= 0 else { return other }
        guard other >= 0, other != one else { return one }
        let (left, right) = (places[Int(one)], places[Int(other)])
        return number(
            Set(stacks(of: one)).union(stacks(of: other)).sorted(), mayEnd: left.mayEnd || right.mayEnd,
            isUnderCut: left.isUnderCut || right.isUnderCut)
    }

    /// The closure of the waiting stacks under calls and returns.
    private mutating func placeOfWaiting() throws(GrammarError) -> Int32 {
        seen.removeAll()
        found.removeAll(keepingCapacity: true)
        var mayEnd = false
        var isUnderCut = false
        // A state may call thousands of rules: examining them is limited like what is found.
        let mostWork = work + machine.mostSeen * 64
        while let stack = waiting.popLast() {
            guard seen.insert(stack) else { continue }
            let (index, node) = (Self.state(of: stack), Self.node(of: stack))
            let state = machine.states[Int(index)]
            let calls = machine.calls(of: state)
            work += 1 + calls.count
            guard seen.count <= machine.mostSeen, found.count < machine.ambiguity, work <= mostWork else {
                throw .tooLarge(what: "ways to read one text", limit: machine.ambiguity)
            }
            if state.firstRange < state.lastRange { found.append(stack) }
            if state.isFinal {
                switch node {
                case Self.bottom: mayEnd = true
                case Self.cut: isUnderCut = true
                default: waiting.append(nodes[Int(node)])
                }
            }
            for call in calls {
                waiting.append(Self.stack(call.start, call.isTail ? node : self.node(call.target, on: node)))
            }
        }
        found.sort()
        return number(found, mayEnd: mayEnd, isUnderCut: isUnderCut)
    }

    mutating func node(_ state: Int32, on parent: Int32) -> Int32 {
        let node = Self.stack(state, parent)
        let hash = NumberIndex.hash(node)
        if let known = nodeIndex.find(hash, { nodes[Int($0)] == node }) { return known }
        let number = Int32(nodes.count)
        nodes.append(node)
        nodeIndex.insert(number, hash)
        return number
    }

    /// The place with these stacks, which are in ascending order.
    mutating func number(_ wanted: [UInt64], mayEnd: Bool, isUnderCut: Bool) -> Int32 {
        var hash = NumberIndex.hash((mayEnd ? 1 : 0) | (isUnderCut ? 2 : 0))
        for stack in wanted { hash = NumberIndex.hash(stack, hash) }
        let known = placeIndex.find(hash) { number in
            let place = places[Int(number)]
            return place.mayEnd == mayEnd && place.isUnderCut == isUnderCut && stacks(of: number).elementsEqual(wanted)
        }
        if let known { return known }
        let number = Int32(places.count)
        places.append(
            Place(
                firstStack: stacks.count, stackCount: Int32(wanted.count), mayEnd: mayEnd, isUnderCut: isUnderCut))
        stacks += wanted
        placeIndex.insert(number, hash)
        steps.append(contentsOf: repeatElement(Self.unknown, count: machine.classCount))
        hasGrown = true
        return number
    }

    mutating func setStart(_ place: Int32) { start = place }

    // MARK: - Truncated stacks

    private static let depths = [2, 8]
    static var levels: Int { depths.count }

    /// The place with its stacks truncated to `depths[level]` frames, and states replaced by their representatives.
    mutating func shallow(_ place: Int32, level: Int) -> Int32 {
        let old = places[Int(place)]
        let known = level == 0 ? old.shallow.0 : old.shallow.1
        if known >= 0 { return known }
        var cut: Set<UInt64> = []
        var frames: [Int32] = []
        for index in old.firstStack..<(old.firstStack + Int(old.stackCount)) {
            let stack = stacks[index]
            frames.removeAll(keepingCapacity: true)
            var node = Self.node(of: stack)
            while node > Self.cut, frames.count < Self.depths[level] {
                frames.append(machine.like[Int(Self.state(of: nodes[Int(node)]))])
                node = Self.node(of: nodes[Int(node)])
            }
            if node > Self.cut { node = Self.cut }
            for frame in frames.reversed() { node = self.node(frame, on: node) }
            cut.insert(Self.stack(machine.like[Int(Self.state(of: stack))], node))
            work += 1 + frames.count
        }
        let result = number(cut.sorted(), mayEnd: old.mayEnd, isUnderCut: old.isUnderCut)
        if level == 0 { places[Int(place)].shallow.0 = result } else { places[Int(place)].shallow.1 = result }
        return result
    }

    // MARK: Masks

    func mask(at place: Int32) -> TokenMask? {
        let index = places[Int(place)].mask
        return index < 0 ? nil : masks[Int(index)]
    }

    mutating func note(_ mask: TokenMask, at place: Int32) {
        places[Int(place)].mask = Int32(masks.count)
        masks.append(mask)
        hasGrown = true
    }

    /// Gives a place the mask of another one.
    mutating func share(maskOf other: Int32, with place: Int32) { places[Int(place)].mask = places[Int(other)].mask }

    mutating func noteTooShallow(_ place: Int32) { places[Int(place)].isTooShallow = true }
}
