import MartletPatterns

/// Byte-pair encoding (BPE): repeatedly merges the neighbouring pair of lowest rank, until no pair can be merged. O(n
/// log n) for a piece of n symbols. Source: Sennrich et al. 2016, algorithm 1.
package struct BytePairs: TokenizerModel {
    /// Which pairs merge, and in which order.
    package enum Merges: Sendable {
        /// The listed pairs.
        case pairs(PairTable)
        /// Any neighbours whose concatenation is a token with a rank (sentencepiece, tiktoken).
        case tokens(ranks: [UInt32])
    }

    /// The symbols of a piece before merging.
    package enum Unit: Sendable { case byte, scalar }

    package let vocabulary: Vocabulary
    package let merges: Merges
    package let unit: Unit
    package var unknown: Int32?
    /// Byte fallback: the 256 byte tokens, -1 for missing ones. A character without a token is encoded as bytes if each
    /// of its bytes has a token.
    package var byteTokens: [Int32]?
    package var fusesUnknown = false
    /// Whether a piece that is a token is encoded as that token, regardless of the merges (`ignore_merges`).
    package var prefersWholePiece = false
    /// The same for a piece of line breaks only.
    package var prefersWholeLineBreaks = false
    package var continuingPrefix: [UInt8] = []
    package var wordSuffix: [UInt8] = []
    let unitTokens: [Int32]
    private let slices: PieceSlices

    package init(vocabulary: Vocabulary, merges: Merges, unit: Unit) {
        self.vocabulary = vocabulary
        self.merges = merges
        self.unit = unit
        slices = PieceSlices(vocabulary)
        unitTokens = (UInt8.min...UInt8.max).map { vocabulary.id(of: [$0]) ?? -1 }
        if case .pairs(let table) = merges, unit == .byte { table.prepare(byteTokens: unitTokens) }
    }

    package static let noRank = UInt32.max

    package var vocabularySize: Int { vocabulary.count }
    package func id(of token: [UInt8]) -> Int32? { vocabulary.id(of: token) }
    package func token(_ id: Int32) -> [UInt8]? { vocabulary[id].map(Array.init) }

    package func append(_ id: Int32, to bytes: inout [UInt8]) -> Bool { vocabulary.append(id, to: &bytes) }

    package func encode(
        _ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32], _ scratch: EncodingScratch
    ) {
        scratch.append(piece, to: &ids) { ids in encode(piece, into: &ids) }
    }

    package func encode(_ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
        guard !piece.isEmpty else { return }
        if prefersWholePiece || prefersWholeLineBreaks && piece[0] == 0x0A, case let id = vocabulary.find(piece),
            id >= 0
        {
            return ids.append(id)
        }
        if unit == .byte, piece.count <= Self.shortPiece, wordSuffix.isEmpty, continuingPrefix.isEmpty,
            encodeShort(piece, into: &ids)
        {
            return
        }
        slices.forEach(of: piece, madeOfCharacters: unit == .scalar) { range in
            var symbols: [Symbol] = []
            symbols.reserveCapacity(range.count)
            let slice = UnsafeBufferPointer(rebasing: piece[range])
            split(slice, isStart: range.lowerBound == 0, isEnd: range.upperBound == piece.count, into: &symbols)
            merge(&symbols, slice)
            emit(symbols, slice, into: &ids)
        }
    }

    /// A symbol of the piece, in a linked list from left to right. `token` is -1 for text without a token.
    struct Symbol {
        var start: Int32
        var end: Int32
        var token: Int32
        var previous: Int32
        var next: Int32
    }

    private func split(
        _ piece: UnsafeBufferPointer<UInt8>, isStart: Bool, isEnd: Bool, into symbols: inout [Symbol]
    ) {
        func append(_ start: Int, _ end: Int, _ token: Int32) {
            let index = Int32(symbols.count)
            if index > 0 { symbols[Int(index) - 1].next = index }
            symbols.append(Symbol(start: Int32(start), end: Int32(end), token: token, previous: index - 1, next: -1))
        }
        // As in the tokenizers library, an unknown character is emitted when the next known one arrives, after the
        // byte-fallback ids in between.
        var isUnknownPending = false
        func appendPending(at place: Int) {
            if isUnknownPending, let unknown { append(place, place, unknown) }
            isUnknownPending = false
        }
        var start = 0
        while start < piece.count {
            let end = unit == .byte ? start + 1 : min(piece.count, start + utf8Length(piece[start]))
            var token: Int32
            if end - start == 1, continuingPrefix.isEmpty, wordSuffix.isEmpty {
                token = unitTokens[Int(piece[start])]
            } else {
                var name = start > 0 || !isStart ? continuingPrefix : []
                name += piece[start..<end]
                if end == piece.count, isEnd { name += wordSuffix }
                token = vocabulary.id(of: name) ?? -1
            }
            if token < 0, case .pairs = merges {
                if let byteTokens = byteTokens(of: piece, start..<end) {
                    for index in start..<end { append(index, index + 1, byteTokens[Int(piece[index])]) }
                    start = end
                    continue
                }
                token = unknown ?? -1
                if byteTokens != nil, token >= 0 {
                    if !fusesUnknown { appendPending(at: start) }
                    isUnknownPending = true
                    start = end
                    continue
                }
                if fusesUnknown, let last = symbols.indices.last, token >= 0, symbols[last].token == token {
                    symbols[last].end = Int32(end)
                    start = end
                    continue
                }
            }
            appendPending(at: start)
            append(start, end, token)
            start = end
        }
        appendPending(at: start)
    }

    /// The byte tokens of a range, if every byte has one.
    private func byteTokens(of piece: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> [Int32]? {
        guard let byteTokens, piece[range].allSatisfy({ byteTokens[Int($0)] >= 0 }) else { return nil }
        return byteTokens
    }

    /// A possible merge; it is stale when the symbols at its position have changed.
    private struct Candidate {
        var rank: UInt32
        var left: Int32
        var end: Int32
        var token: Int32

        static func precedes(_ a: Candidate, _ b: Candidate) -> Bool { (a.rank, a.left) < (b.rank, b.left) }
    }

    private func candidate(_ symbols: [Symbol], _ left: Int32, _ piece: UnsafeBufferPointer<UInt8>) -> Candidate? {
        guard left >= 0, case let right = symbols[Int(left)].next, right >= 0 else { return nil }
        let (a, b) = (symbols[Int(left)], symbols[Int(right)])
        switch merges {
        case .pairs(let table):
            guard a.token >= 0, b.token >= 0, case let found = table.find(a.token, b.token), found.rank != Self.noRank
            else { return nil }
            return Candidate(rank: found.rank, left: left, end: b.end, token: found.token)
        case .tokens(let ranks):
            let id = vocabulary.find(UnsafeBufferPointer(rebasing: piece[Int(a.start)..<Int(b.end)]))
            guard id >= 0, ranks[Int(id)] != Self.noRank else { return nil }
            return Candidate(rank: ranks[Int(id)], left: left, end: b.end, token: id)
        }
    }

    private func merge(_ symbols: inout [Symbol], _ piece: UnsafeBufferPointer<UInt8>) {
        var heap: [Candidate] = []
        for index in symbols.indices.dropLast() {
            if let candidate = candidate(symbols, Int32(index), piece) { heap.push(candidate, Candidate.precedes) }
        }
        while let best = heap.popFirst(Candidate.precedes) {
            let left = Int(best.left)
            let right = symbols[left].next
            guard symbols[left].end > symbols[left].start, right >= 0, symbols[Int(right)].end == best.end,
                let current = candidate(symbols, best.left, piece), current.token == best.token
            else { continue }
            symbols[left].end = best.end
            symbols[left].token = best.token
            let next = symbols[Int(right)].next
            symbols[left].next = next
            if next >= 0 { symbols[Int(next)].previous = best.left }
            // An empty symbol has been merged away.
            symbols[Int(right)].end = symbols[Int(right)].start
            if let candidate = candidate(symbols, best.left, piece) { heap.push(candidate, Candidate.precedes) }
            if let candidate = candidate(symbols, symbols[left].previous, piece) {
                heap.push(candidate, Candidate.precedes)
            }
        }
    }

    private func emit(_ symbols: [Symbol], _ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32]) {
        var index = 0
        var afterUnknown = false
        while index >= 0, index < symbols.count {
            let symbol = symbols[index]
            if symbol.token >= 0 {
                ids.append(symbol.token)
                afterUnknown = false
            } else if let byteTokens = byteTokens(of: piece, Int(symbol.start)..<Int(symbol.end)) {
                for byte in piece[Int(symbol.start)..<Int(symbol.end)] { ids.append(byteTokens[Int(byte)]) }
            } else if case .tokens = merges {
                if !afterUnknown || unknown == nil { ids.append(unknown ?? -1) }
                afterUnknown = true
            } else {
                // The tokenizers library drops text without a token if there is no unknown token; here it is an error.
                ids.append(unknown ?? -1)
            }
            index = Int(symbol.next)
        }
    }
}

extension Array {
    /// Pushes to a binary min-heap.
    fileprivate mutating func push(_ element: Element, _ isBefore: (Element, Element) -> Bool) {
        append(element)
        var child = count - 1
        while child > 0, case let parent = (child - 1) / 2, isBefore(self[child], self[parent]) {
            swapAt(child, parent)
            child = parent
        }
    }

    /// Pops the smallest element of a binary min-heap.
    fileprivate mutating func popFirst(_ isBefore: (Element, Element) -> Bool) -> Element? {
        guard let first, let last = popLast() else { return nil }
        if isEmpty { return first }
        self[0] = last
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < count else { break }
            if child + 1 < count, isBefore(self[child + 1], self[child]) { child += 1 }
            guard isBefore(self[child], self[parent]) else { break }
            swapAt(child, parent)
            parent = child
        }
        return first
    }
}
