#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Tokens with log-probabilities, and statistics of the segmentations of words.
struct UnigramLattice: Sendable {
    private(set) var tokens: [[UInt8]]
    /// Natural logarithms.
    private(set) var scores: [Double]
    /// exp(score) times `tilt` to the power of the length in bytes. Every path over a word has the same additional
    /// factor, and stays in the range of a Double, because tokens have about this much information per byte.
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

    /// Sets new log-probabilities; minus infinity means the token is no longer used.
    mutating func rescore(_ scores: [Double]) {
        self.scores = scores
        weigh()
    }

    private mutating func weigh() {
        weights = zip(tokens, scores).map { exp($1 + Self.tilt * Double($0.count)) }
    }

    /// Only the tokens with the given ids.
    func restricted(to ids: [Int]) -> UnigramLattice {
        UnigramLattice(tokens: ids.map { tokens[$0] }, scores: ids.map { scores[$0] })
    }

    /// An occurrence of a token in a word.
    private struct Edge {
        var start: Int32
        var end: Int32
        var token: Int32
    }

    /// Buffers that one thread reuses for all words.
    private struct Room {
        var edges: [Edge] = []
        var forward: [Double] = []
        var backward: [Double] = []
        var best: [Int32] = []
    }

    /// All token occurrences in a word, in order of their start.
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

    /// The expected count of each token over all segmentations of the words (Baum-Welch).
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
            // Out of range: the best segmentation is used instead of the expectation.
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

    /// The count of each token in the best segmentations of the words (Viterbi).
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

    /// The best segmentation of each token into other tokens; empty if there is none.
    func alternatives(slices: Int, threads: Int) -> [[Int32]] {
        let parts = ThreadTeam.map(parts: slices, threads: threads) { (slice: Int) -> [[Int32]] in
            var room = Room()
            let range: Range<Int> = (tokens.count * slice / slices)..<(tokens.count * (slice + 1) / slices)
            return range.map { (token: Int) -> [Int32] in
                var others: [Int32] = []
                tokens[token].withUnsafeBufferPointer { word in
                    edges(word, into: &room.edges)
                    segment(word, &room, except: Int32(token)) { others.append(Int32($0)) }
                }
                return others
            }
        }
        return parts.flatMap { $0 }
    }

    /// Calls `body` with the tokens of the best segmentation, last to first; not at all if there is none.
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
