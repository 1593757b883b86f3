import MartletSystem

extension StackSpace {
    /// The state of one text.
    struct Root: Sendable {
        var place: Int32
        /// The stack depth needed for a mask, as far as known: a level, or one more for whole stacks.
        var level = 0
        /// The place at which the awaited walk begins; -1 for none.
        var awaited: Int32 = -1
        var isUsed = true
    }

    /// Memory is reserved in pieces of this size.
    private static let piece = 1 << 20
    /// The part of the limit available to places in use: those of all running texts, with their stacks.
    private var mostLiveBytes: Int { max(limits.cacheBytes / 16, 1 << 20) }

    // MARK: Roots

    mutating func addRoot(_ root: Root) -> Int {
        if let free = roots.firstIndex(where: { !$0.isUsed }) {
            roots[free] = root
            return free
        }
        roots.append(root)
        return roots.count - 1
    }

    mutating func addRoot() -> Int { addRoot(Root(place: start)) }

    /// - Returns: whether no root remains.
    mutating func removeRoot(_ slot: Int) -> Bool {
        roots[slot].isUsed = false
        roots[slot].awaited = -1
        return !roots.contains(where: \.isUsed)
    }

    // MARK: - Eviction

    /// Whether places must be evicted before more can be computed. Reserves more memory if possible.
    mutating func isFull() -> Bool {
        hasGrown = false
        let bytes = bytes
        guard bytes > granted else { return false }
        let wanted = max(bytes - granted, Self.piece)
        if bytes <= leastBytes {
            // Memory in use is always counted, whatever the limit is.
            memory.take(wanted)
        } else if bytes > limits.cacheBytes || !memory.reserve(wanted) {
            return true
        }
        granted = granted.adding(clamped: wanted)
        return false
    }

    /// Evicts everything that no root uses or waits for.
    /// - Throws: `tooLarge` when the places in use alone exceed the limit.
    mutating func compact() throws(GrammarError) {
        var fresh = StackSpace(emptied: self)
        var moved = [Int32](repeating: -1, count: nodes.count)
        moved[Int(Self.bottom)] = Self.bottom
        moved[Int(Self.cut)] = Self.cut
        fresh.setStart(move(start, to: &fresh, &moved))
        for slot in roots.indices where roots[slot].isUsed {
            fresh.roots[slot].place = move(roots[slot].place, to: &fresh, &moved)
            let awaited = roots[slot].awaited
            guard awaited >= 0 else { continue }
            let place = move(awaited, to: &fresh, &moved)
            fresh.roots[slot].awaited = place
            guard var walk = walks[awaited], fresh.walks[place] == nil else { continue }
            walk.path = walk.path.map { move($0, to: &fresh, &moved) }
            fresh.walks[place] = walk
        }
        let live = fresh.bytes
        guard live <= mostLiveBytes else {
            throw .tooLarge(what: "bytes for the rules that one text has open", limit: mostLiveBytes)
        }
        fresh.leastBytes = live.multiplied(clampedBy: 2)
        self = fresh
        giveBack()
    }

    /// Evicts everything, if there is no root.
    mutating func clear() throws(GrammarError) {
        roots = []
        walks = [:]
        try compact()
    }

    private mutating func giveBack() {
        let wanted = min(max(bytes, Self.piece), granted)
        memory.release(granted - wanted)
        granted = wanted
    }

    /// Copies a place to another space.
    private func move(_ place: Int32, to fresh: inout StackSpace, _ moved: inout [Int32]) -> Int32 {
        var stacks: [UInt64] = []
        var chain: [Int32] = []
        for stack in self.stacks(of: place) {
            var node = Self.node(of: stack)
            chain.removeAll(keepingCapacity: true)
            while moved[Int(node)] < 0 {
                chain.append(node)
                node = Self.node(of: nodes[Int(node)])
            }
            var result = moved[Int(node)]
            for node in chain.reversed() {
                result = fresh.node(Self.state(of: nodes[Int(node)]), on: result)
                moved[Int(node)] = result
            }
            stacks.append(Self.stack(Self.state(of: stack), result))
        }
        stacks.sort()
        let old = places[Int(place)]
        let number = fresh.number(stacks, mayEnd: old.mayEnd, isUnderCut: old.isUnderCut)
        if old.isTooShallow { fresh.noteTooShallow(number) }
        return number
    }
}
