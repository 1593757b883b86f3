/// An Aho-Corasick automaton: finds, at every position of a text, the tokens that end there, in one step per byte
/// regardless of token lengths. Source: Aho and Corasick 1975.
///
/// For short tokens, which are usual, a trie walk from every position is faster; for a token of 20,000 bytes it is not.
package struct TokenAutomaton: Sendable {
    /// With tokens of at most this many bytes, a trie is faster.
    package static let longestForTrie = 256

    private var trie: TokenTrie
    /// For each node the longest proper suffix that is a node (failure link).
    private var suffixes: [Int32] = [0]
    private var depths: [Int32] = [0]
    /// For each node: itself or the nearest suffix at which a token ends, or -1.
    private var ends: [Int32] = [-1]

    package init(_ tokens: some Sequence<(bytes: [UInt8], value: Int32)>) {
        var trie = TokenTrie()
        var parents: [Int32] = [0]
        var labels: [UInt8] = [0]
        for (bytes, value) in tokens where !bytes.isEmpty {
            trie.insert(bytes, value: value)
            var node = TokenTrie.root
            for byte in bytes {
                let child = trie.child(of: node, byte)
                // Children have larger, consecutive numbers.
                if Int(child) == parents.count {
                    parents.append(node)
                    labels.append(byte)
                    depths.append(depths[Int(node)] + 1)
                }
                node = child
            }
        }
        self.trie = trie
        suffixes = [Int32](repeating: TokenTrie.root, count: parents.count)
        ends = [Int32](repeating: -1, count: parents.count)
        for node in Self.byDepth(depths).dropFirst() {
            let parent = parents[node]
            if parent != TokenTrie.root { suffixes[node] = next(suffixes[Int(parent)], labels[node]) }
            ends[node] = trie.value(at: Int32(node)) >= 0 ? Int32(node) : ends[Int(suffixes[node])]
        }
    }

    /// Nodes from the root on, in order of depth.
    private static func byDepth(_ depths: [Int32]) -> [Int] {
        var starts = [Int](repeating: 0, count: Int(depths.max() ?? 0) + 2)
        for depth in depths { starts[Int(depth) + 1] += 1 }
        for depth in starts.indices.dropFirst() { starts[depth] += starts[depth - 1] }
        var order = [Int](repeating: 0, count: depths.count)
        for (node, depth) in depths.enumerated() {
            order[starts[Int(depth)]] = node
            starts[Int(depth)] += 1
        }
        return order
    }

    /// The next node after one more byte of the text.
    @inline(__always)
    package func next(_ node: Int32, _ byte: UInt8) -> Int32 {
        var node = node
        while true {
            let child = trie.child(of: node, byte)
            if child > 0 { return child }
            if node == TokenTrie.root { return node }
            node = suffixes[Int(node)]
        }
    }

    /// The longest token that ends at the current position, from which `shorter(than:)` continues; -1 for none.
    @inline(__always)
    package func longest(at node: Int32) -> Int32 { ends[Int(node)] }

    /// The next shorter token that ends at the same position, or -1.
    @inline(__always)
    package func shorter(than end: Int32) -> Int32 { ends[Int(suffixes[Int(end)])] }

    @inline(__always)
    package func length(of end: Int32) -> Int { Int(depths[Int(end)]) }

    @inline(__always)
    package func value(of end: Int32) -> Int32 { trie.value(at: end) }
}

/// The tokens that start at every position of a text, from one backward pass.
package struct TokenStarts: Sendable {
    private let automaton: TokenAutomaton

    package init(_ tokens: some Sequence<(bytes: [UInt8], value: Int32)>) {
        automaton = TokenAutomaton(tokens.lazy.map { (bytes: Array($0.bytes.reversed()), value: $0.value) })
    }

    /// For every position a handle for the longest token that starts there, or -1.
    package func longest(in text: UnsafeBufferPointer<UInt8>) -> [Int32] {
        var found = [Int32](repeating: -1, count: text.count)
        var node = TokenTrie.root
        for index in text.indices.reversed() {
            node = automaton.next(node, text[index])
            found[index] = automaton.longest(at: node)
        }
        return found
    }

    /// The longest token, from `found` downwards, that `accepts` (called with its length and value).
    @inline(__always)
    package func match(_ found: Int32, accepts: (Int, Int32) -> Bool) -> (length: Int, value: Int32)? {
        var found = found
        while found >= 0 {
            let (length, value) = (automaton.length(of: found), automaton.value(of: found))
            if accepts(length, value) { return (length, value) }
            found = automaton.shorter(than: found)
        }
        return nil
    }
}

/// The longest match of a set of byte strings at a position of a text.
package struct LongestMatch: Sendable {
    private var trie = TokenTrie()
    private var longTokens: TokenStarts?

    package init(_ tokens: [[UInt8]]) {
        for token in tokens where !token.isEmpty { trie.insert(token, value: 0) }
        if trie.longestKey > TokenAutomaton.longestForTrie {
            longTokens = TokenStarts(tokens.map { (bytes: $0, value: 0) })
        }
    }

    /// Precomputed matches for `length(at:in:_:)`, if they are needed.
    func places(in text: UnsafeBufferPointer<UInt8>) -> [Int32]? { longTokens?.longest(in: text) }

    @inline(__always)
    func length(at position: Int, in text: UnsafeBufferPointer<UInt8>, _ places: [Int32]?) -> Int? {
        if let places, let longTokens { return longTokens.match(places[position]) { _, _ in true }?.length }
        return trie.longestMatch(in: text, at: position)?.length
    }
}
