import MartletModels
import MartletTensor

/// The prefix cache: keys and values of prompts and replies, kept for requests that start with the same tokens.
///
/// A tree of blocks (radix tree, cf. Zheng et al. 2023): each node has one block of every group of layers, which follow
/// its parent's, and the tokens they were computed from, so a path from the root is a text. Tokens themselves are
/// compared, not their hashes, so a collision cannot give a request the keys of another one. There is one root per salt:
/// requests with different salts share nothing. Not thread safe; owned by a generator.
///
/// Blocks of layers with a sliding window are needed only where a text is continued, within a window before that place.
/// They are evicted on their own, so a node may lack them; a prefix is usable up to a place whose window is complete.
///
/// Recurrent states are of one length: a node may have those of its end, and a prefix is usable up to such a node alone.
struct PrefixCache {
    private final class Node {
        let tokens: [Int32]
        /// One of every group; nil for a window's block that was released or evicted.
        var blocks: [KVBlock?]
        /// The recurrent states behind its last token.
        var states: KVBlock?
        unowned(unsafe) let parent: Node?
        /// Children by their first token.
        var children: [Int32: [Node]] = [:]
        var childCount = 0
        var used: UInt64
        /// When the blocks of layers with a window were last stored or continued from.
        var windowUsed: UInt64

        init(tokens: [Int32], blocks: [KVBlock?], parent: Node?, used: UInt64) {
            self.tokens = tokens
            self.blocks = blocks
            self.parent = parent
            self.used = used
            windowUsed = used
        }

        var byteCount: Int { blocks.reduce(states?.byteCount ?? 0) { $0 + ($1?.byteCount ?? 0) } }
        /// Whether it has what is needed where a text is continued, besides its share of kept positions.
        func hasEnds(_ windows: [Int?]) -> Bool {
            states != nil || windows.indices.contains { windows[$0] != nil && blocks[$0] != nil }
        }
    }

    private final class Root {
        var children: [Int32: [Node]] = [:]
    }

    /// For each group of layers the size of its window.
    private let windows: [Int?]
    /// Whether some layers have recurrent states.
    let hasStates: Bool
    private var roots: [String: Root] = [:]
    private(set) var blockCount = 0
    /// Bytes of all blocks in the tree, whether sequences have them too or not.
    private(set) var byteCount = 0
    private var clock: UInt64 = 0

    /// - Parameter windows: for each group of layers the size of its window, or nil.
    init(windows: [Int?], hasStates: Bool = false) {
        self.windows = windows
        self.hasStates = hasStates
    }

    /// Whether a text can be continued in some places only: where it has a window, or states.
    var hasEnds: Bool { hasStates || windows.contains { $0 != nil } }

    /// What a text begins with.
    struct Match {
        /// For each block of the prefix, one of every group.
        var blocks: [[KVBlock?]] = []
        var states: KVBlock?
        /// In tokens.
        var length = 0
    }

    /// The cached blocks for the longest usable prefix of `tokens`, and its length in tokens, at most `limit`. The last
    /// block may be used partially.
    mutating func match(_ tokens: [Int32], limit: Int, salt: String) -> Match {
        guard let root = roots[salt] else { return Match() }
        clock += 1
        var path: [Node] = [], length = 0
        // The longest prefix whose states are kept.
        var stated: (path: [Node], length: Int) = ([], 0)
        var children = root.children
        while length < limit, let candidates = children[tokens[length]] {
            let rest = tokens[length..<limit]
            var best: (node: Node, shared: Int)?
            for node in candidates {
                let shared = node.tokens.sharedPrefix(rest)
                if shared > best?.shared ?? 0 { best = (node, shared) }
                if node.states != nil, shared == node.tokens.count, length + shared > stated.length {
                    stated = (path + [node], length + shared)
                }
            }
            guard let best else { break }
            path.append(best.node)
            length += best.shared
            guard best.shared == KVCache.blockLength else { break }
            children = best.node.children
        }
        if hasStates {
            (path, length) = lastMissing(stated.path, before: stated.length) == nil ? stated : ([], 0)
        }
        while let missing = lastMissing(path, before: length) { length = missing * KVCache.blockLength }
        let used = path.prefix(KVCache.blocks(for: length))
        used.last?.windowUsed = clock
        for node in used { node.used = clock }
        for (group, window) in windows.enumerated() where window != nil {
            for index in seen(by: group, at: length) { path[index].windowUsed = clock }
        }
        return Match(blocks: used.map(\.blocks), states: hasStates ? used.last?.states : nil, length: length)
    }

    /// The indices of the blocks that a query at position `length` sees in the layers of a group.
    private func seen(by group: Int, at length: Int) -> Range<Int> {
        let first = windows[group].map { max(length - ($0 - 1), 0) / KVCache.blockLength } ?? 0
        let end = KVCache.blocks(for: length)
        return min(first, end)..<end
    }

    /// The last block before position `length` that a query there sees and the tree does not have.
    private func lastMissing(_ path: [Node], before length: Int) -> Int? {
        windows.indices.compactMap { group in
            seen(by: group, at: length).last { path[$0].blocks[group] == nil }
        }.max()
    }

