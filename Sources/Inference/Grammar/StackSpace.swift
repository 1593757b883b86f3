/// The places that texts lead to in a grammar, found as they are needed and remembered. A place is a set of stacks; a
/// stack is a state of the automaton that runs and the states to return to, innermost first.
///
/// Stacks share their tails (`nodes`) and places are numbered (`sets`), so that a step that was made before is a look into
/// a table: `steps[place * classes + class of the byte]`.
struct StackSpace {
    /// No text leads here.
    static let dead: Int32 = -1
    private static let unknown: Int32 = -2
    /// The bottom of every stack, and that of stacks cut short.
    private static let bottom: Int32 = 0
    private static let cut: Int32 = 1

    struct Place {
        /// A state in the upper half, the node to return to in the lower; ascending.
        var stacks: [UInt64]
        /// The text may end here.
        var mayEnd: Bool
        /// It cannot be said without the rest of a stack that was cut.
        var isUnderCut: Bool
        /// This place with every stack cut to a few frames, -1 if not known yet.
        var shallow: [Int32] = [-1, -1]
        var mask: TokenMask?
        /// A mask needs more than these frames.
        var isTooShallow = false
    }

    private struct Node: Hashable {
        var state: Int32
        var parent: Int32
    }

    private struct PlaceKey: Hashable {
        var stacks: [UInt64]
        var mayEnd: Bool
        var isUnderCut: Bool
    }

    let machine: GrammarMachine
    private(set) var places: [Place] = []
    private var numbers: [PlaceKey: Int32] = [:]
    private var nodes: [Node]
    private var nodeNumbers: [Node: Int32] = [:]
    private var steps: [Int32] = []
    /// What masks take.
    private var maskBytes = 0
    private(set) var start: Int32 = dead

    init(_ machine: GrammarMachine) throws(GrammarError) {
        self.machine = machine
        nodes = [Node(state: -1, parent: -1), Node(state: -2, parent: -1)]
        start = try place(from: [(machine.start, Self.bottom)])
    }

    /// A rough count of what is remembered.
    var bytes: Int { maskBytes + steps.count * 4 + places.count * 160 + nodes.count * 40 }

    // MARK: Steps

    mutating func step(_ place: Int32, _ byte: UInt8) throws(GrammarError) -> Int32 {
        let index = Int(place) * machine.classCount + Int(machine.classes[Int(byte)])
        let known = steps[index]
        if known != Self.unknown { return known }
        var next: [(Int32, Int32)] = []
        for stack in places[Int(place)].stacks {
            if let target = machine.states[Int(stack >> 32)].target(of: byte) {
                next.append((target, Int32(truncatingIfNeeded: stack)))
            }
        }
        let result = next.isEmpty ? Self.dead : try self.place(from: next)
        steps[index] = result
        return result
    }

    /// Where either text leads; one of them may lead nowhere.
    mutating func union(_ one: Int32, _ other: Int32) -> Int32 {
        guard one >= 0 else { return other }
        guard other >= 0, other != one else { return one }
        let (left, right) = (places[Int(one)], places[Int(other)])
        return number(
            PlaceKey(
                stacks: Set(left.stacks + right.stacks).sorted(), mayEnd: left.mayEnd || right.mayEnd,
                isUnderCut: left.isUnderCut || right.isUnderCut))
    }

    /// What is reached from states, with the nodes they return to, without reading.
    private mutating func place(from first: [(Int32, Int32)]) throws(GrammarError) -> Int32 {
        var waiting = first
        var seen: Set<UInt64> = []
        var stacks: [UInt64] = []
        var mayEnd = false
        var isUnderCut = false
        while let (index, node) = waiting.popLast() {
            let stack = UInt64(UInt32(bitPattern: index)) << 32 | UInt64(UInt32(bitPattern: node))
            guard seen.insert(stack).inserted else { continue }
            guard seen.count <= machine.ambiguity * 4, stacks.count < machine.ambiguity else {
                throw .tooLarge(what: "ways to read one text", limit: machine.ambiguity)
            }
            let state = machine.states[Int(index)]
            if !state.ranges.isEmpty { stacks.append(stack) }
            if state.isFinal {
                switch node {
                case Self.bottom: mayEnd = true
                case Self.cut: isUnderCut = true
                default: waiting.append((nodes[Int(node)].state, nodes[Int(node)].parent))
                }
            }
            for call in state.calls {
                waiting.append((call.start, call.isTail ? node : self.node(call.target, on: node)))
            }
        }
        stacks.sort()
        return number(PlaceKey(stacks: stacks, mayEnd: mayEnd, isUnderCut: isUnderCut))
    }

