#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Tokens with log-probabilities, and what the segmentations of words say about them.
struct UnigramLattice: Sendable {
    private(set) var tokens: [[UInt8]]
    /// Natural logarithms.
    private(set) var scores: [Double]
    /// e to the score, times `tilt` to the length in bytes: each path over a word has the same factor too many, and stays
    /// in the range of a Double, as tokens have about so much information a byte.
    private var weights: [Double] = []
    private let trie: TokenTrie
    private static let tilt = 2.0

    init(tokens: [[UInt8]], scores: [Double]) {
        self.tokens = tokens
        self.scores = scores
        var trie = TokenTrie(reserving: tokens.reduce(0) { $0 + $1.count } / 2)
        for (id, token) in tokens.enumerated() { trie.insert(token, value: Int32(id)) }
        self.trie = trie
        weigh()
    }

    /// Changes the log-probabilities; minus infinity is a token that is not used any more.
    mutating func rescore(_ scores: [Double]) {
        self.scores = scores
        weigh()
    }

    private mutating func weigh() {
        weights = zip(tokens, scores).map { exp($1 + Self.tilt * Double($0.count)) }
    }

    /// The tokens with the given ids only.
    func restricted(to ids: [Int]) -> UnigramLattice {
        UnigramLattice(tokens: ids.map { tokens[$0] }, scores: ids.map { scores[$0] })
    }

    /// A token that stands at a place of a word.
    private struct Edge {
        var start: Int32
        var end: Int32
        var token: Int32
    }

    /// Room that one thread uses for word after word.
    private struct Room {
        var edges: [Edge] = []
        var forward: [Double] = []
        var backward: [Double] = []
        var best: [Int32] = []
    }

    /// All tokens in a word, in order of where they begin.
    @inline(__always)
    private func edges(_ word: UnsafeBufferPointer<UInt8>, into edges: inout [Edge]) {
        edges.removeAll(keepingCapacity: true)
        for start in word.indices where word[start] & 0xC0 != 0x80 {
            var node = TokenTrie.root
            for end in start..<word.count {
                node = trie.child(of: node, word[end])
                if node < 0 { break }
                let token = trie.value(at: node)
                if token >= 0, weights[Int(token)] > 0 {
                    edges.append(Edge(start: Int32(start), end: Int32(end + 1), token: token))
                }
            }
        }
    }

    /// How often each token is expected in the words, over all segmentations (Baum-Welch).
    func expectedCounts(_ words: UnigramWords, slices: Int, threads: Int) -> [Double] {
        let parts = ThreadTeam.map(parts: slices, threads: threads) { slice in
            var expected = [Double](repeating: 0, count: tokens.count)
            var room = Room()
            words.bytes.withUnsafeBufferPointer { bytes in
                for index in words.slice(slice, of: slices) {
                    let word = UnsafeBufferPointer(rebasing: bytes[words.starts[index]..<words.starts[index + 1]])
                    expect(word, words.counts[index], &expected, &room)
                }
            }
            return expected
        }
        return Self.sum(parts)
    }

    private static func sum(_ parts: [[Double]]) -> [Double] {
        guard var total = parts.first else { return [] }
        for part in parts.dropFirst() {
            for index in total.indices { total[index] += part[index] }
        }
        return total
    }

    private func expect(
        _ word: UnsafeBufferPointer<UInt8>, _ count: Double, _ expected: inout [Double], _ room: inout Room
    ) {
        edges(word, into: &room.edges)
        room.forward.removeAll(keepingCapacity: true)
        room.forward += repeatElement(0, count: word.count + 1)
        room.forward[0] = 1
        for edge in room.edges {
            room.forward[Int(edge.end)] += room.forward[Int(edge.start)] * weights[Int(edge.token)]
        }
        let total = room.forward[word.count]
        guard total > 0, total.isFinite else {
            // Out of range: the best segmentation stands for all.
            return segment(word, &room, except: -1) { expected[$0] += count }
        }
        room.backward.removeAll(keepingCapacity: true)
        room.backward += repeatElement(0, count: word.count + 1)
        room.backward[word.count] = count / total
        for edge in room.edges.reversed() {
            let rest = weights[Int(edge.token)] * room.backward[Int(edge.end)]
            room.backward[Int(edge.start)] += rest
            expected[Int(edge.token)] += room.forward[Int(edge.start)] * rest
        }
    }

    /// How often each token is in the best segmentations of the words (Viterbi).
    func bestCounts(_ words: UnigramWords, slices: Int, threads: Int) -> [Double] {
        let parts = ThreadTeam.map(parts: slices, threads: threads) { slice in
            var counts = [Double](repeating: 0, count: tokens.count)
            var room = Room()
            words.bytes.withUnsafeBufferPointer { bytes in
                for index in words.slice(slice, of: slices) {
                    let word = UnsafeBufferPointer(rebasing: bytes[words.starts[index]..<words.starts[index + 1]])
                    segment(word, &room, except: -1) { counts[$0] += words.counts[index] }
                }
            }
            return counts
        }
        return Self.sum(parts)
    }

    /// The best way to spell each token with others; empty for one that cannot be.
    func alternatives(slices: Int, threads: Int) -> [[Int32]] {
        ThreadTeam.map(parts: slices, threads: threads) { slice in
            var room = Room()
            return ((tokens.count * slice / slices)..<(tokens.count * (slice + 1) / slices)).map { token in
                var others: [Int32] = []
                tokens[token].withUnsafeBufferPointer { word in
                    edges(word, into: &room.edges)
                    segment(word, &room, except: Int32(token)) { others.append(Int32($0)) }
                }
                return others
            }
        }.flatMap { $0 }
    }

    /// Calls `body` with the tokens of the best segmentation, last to first; not at all when there is none.
    private func segment(
        _ word: UnsafeBufferPointer<UInt8>, _ room: inout Room, except: Int32, _ body: (Int) -> Void
    ) {
        edges(word, into: &room.edges)
        room.forward.removeAll(keepingCapacity: true)
        room.forward += repeatElement(-Double.infinity, count: word.count + 1)
        room.forward[0] = 0
        room.best.removeAll(keepingCapacity: true)
        room.best += repeatElement(-1, count: word.count + 1)
        for (index, edge) in room.edges.enumerated() where edge.token != except {
            let score = room.forward[Int(edge.start)] + scores[Int(edge.token)]
            if score > room.forward[Int(edge.end)] {
                room.forward[Int(edge.end)] = score
                room.best[Int(edge.end)] = Int32(index)
            }
        }
        var end = word.count
        guard room.best[end] >= 0 else { return }
        while end > 0 {
            let edge = room.edges[Int(room.best[end])]
            body(Int(edge.token))
            end = Int(edge.start)
        }
    }
}
