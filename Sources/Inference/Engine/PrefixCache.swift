import MartletModels
import MartletTensor

/// The prefix cache: keys and values of prompts and replies, kept for requests that start with the same tokens.
///
/// A tree of blocks (radix tree, cf. Zheng et al. 2023): each node has one block, which follows its parent's, and the
/// tokens it was computed from, so a path from the root is a text. Tokens themselves are compared, not their hashes, so
/// a collision cannot give a request the keys of another one. There is one root per salt: requests with different salts
/// share nothing. Not thread safe; owned by a generator.
struct PrefixCache {
    private final class Node {
        let tokens: [Int32]
        let block: KVBlock
        unowned(unsafe) let parent: Node?
        /// Children by their first token.
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

    /// The cached blocks for the longest prefix of `tokens`, and its length in tokens, at most `limit`. The last block
    /// may be used partially.
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

    /// Inserts the blocks of a sequence. A last block that is not full is inserted only if `isFinished`: then its
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
                // A new block that extends an existing one replaces it.
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

    /// Evicts least recently used blocks, from the ends of texts backwards, until `isEnough` or the cache is empty.
    /// - Parameter isEnough: receives the number of blocks still cached.
    mutating func evict(until isEnough: (Int) -> Bool) {
        while blockCount > 0, !isEnough(blockCount) {
            // All leaves in order of age: one traversal frees many blocks, so its cost is shared.
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
