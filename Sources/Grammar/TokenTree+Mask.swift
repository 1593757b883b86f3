/// An unfinished walk over the vocabulary's tree.
struct MaskWalk: Sendable {
    /// The next node of the tree.
    var index = 0
    /// The places after the bytes above it; the first one is the place where the walk begins.
    var path: [Int32]
    var words: [UInt64]
    var work = 0
}

extension StackSpace {
    private enum Outcome {
        case mask(TokenMask)
        /// The result depends on frames that were truncated.
        case tooShallow
        /// The time budget is used up.
        case unfinished
        /// Places must be evicted first.
        case full
    }

    /// Work between two readings of the clock.
    private static let workBetweenLooks = 512

    /// The tokens allowed at a root; nil if `end` comes before they are known. Progress is kept, so that the next call
    /// continues, also for other roots at the same place.
    mutating func mask(
        of slot: Int, _ tree: TokenTree, until end: ContinuousClock.Instant?
    ) throws(GrammarError) -> TokenMask? {
        while true {
            let place = roots[slot].place
            if let mask = mask(at: place) {
                roots[slot].awaited = -1
                return mask
            }
            // Tokens rarely leave the innermost rules: masks are computed for truncated stacks, which many places
            // share.
            var target = place
            while roots[slot].level < Self.levels {
                target = shallow(place, level: roots[slot].level)
                guard places[Int(target)].isTooShallow else { break }
                roots[slot].level += 1
                target = place
            }
            if places[Int(target)].mask >= 0 {
                share(maskOf: target, with: place)
                continue
            }
            roots[slot].awaited = target
            switch try walk(from: target, tree, until: end) {
            case .mask(let mask): note(mask, at: target)
            case .tooShallow:
                guard roots[slot].level < Self.levels else { throw .noToken }
                noteTooShallow(target)
            case .unfinished: return nil
            case .full: try compact()
            }
        }
    }

    private mutating func walk(
        from first: Int32, _ tree: TokenTree, until end: ContinuousClock.Instant?
    ) throws(GrammarError) -> Outcome {
        if places[Int(first)].isUnderCut { return .tooShallow }
        var walk = walks.removeValue(forKey: first) ?? MaskWalk(path: [first], words: tree.words(ending: false))
        if walk.index == 0, places[Int(first)].mayEnd { walk.words = tree.words(ending: true) }
        var looked = work
        while walk.index < tree.nodes.count {
            if work - looked >= Self.workBetweenLooks {
                walk.work += work - looked
                looked = work
                guard walk.work <= limits.maskWork else {
                    throw .tooLarge(what: "steps to find which tokens may come", limit: limits.maskWork)
                }
                if let end, ContinuousClock.now >= end {
                    walks[first] = walk
                    return .unfinished
                }
            }
            if hasGrown, isFull() {
                walk.work += work - looked
                walks[first] = walk
                return .full
            }
            let node = tree.nodes[walk.index]
            walk.path.removeSubrange(Int(node.depth)...)
            let place = try step(walk.path[Int(node.depth) - 1], node.byte)
            guard place >= 0 else {
                walk.index = Int(node.end)
                continue
            }
            if places[Int(place)].isUnderCut { return .tooShallow }
            walk.path.append(place)
            for position in Int(node.firstToken)..<Int(node.firstToken + node.tokenCount) {
                let token = tree.tokens[position]
                walk.words[Int(token) / 64] |= 1 << UInt64(token % 64)
            }
            walk.index += 1
        }
        return .mask(TokenMask(words: walk.words))
    }

    /// Advances a root by any of these byte strings. Returns false, without a change, if none is allowed; nil if `end`
    /// comes first.
    mutating func advance(
        _ slot: Int, by ways: [[UInt8]], until end: ContinuousClock.Instant?
    ) throws(GrammarError) -> Bool? {
        if hasGrown, isFull() { try compact() }
        var reached = Self.dead
        var looked = work
        for bytes in ways {
            var next = roots[slot].place
            for byte in bytes where next >= 0 {
                if work - looked >= Self.workBetweenLooks {
                    looked = work
                    if let end, ContinuousClock.now >= end { return nil }
                }
                next = try step(next, byte)
            }
            reached = union(reached, next)
        }
        guard reached >= 0 else { return false }
        roots[slot] = Root(place: reached)
        return true
    }
}

extension TokenTree {
    /// One bit per token: the tokens that end a text, or none.
    func words(ending: Bool) -> [UInt64] {
        var words = [UInt64](repeating: 0, count: (vocabularySize + 63) / 64)
        if ending {
            for token in endTokens { words[Int(token) / 64] |= 1 << UInt64(token % 64) }
        }
        return words
    }
}