    private mutating func node(_ state: Int32, on parent: Int32) -> Int32 {
        let node = Node(state: state, parent: parent)
        if let known = nodeNumbers[node] { return known }
        nodes.append(node)
        nodeNumbers[node] = Int32(nodes.count - 1)
        return Int32(nodes.count - 1)
    }

    private mutating func number(_ key: PlaceKey) -> Int32 {
        if let known = numbers[key] { return known }
        let number = Int32(places.count)
        numbers[key] = number
        places.append(Place(stacks: key.stacks, mayEnd: key.mayEnd, isUnderCut: key.isUnderCut))
        steps.append(contentsOf: repeatElement(Self.unknown, count: machine.classCount))
        return number
    }

    // MARK: Cut stacks

    private static let depths = [2, 8]

    /// The place with its stacks cut to `depths[level]` frames, and states replaced by those that are like them.
    mutating func shallow(_ place: Int32, level: Int) -> Int32 {
        let known = places[Int(place)].shallow[level]
        if known >= 0 { return known }
        var stacks: Set<UInt64> = []
        for stack in places[Int(place)].stacks {
            var frames: [Int32] = []
            var node = Int32(truncatingIfNeeded: stack)
            while node > Self.cut, frames.count < Self.depths[level] {
                frames.append(machine.like[Int(nodes[Int(node)].state)])
                node = nodes[Int(node)].parent
            }
            if node > Self.cut { node = Self.cut }
            for frame in frames.reversed() { node = self.node(frame, on: node) }
            let state = machine.like[Int(stack >> 32)]
            stacks.insert(UInt64(UInt32(bitPattern: state)) << 32 | UInt64(UInt32(bitPattern: node)))
        }
        let old = places[Int(place)]
        let result = number(
            PlaceKey(stacks: stacks.sorted(), mayEnd: old.mayEnd, isUnderCut: old.isUnderCut))
        places[Int(place)].shallow[level] = result
        return result
    }

    static var levels: Int { depths.count }

    /// - Parameter isShared: another place has the same mask already.
    mutating func note(_ mask: TokenMask, at place: Int32, isShared: Bool = false) {
        places[Int(place)].mask = mask
        if !isShared { maskBytes += mask.words.count * 8 }
    }

    mutating func noteTooShallow(_ place: Int32) { places[Int(place)].isTooShallow = true }

    // MARK: Moving

    /// A place's stacks, each with its frames innermost first, to be rebuilt in another space.
    func frames(of place: Int32) -> [[Int32]] {
        places[Int(place)].stacks.map { stack in
            var frames = [Int32(truncatingIfNeeded: stack >> 32)]
            var node = Int32(truncatingIfNeeded: stack)
            while node > Self.cut {
                frames.append(nodes[Int(node)].state)
                node = nodes[Int(node)].parent
            }
            return frames
        }
    }

    mutating func place(frames: [[Int32]], mayEnd: Bool) -> Int32 {
        var stacks: [UInt64] = []
        for stack in frames {
            var node = Self.bottom
            for frame in stack.dropFirst().reversed() { node = self.node(frame, on: node) }
            stacks.append(UInt64(UInt32(bitPattern: stack[0])) << 32 | UInt64(UInt32(bitPattern: node)))
        }
        return number(PlaceKey(stacks: stacks.sorted(), mayEnd: mayEnd, isUnderCut: false))
    }
}

extension GrammarMachine.State {
    func target(of byte: UInt8) -> Int32? {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].high < byte { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].low <= byte ? ranges[low].target : nil
    }
}
