/// Learns BPE merges: repeatedly the most frequent pair of neighbours becomes a token, and only the words that contain
/// it are updated. Source: Sennrich et al. 2016, with incrementally updated counts.
///
/// Time is proportional to the number of merged symbols. Pairs are in a priority queue by frequency; an entry's count
/// is corrected when it reaches the top (lazy update). An entry has the list of words that contained its pair when the
/// entry was created.
struct MergeLearner {
    struct Settings {
        var vocabularySize: Int
        var minimumFrequency: Int
        var ties: TieRule
        /// The prefix of tokens inside a word; omitted from the right part of a merged token.
        var continuingPrefix: [UInt8] = []
        /// The bytes by which ties are decided.
        var tieBytes: @Sendable ([UInt8]) -> [UInt8] = { $0 }
    }

    struct Merge: Equatable {
        var left: Int32
        var right: Int32
    }

    private(set) var names: TokenNames
    private let settings: Settings
    private var words: SymbolWords
    private var pairs = PairIndex()
    private var counts: [Int64] = []
    /// Lists of words: each has a `range` of `listed` and the previous list of the same pair.
    private var lists: [(range: Range<Int>, previous: Int32)] = []
    private var lastList: [Int32] = []
    private var listed: [Int32] = []
    private var queue: PairQueue
    private var left: MergeNeighbors
    private var right: MergeNeighbors

    init(names: TokenNames, words: SymbolWords, settings: Settings) {
        self.names = names
        self.words = words
        self.settings = settings
        queue = PairQueue(ties: settings.ties)
        for token in names.tokens { queue.name(settings.tieBytes(token)) }
        let largest = max(settings.vocabularySize, names.count) + 1
        left = MergeNeighbors(tokens: largest)
        right = MergeNeighbors(tokens: largest)
    }

    /// Merges until the vocabulary is full or no pair is frequent enough; for a pair that is merged twice the last
    /// merge counts.
    mutating func run(_ observer: TrainingObserver?) throws(TokenizerTrainingError) -> [Merge] {
        countPairs()
        var merges: [Merge] = []
        var places: [Int32: Int] = [:]
        try TokenizerTrainingProgress.report(.merging, names.count, of: settings.vocabularySize, to: observer)
        while names.count < settings.vocabularySize, var top = queue.first {
            let count = counts[Int(top.pair)]
            if top.count != count {
                top.count = count
                if count > 0 { queue.replaceFirst(top) } else { queue.removeFirst() }
                continue
            }
            guard count >= max(1, Int64(settings.minimumFrequency)) else { break }
            queue.removeFirst()
            let isNew = apply(top)
            // A pair can only reappear for a token with two spellings.
            places[top.pair] = merges.count
            merges.append(Merge(left: top.left, right: top.right))
            if isNew, names.count % 256 == 0 {
                try TokenizerTrainingProgress.report(.merging, names.count, of: settings.vocabularySize, to: observer)
            }
        }
        try TokenizerTrainingProgress.report(.merging, names.count, of: names.count, to: observer)
        guard places.count < merges.count else { return merges }
        let last = Set(places.values)
        return merges.indices.filter { last.contains($0) }.map { merges[$0] }
    }

    /// Counts all pairs of neighbours and lists the words that contain each.
    private mutating func countPairs() {
        var numbers = [Int32](repeating: -1, count: words.symbols.count)
        var wordCounts: [Int] = []
        var lastWord: [Int32] = []
        for word in 0..<words.count {
            let (start, count) = (words.starts[word], words.counts[word])
            for place in start..<(words.starts[word + 1] - 1) {
                let pair = pairs.index(words.symbols[place], words.symbols[place + 1])
                if pair == counts.count {
                    counts.append(0)
                    wordCounts.append(0)
                    lastWord.append(-1)
                }
                numbers[place] = Int32(pair)
                counts[pair] += count
                if lastWord[pair] != Int32(word) {
                    lastWord[pair] = Int32(word)
                    wordCounts[pair] += 1
                }
            }
        }
        var next: [Int] = []
        var total = 0
        for pair in counts.indices {
            next.append(total)
            lists.append((total..<(total + wordCounts[pair]), -1))
            lastList.append(Int32(pair))
            total += wordCounts[pair]
            lastWord[pair] = -1
        }
        listed = Array(repeating: 0, count: total)
        for word in 0..<words.count {
            for place in words.starts[word]..<(words.starts[word + 1] - 1) {
                let pair = Int(numbers[place])
                guard lastWord[pair] != Int32(word) else { continue }
                lastWord[pair] = Int32(word)
                listed[next[pair]] = Int32(word)
                next[pair] += 1
                if next[pair] == lists[pair].range.upperBound {
                    let (left, right) = (words.symbols[place], words.symbols[place + 1])
                    queue.push(
                        .init(count: counts[pair], left: left, right: right, pair: Int32(pair), list: Int32(pair)))
                }
            }
        }
    }