    /// Inserts the blocks of a sequence. A last block that is not full is inserted only if `isFinished`: then its
    /// sequence will not write to it again. With recurrent states, whose sequence stands in the middle of a block is not
    /// inserted otherwise: nothing could go on from there.
    mutating func insert(_ tokens: ArraySlice<Int32>, _ cache: KVCache, isFinished: Bool, salt: String) {
        if hasStates, cache.statesAtLength == nil || !(isFinished || tokens.count % KVCache.blockLength == 0) { return }
        clock += 1
        let root = roots[salt] ?? Root()
        roots[salt] = root
        var parent: Node?
        var start = tokens.startIndex
        for index in 0..<cache.blockCount {
            let end = min(start + KVCache.blockLength, tokens.endIndex)
            let part = tokens[start..<end]
            guard let first = part.first, part.count == KVCache.blockLength || isFinished else { break }
            let blocks = cache.blocks(at: index)
            let siblings = (parent?.children ?? root.children)[first] ?? []
            // States are of the end of a node.
            let isExact = hasStates && end == tokens.endIndex
            let known = siblings.first {
                (isExact ? $0.tokens.count == part.count : $0.tokens.count >= part.count)
                    && $0.tokens.starts(with: part)
            }
            if let known {
                known.used = clock
                complete(known, with: blocks, of: part.count)
                parent = known
            } else {
                let node = Node(tokens: Array(part), blocks: blocks, parent: parent, used: clock)
                // A new block that extends an existing one replaces it.
                let replaced = siblings.filter { part.starts(with: $0.tokens) && $0.childCount == 0 }
                let kept = siblings.filter { sibling in !replaced.contains { $0 === sibling } }
                blockCount += 1 - replaced.count
                byteCount += node.byteCount - replaced.reduce(0) { $0 + $1.byteCount }
                if let parent {
                    parent.children[first] = kept + [node]
                    parent.childCount += 1 - replaced.count
                } else {
                    root.children[first] = kept + [node]
                }
                parent = node
            }
            start = end
        }
        guard hasStates, start == tokens.endIndex, let parent, parent.states == nil, let states = cache.statesAtLength
        else { return }
        parent.states = states
        parent.windowUsed = clock
        byteCount += states.byteCount
    }

    /// Gives a node the blocks of layers with a window that it lacks.
    private mutating func complete(_ node: Node, with blocks: [KVBlock?], of count: Int) {
        guard node.tokens.count == count else { return }
        for (group, block) in blocks.enumerated() where windows[group] != nil {
            guard let block else { continue }
            node.windowUsed = clock
            if node.blocks[group] == nil {
                node.blocks[group] = block
                byteCount += block.byteCount
            }
        }
    }

    /// Evicts least recently used blocks until `isEnough` or the cache is empty: whole nodes from the ends of texts
    /// backwards, and the blocks of layers with a window, and states, within texts.
    /// - Parameter isEnough: receives the number of bytes still cached.
    mutating func evict(until isEnough: (Int) -> Bool) {
        while blockCount > 0, !isEnough(byteCount) {
            // All that may go, in order of age: one traversal frees many blocks, so its cost is shared.
            var candidates: [(used: UInt64, node: Node, salt: String, isLeaf: Bool)] = []
            for (salt, root) in roots {
                var pending = root.children.values.flatMap { $0 }
                while let node = pending.popLast() {
                    if node.childCount == 0 {
                        candidates.append((node.used, node, salt, true))
                    } else {
                        pending += node.children.values.joined()
                        if node.hasEnds(windows) { candidates.append((node.windowUsed, node, salt, false)) }
                    }
                }
            }
            candidates.sort { $0.used < $1.used }
            for candidate in candidates.prefix(max(candidates.count / 4, 1)) {
                if candidate.isLeaf {
                    remove(candidate.node, salt: candidate.salt)
                } else {
                    dropEnds(of: candidate.node)
                }
                if isEnough(byteCount) { return }
            }
        }
    }

    private mutating func dropEnds(of node: Node) {
        byteCount -= node.states?.byteCount ?? 0
        node.states = nil
        for (group, window) in windows.enumerated() where window != nil {
            byteCount -= node.blocks[group]?.byteCount ?? 0
            node.blocks[group] = nil
        }
    }

    private mutating func remove(_ node: Node, salt: String) {
        guard let first = node.tokens.first else { return }
        let parent = node.parent
        if let parent {
            parent.children[first]?.removeAll { $0 === node }
            if parent.children[first]?.isEmpty == true { parent.children[first] = nil }
            parent.childCount -= 1
        } else if let root = roots[salt] {
            root.children[first]?.removeAll { $0 === node }
            if root.children[first]?.isEmpty == true { root.children[first] = nil }
            if root.children.isEmpty { roots[salt] = nil }
        }
        blockCount -= 1
        byteCount -= node.byteCount
        // Where all layers have windows, a text may have lost the blocks before its end: no more than tokens.
        if let parent, parent.childCount == 0, parent.byteCount == 0 { remove(parent, salt: salt) }
    }
}

extension [Int32] {
    fileprivate func sharedPrefix(_ other: ArraySlice<Int32>) -> Int {
        let most = Swift.min(count, other.count)
        var shared = 0
        while shared < most, self[shared] == other[other.startIndex + shared] { shared += 1 }
        return shared
    }
}
