/// Learns merges: again and again the most frequent pair of neighbours becomes a token, and only the words it was found
/// in are looked at. Source: Sennrich et al. 2016, with the counts kept up to date instead of made anew.
///
/// Time is that of the symbols merged, with a queue of pairs by frequency whose entries are put right when they come
/// first. A queue entry knows the words its pair was found in when it was made.
struct MergeLearner {
    struct Settings {
        var vocabularySize: Int
        var minimumFrequency: Int
        var ties: TieRule
        /// What tokens inside a word begin with; it is left out in the middle of a merged one.
        var continuingPrefix: [UInt8] = []
        /// The bytes that ties are decided by.
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
    /// Lists of words: each `range` of `listed`, and the one made before it for the same pair.
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

    /// Merges until the vocabulary is full or no pair is frequent enough; a pair merged twice counts where it was last.
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
            // A pair can only come again for a token that is spelled in two ways.
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

    /// Counts all pairs of neighbours, and lists the words each is found in.
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

    /// Makes a pair a token, wherever its entry says it is found. False when there was a token of this spelling.
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

    /// Replaces a pair in the words of a list, and notes what that does to its neighbours.
    /// - Returns: how often the pair was there.
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
                        // A token beside itself is a pair of one list, whichever side it is seen from.
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

    /// Brings the counts up to date after a merge, and puts the new pairs into the queue.
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

    /// Puts a pair into the queue with room for a list of words.
    /// - Returns: where the list begins; -1 when the pair is nowhere.
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
