import MartletModels
import MartletTensor

/// Keys and values of prompts and replies, kept for requests that begin with the same tokens.
///
/// A tree of blocks: each node holds the block that follows its parent's, with the tokens it was computed from, so that a
/// path from the root spells a text. Tokens are compared themselves, not hashes of them: no collision can hand one
/// request another's keys. The roots are the salts: requests with different salts share nothing.
/// Not thread safe; a generator owns it.
struct PrefixCache {
    private final class Node {
        let tokens: [Int32]
        let block: KVBlock
        unowned(unsafe) let parent: Node?
        /// By first token.
        var children: [Int32: [Node]] = [:]
        var childCount = 0
        var used: UInt64

        init(tokens: [Int32], block: KVBlock, parent: Node?, used: UInt64) {
            self.tokens = tokens
            self.block = block
            self.parent = parent
            self.used = used
        }
    }

    private final class Root {
        var children: [Int32: [Node]] = [:]
    }

    private var roots: [String: Root] = [:]
    private(set) var blockCount = 0
    private var clock: UInt64 = 0

    /// Blocks whose positions begin `tokens`, as many as there are, and how many tokens that is, `limit` at most. The last
    /// block may be used in part.
    mutating func match(_ tokens: [Int32], limit: Int, salt: String) -> (blocks: [KVBlock], length: Int) {
        guard let root = roots[salt] else { return ([], 0) }
        clock += 1
        var blocks: [KVBlock] = [], length = 0
        var children = root.children
        while length < limit, let candidates = children[tokens[length]] {
            let rest = tokens[length..<limit]
            var best: (node: Node, shared: Int)?
            for node in candidates {
                let shared = node.tokens.sharedPrefix(rest)
                if shared > best?.shared ?? 0 { best = (node, shared) }
            }
            guard let best else { break }
            best.node.used = clock
            blocks.append(best.node.block)
            length += best.shared
            guard best.shared == KVCache.blockLength else { break }
            children = best.node.children
        }
        return (blocks, length)
    }

    /// Keeps the blocks of a sequence. A last block that is not full is kept only where `isFinished` says that its
    /// sequence will not write to it again.
    mutating func insert(_ tokens: ArraySlice<Int32>, _ blocks: [KVBlock], isFinished: Bool, salt: String) {
        clock += 1
        let root = roots[salt] ?? Root()
        roots[salt] = root
        var parent: Node?
        var start = tokens.startIndex
        for block in blocks {
            let end = min(start + KVCache.blockLength, tokens.endIndex)
            let part = tokens[start..<end]
            guard let first = part.first, part.count == KVCache.blockLength || isFinished else { break }
            let siblings = (parent?.children ?? root.children)[first] ?? []
            if let known = siblings.first(where: { $0.tokens.count >= part.count && $0.tokens.starts(with: part) }) {
                known.used = clock
                parent = known
            } else {
                let node = Node(tokens: Array(part), block: block, parent: parent, used: clock)
                // What the new block says more of takes the place of what it says.
                let kept = siblings.filter { !(part.starts(with: $0.tokens) && $0.childCount == 0) }
                blockCount += 1 - (siblings.count - kept.count)
                if let parent {
                    parent.children[first] = kept + [node]
                    parent.childCount += 1 - (siblings.count - kept.count)
                } else {
                    root.children[first] = kept + [node]
                }
                parent = node
            }
            start = end
        }
    }

    /// Forgets blocks that were not used for longest, from the ends of texts backwards, until `isEnough` or nothing is
    /// left.
    /// - Parameter isEnough: asked with the number of blocks still kept.
    mutating func evict(until isEnough: (Int) -> Bool) {
        while blockCount > 0, !isEnough(blockCount) {
            // All leaves by age: one walk frees many blocks, so the cost is shared.
            var leaves: [(node: Node, salt: String)] = []
            for (salt, root) in roots {
                var pending = root.children.values.flatMap { $0 }
                while let node = pending.popLast() {
                    if node.childCount == 0 {
                        leaves.append((node, salt))
                    } else {
                        pending += node.children.values.joined()
                    }
                }
            }
            leaves.sort { $0.node.used < $1.node.used }
            for leaf in leaves.prefix(max(leaves.count / 4, 1)) {
                remove(leaf.node, salt: leaf.salt)
                if isEnough(blockCount) { return }
            }
        }
    }

    private mutating func remove(_ node: Node, salt: String) {
        guard let first = node.tokens.first else { return }
        if let parent = node.parent {
            parent.children[first]?.removeAll { $0 === node }
            if parent.children[first]?.isEmpty == true { parent.children[first] = nil }
            parent.childCount -= 1
        } else if let root = roots[salt] {
            root.children[first]?.removeAll { $0 === node }
            if root.children[first]?.isEmpty == true { root.children[first] = nil }
            if root.children.isEmpty { roots[salt] = nil }
        }
        blockCount -= 1
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
