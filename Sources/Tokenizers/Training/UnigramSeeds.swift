/// Candidate tokens: substrings of words that occur at least twice, and more often than every longer substring that
/// contains them; scored by frequency times length.
///
/// They are numbered level by level: a substring of n scalars is a pair of two overlapping substrings of n - 1, and it
/// can only be frequent if both are. This takes one pass over the text per length, and eight bytes per scalar.
struct UnigramSeeds {
    private let words: UnigramWords
    /// The byte offset of each scalar of the text, and the first index of the next word.
    private var places: [Int] = []
    private var wordEnds: [Int32] = []
    private var weights: [Double] = []

    struct Seed {
        var bytes: [UInt8]
        var score: Double
    }

    /// The substrings of a level: their frequencies and first occurrences.
    private struct Level {
        /// The number of the substring at each scalar, -1 for none.
        var numbers: [Int32]
        var counts: [Double] = []
        var firsts: [Int32] = []
    }

    init(_ words: UnigramWords) {
        self.words = words
        for word in 0..<words.count {
            let first = places.count
            for place in words.starts[word]..<words.starts[word + 1] where words.bytes[place] & 0xC0 != 0x80 {
                places.append(place)
            }
            let end = Int32(places.count)
            wordEnds += repeatElement(end, count: places.count - first)
            weights += repeatElement(words.counts[word], count: places.count - first)
        }
        places.append(words.bytes.count)
    }

    /// - Parameters:
    ///   - longest: the maximum length of a token, in scalars.
    ///   - limit: the maximum number of candidates; single scalars are always included.
    func find(longest: Int, limit: Int, _ observer: TrainingObserver?) throws(TokenizerTrainingError) -> [Seed] {
        var level = scalars()
        var singles: [Seed] = []
        var longer: [(score: Double, first: Int32, length: Int32)] = []
        for number in level.counts.indices {
            singles.append(Seed(bytes: bytes(level.firsts[number], 1), score: level.counts[number]))
        }
        for length in 1...max(1, longest) {
            try TokenizerTrainingProgress.report(.seeding, length, of: longest, to: observer)
            let next = length < longest ? extended(level, length) : nil
            if length > 1 {
                var isWhole = [Bool](repeating: true, count: level.counts.count)
                if let next { markParts(of: next, level, &isWhole) }
                for number in level.counts.indices where isWhole[number] {
                    longer.append((level.counts[number] * Double(length), level.firsts[number], Int32(length)))
                }
            }
            guard let next, !next.counts.isEmpty else { break }
            level = next
        }
        longer.sort { $0.score != $1.score ? $0.score > $1.score : ($0.first, $0.length) < ($1.first, $1.length) }
        singles.sort { $0.score != $1.score ? $0.score > $1.score : $0.bytes.lexicographicallyPrecedes($1.bytes) }
        return singles
            + longer.prefix(max(0, limit - singles.count)).map {
                Seed(bytes: bytes($0.first, Int($0.length)), score: $0.score)
            }
    }

    private func bytes(_ first: Int32, _ length: Int) -> [UInt8] {
        Array(words.bytes[places[Int(first)]..<places[Int(first) + length]])
    }

    private func scalars() -> Level {
        var level = Level(numbers: Array(repeating: -1, count: places.count - 1))
        var ids: [[UInt8]: Int32] = [:]
        for position in level.numbers.indices {
            let bytes = bytes(Int32(position), 1)
            var id = ids[bytes] ?? -1
            if id < 0 {
                id = Int32(ids.count)
                ids[bytes] = id
                level.counts.append(0)
                level.firsts.append(Int32(position))
            }
            level.numbers[position] = id
            level.counts[Int(id)] += weights[position]
        }
        return level
    }

    /// The substrings with one more scalar.
    private func extended(_ level: Level, _ length: Int) -> Level {
        var next = Level(numbers: Array(repeating: -1, count: level.numbers.count))
        var pairs = PairIndex()
        for position in level.numbers.indices where position + length < Int(wordEnds[position]) {
            let (left, right) = (level.numbers[position], level.numbers[position + 1])
            guard left >= 0, right >= 0 else { continue }
            let number = pairs.index(left, right)
            if number == next.counts.count {
                next.counts.append(0)
                next.firsts.append(Int32(position))
            }
            next.numbers[position] = Int32(number)
            next.counts[number] += weights[position]
        }
        // Substrings that occur once are dropped, and the others renumbered.
        var renumbered: [Int32] = []
        var (counts, firsts): ([Double], [Int32]) = ([], [])
        for number in next.counts.indices {
            let isKept = next.counts[number] >= 2
            renumbered.append(isKept ? Int32(counts.count) : -1)
            if isKept {
                counts.append(next.counts[number])
                firsts.append(next.firsts[number])
            }
        }
        for position in next.numbers.indices where next.numbers[position] >= 0 {
            next.numbers[position] = renumbered[Int(next.numbers[position])]
        }
        (next.counts, next.firsts) = (counts, firsts)
        return next
    }

    /// A substring that only occurs inside one longer substring is not a candidate.
    private func markParts(of next: Level, _ level: Level, _ isWhole: inout [Bool]) {
        for number in next.counts.indices {
            let first = Int(next.firsts[number])
            for part in [level.numbers[first], level.numbers[first + 1]]
            where level.counts[Int(part)] == next.counts[number] {
                isWhole[Int(part)] = false
            }
        }
    }
}
