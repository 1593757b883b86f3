/// Counted phrases, and the words they consist of.
struct PhraseWords {
    private let phrases: WordCounts
    private let cutter: WordCutter
    /// How often each word occurs in phrases.
    let words = WordCounts()

    init(_ phrases: WordCounts, _ cutter: WordCutter) {
        self.phrases = phrases
        self.cutter = cutter
        phrases.forEach { [words] phrase, count in
            cutter.split(phrase) { words.add(UnsafeBufferPointer(rebasing: phrase[$0]), times: count) }
        }
    }

    /// The phrases after merging their words. No word merge crosses a word boundary, because only the first symbol of a
    /// word contains a space.
    /// - Parameter ids: the tokens of the 256 bytes.
    func symbols(_ ids: [Int32], _ merges: [MergeLearner.Merge], _ names: TokenNames) -> SymbolWords {
        var ranks: [UInt64: (rank: Int, token: Int32)] = [:]
        for (rank, merge) in merges.enumerated() {
            guard let token = names.id(of: names.tokens[Int(merge.left)] + names.tokens[Int(merge.right)]) else {
                continue
            }
            ranks[Self.key(merge.left, merge.right)] = (rank, token)
        }
        var known: [[UInt8]: [Int32]] = [:]
        var result = SymbolWords()
        phrases.forEach { phrase, count in
            var symbols: [Int32] = []
            cutter.split(phrase) { range in
                let word = Array(phrase[range])
                let merged = known[word] ?? Self.merged(word.map { ids[Int($0)] }, ranks)
                known[word] = merged
                symbols += merged
            }
            result.append(symbols, count: count)
        }
        return result
    }

    private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    /// Repeatedly applies the merge that was learned first.
    private static func merged(_ word: [Int32], _ ranks: [UInt64: (rank: Int, token: Int32)]) -> [Int32] {
        var word = word
        while word.count > 1 {
            var best: (rank: Int, token: Int32, place: Int)?
            for place in 0..<(word.count - 1) {
                if let found = ranks[key(word[place], word[place + 1])], found.rank < best?.rank ?? .max {
                    best = (found.rank, found.token, place)
                }
            }
            guard let best else { break }
            word.replaceSubrange(best.place...(best.place + 1), with: [best.token])
        }
        return word
    }
}
