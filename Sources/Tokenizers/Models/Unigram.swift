import MartletPatterns

/// Unigram: the segmentation with the largest sum of log-probabilities, by the Viterbi algorithm over a trie. O(n·m)
/// time and O(n) memory for a piece of n bytes and tokens of at most m bytes; with very long tokens, time is
/// proportional to the token occurrences in the piece. Source: Kudo 2018, section 3.
package struct Unigram: TokenizerModel {
    /// The rounding of score sums, which decides near-ties; the reference programs differ in it.
    package enum Precision: Sendable {
        /// As in sentencepiece.
        case single
        /// As in the `tokenizers` library.
        case double
    }

    package let vocabulary: Vocabulary
    package let unknown: Int32?
    private let scores: [Double]
    /// Whether a token is looked for in texts.
    private let usable: [Bool]
    private let unknownScore: Double
    private let rounds: Bool
    private let trie: TokenTrie
    /// Replaces the trie if there are long tokens.
    private let longTokens: TokenAutomaton?
    /// Byte fallback: the token of each byte or -1; nil without byte fallback.
    private let byteTokens: [Int32]?
    private let slices: PieceSlices

    /// - Parameters:
    ///   - scores: log-probability by id; nil for a token that never matches text (control, unused).
    ///   - worstScore: the score of text without a token is 10 below it; nil uses the smallest score.
    ///   - byteTokens: 256 ids for byte fallback, -1 for missing ones; nil uses the unknown token.
    package init(
        vocabulary: Vocabulary, scores: [Double?], unknown: Int32?, byteTokens: [Int32]?, precision: Precision,
        worstScore: Double? = nil
    ) {
        self.vocabulary = vocabulary
        self.unknown = unknown
        self.byteTokens = byteTokens
        slices = PieceSlices(vocabulary)
        rounds = precision == .single
        self.scores = scores.map { $0 ?? 0 }
        usable = scores.map { $0 != nil }
        var trie = TokenTrie(reserving: vocabulary.count * 4)
        for id in 0..<Int32(vocabulary.count) where scores[Int(id)] != nil {
            if let token = vocabulary[id], !token.isEmpty, vocabulary.id(of: token) == id {
                trie.insert(token, value: id)
            }
        }
        self.trie = trie
        longTokens =
            trie.longestKey <= TokenAutomaton.longestForTrie
            ? nil
            : TokenAutomaton(
                (0..<Int32(vocabulary.count)).lazy.compactMap { id -> (bytes: [UInt8], value: Int32)? in
                    guard scores[Int(id)] != nil, let token = vocabulary[id], vocabulary.id(of: token) == id else {
                        return nil
                    }
                    return (bytes: Array(token), value: id)
                })
        // This penalty is part of the algorithm's definition in both reference programs.
        unknownScore = (worstScore ?? scores.reduce(Double.infinity) { min($0, $1 ?? .infinity) }) - 10
    }

    func matches(_ id: Int32) -> Bool { usable.indices.contains(Int(id)) && usable[Int(id)] }
    func score(of id: Int32) -> Double? { matches(id) ? scores[Int(id)] : nil }

    package var vocabularySize: Int { vocabulary.count }
    package func id(of token: [UInt8]) -> Int32? { vocabulary.id(of: token) }
    package func token(_ id: Int32) -> [UInt8]? { vocabulary[id].map(Array.init) }

    /// The best path to a byte: the sum of scores, the start of its last token, and that token (-1 for a scalar without
    /// a token).
    private struct Node {
        var score: Double
        var start: Int32
        var token: Int32
    }

    package func append(_ id: Int32, to bytes: inout [UInt8]) -> Bool { vocabulary.append(id, to: &bytes) }

    package func encode(
        _ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32], _ scratch: EncodingScratch
    ) {
        scratch.append(piece, to: &ids) { ids in encode(piece, into: &ids) }
    }

    package func encode(_ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
        slices.forEach(of: piece, madeOfCharacters: true) { range in
            encode(slice: UnsafeBufferPointer(rebasing: piece[range]), into: &ids)
        }
    }

    private func encode(slice piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
        withUnsafeTemporaryAllocation(of: Node.self, capacity: piece.count + 1) { nodes in
            nodes.initialize(repeating: Node(score: 0, start: -1, token: -1))
            if let longTokens { forward(piece, nodes, longTokens) } else { forward(piece, nodes) }
            backward(piece, nodes, into: &ids)
        }
    }

    @inline(__always)
    private func sum(_ a: Double, _ b: Double) -> Double { rounds ? Double(Float(a + b)) : a + b }

    private func forward(_ piece: UnsafeBufferPointer<UInt8>, _ nodes: UnsafeMutableBufferPointer<Node>) {
        var start = 0
        while start < piece.count {
            let score = nodes[start].score
            let scalarEnd = min(piece.count, start + utf8Length(piece[start]))
            var hasSingle = false
            var node = TokenTrie.root
            var end = start
            while end < piece.count {
                node = trie.child(of: node, piece[end])
                if node < 0 { break }
                end += 1
                let token = trie.value(at: node)
                guard token >= 0 else { continue }
                let candidate = sum(score, scores[Int(token)])
                if nodes[end].start < 0 || candidate > nodes[end].score {
                    nodes[end] = Node(score: candidate, start: Int32(start), token: token)
                }
                if end == scalarEnd { hasSingle = true }
            }
            if !hasSingle {
                let candidate = sum(score, unknownScore)
                if nodes[scalarEnd].start < 0 || candidate > nodes[scalarEnd].score {
                    nodes[scalarEnd] = Node(score: candidate, start: Int32(start), token: -1)
                }
            }
            start = scalarEnd
        }
    }

    /// The same, end by end: candidates are tried in the same order, from the longest token to the shortest.
    private func forward(
        _ piece: UnsafeBufferPointer<UInt8>, _ nodes: UnsafeMutableBufferPointer<Node>, _ tokens: TokenAutomaton
    ) {
        var node = TokenTrie.root
        var start = 0
        while start < piece.count {
            let scalarEnd = min(piece.count, start + utf8Length(piece[start]))
            for index in start..<scalarEnd { node = tokens.next(node, piece[index]) }
            var best = nodes[scalarEnd]
            var hasSingle = false
            var found = tokens.longest(at: node)
            while found >= 0 {
                let from = scalarEnd - tokens.length(of: found)
                // A token starts at a scalar boundary, which is a position that has been reached.
                if from == 0 || nodes[from].start >= 0 {
                    let token = tokens.value(of: found)
                    let candidate = sum(nodes[from].score, scores[Int(token)])
                    if best.start < 0 || candidate > best.score {
                        best = Node(score: candidate, start: Int32(from), token: token)
                    }
                    if from == start { hasSingle = true }
                }
                found = tokens.shorter(than: found)
            }
            if !hasSingle {
                let candidate = sum(nodes[start].score, unknownScore)
                if best.start < 0 || candidate > best.score {
                    best = Node(score: candidate, start: Int32(start), token: -1)
                }
            }
            nodes[scalarEnd] = best
            start = scalarEnd
        }
    }

    private func backward(
        _ piece: UnsafeBufferPointer<UInt8>, _ nodes: UnsafeMutableBufferPointer<Node>, into ids: inout [Int32]
    ) {
        let before = ids.count
        var end = piece.count
        while end > 0 {
            var start = Int(nodes[end].start)
            guard start >= 0 else { break }
            if isUnknown(nodes[end]) {
                // Neighbouring characters without a token form one unknown span.
                while start > 0, nodes[start].start >= 0, isUnknown(nodes[start]) { start = Int(nodes[start].start) }
                appendReversed(unknown: UnsafeBufferPointer(rebasing: piece[start..<end]), to: &ids)
            } else {
                ids.append(nodes[end].token)
            }
            end = start
        }
        ids[before...].reverse()
    }

    @inline(__always)
    private func isUnknown(_ node: Node) -> Bool { node.token < 0 || node.token == unknown }

    private func appendReversed(unknown text: UnsafeBufferPointer<UInt8>, to ids: inout [Int32]) {
        // The double-precision reference looks the span up again, which finds a spelled-out unknown token.
        if !rounds, case let id = vocabulary.find(text), id >= 0 { return ids.append(id) }
        guard let byteTokens, text.allSatisfy({ byteTokens[Int($0)] >= 0 }) else { return ids.append(unknown ?? -1) }
        for byte in text.reversed() { ids.append(byteTokens[Int(byte)]) }
    }
}