    /// Merges a pair in all listed words. Returns false if a token with this spelling existed already.
    private mutating func apply(_ entry: PairQueue.Entry) -> Bool {
        var name = names.tokens[Int(entry.left)]
        let second = names.tokens[Int(entry.right)]
        let isContinued = !settings.continuingPrefix.isEmpty && second.starts(with: settings.continuingPrefix)
        name += isContinued ? second[settings.continuingPrefix.count...] : second[...]
        let before = names.count
        let token = names.insert(name)
        if names.count > before { queue.name(settings.tieBytes(name)) }

        switch settings.ties {
        case .ids: _ = replace(entry, with: token, in: entry.list)
        case .bytes:
            var list = lastList[Int(entry.pair)]
            lastList[Int(entry.pair)] = -1
            while list >= 0 {
                counts[Int(entry.pair)] -= replace(entry, with: token, in: list)
                list = lists[Int(list)].previous
            }
        }
        update(entry, token)
        return names.count > before
    }

    /// Replaces a pair in the words of a list and records the changes to neighbouring pairs.
    /// - Returns: the number of occurrences.
    private mutating func replace(_ entry: PairQueue.Entry, with token: Int32, in list: Int32) -> Int64 {
        Self.replace(
            entry.left, entry.right, with: token, in: listed[lists[Int(list)].range], of: &words, &left, &right)
    }

    private static func replace(
        _ first: Int32, _ second: Int32, with token: Int32, in listed: ArraySlice<Int32>, of words: inout SymbolWords,
        _ left: inout MergeNeighbors, _ right: inout MergeNeighbors
    ) -> Int64 {
        words.withMutableWords { words in
            var found: Int64 = 0
            for word in listed {
                let (start, count) = (words.start(of: word), words.counts[Int(word)])
                let length = Int(words.lengths[Int(word)])
                var (read, write) = (0, 0)
                while read < length {
                    guard start[read] == first, read + 1 < length, start[read + 1] == second else {
                        start[write] = start[read]
                        read += 1
                        write += 1
                        continue
                    }
                    found += count
                    if write > 0 {
                        left.lose(start[write - 1], count)
                        left.win(start[write - 1], count, word: word)
                    }
                    read += 2
                    if read < length {
                        right.lose(start[read], count)
                        // For a token next to itself, both sides are the same pair with one list.
                        if start[read] == token {
                            left.win(token, count, word: word)
                        } else {
                            right.win(start[read], count, word: word)
                        }
                    }
                    start[write] = token
                    write += 1
                }
                words.lengths[Int(word)] = Int32(write)
            }
            return found
        } ?? 0
    }

    /// Updates the counts after a merge and adds new pairs to the queue.
    private mutating func update(_ entry: PairQueue.Entry, _ token: Int32) {
        for neighbor in left.touched where left.lost[Int(neighbor)] != 0 {
            counts[number(neighbor, entry.left)] -= left.lost[Int(neighbor)]
        }
        for neighbor in right.touched where right.lost[Int(neighbor)] != 0 {
            counts[number(entry.right, neighbor)] -= right.lost[Int(neighbor)]
        }
        for neighbor in left.touched where left.won[Int(neighbor)] != 0 {
            counts[number(neighbor, token)] += left.won[Int(neighbor)]
        }
        for neighbor in right.touched where right.won[Int(neighbor)] != 0 {
            counts[number(token, neighbor)] += right.won[Int(neighbor)]
        }
        for neighbor in left.touched where left.wordCounts[Int(neighbor)] > 0 {
            let count = Int(left.wordCounts[Int(neighbor)])
            left.places[Int(neighbor)] = enqueue(neighbor, token, words: count)
        }
        for neighbor in right.touched where right.wordCounts[Int(neighbor)] > 0 {
            let count = Int(right.wordCounts[Int(neighbor)])
            right.places[Int(neighbor)] = enqueue(token, neighbor, words: count)
        }
        left.list(into: &listed)
        right.list(into: &listed)
        left.clear()
        right.clear()
    }

    private mutating func number(_ left: Int32, _ right: Int32) -> Int {
        let pair = pairs.index(left, right)
        if pair == counts.count {
            counts.append(0)
            lastList.append(-1)
        }
        return pair
    }

    /// Adds a pair to the queue and reserves space for its list of words.
    /// - Returns: the start of the list; -1 if the pair does not occur.
    private mutating func enqueue(_ left: Int32, _ right: Int32, words: Int) -> Int {
        let pair = number(left, right)
        guard counts[pair] > 0 else { return -1 }
        let (list, start) = (Int32(lists.count), listed.count)
        lists.append((start..<(start + words), lastList[pair]))
        lastList[pair] = list
        listed += repeatElement(0, count: words)
        queue.push(.init(count: counts[pair], left: left, right: right, pair: Int32(pair), list: list))
        return start
    }
}
