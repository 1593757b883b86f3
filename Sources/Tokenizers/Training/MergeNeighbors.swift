/// The effect of a merge on the pairs on one side of it, by the neighbouring token: removed and added counts, and the
/// words with a new pair. Dense arrays, so that an occurrence needs no hashing; only `touched` entries are non-zero.
struct MergeNeighbors {
    private(set) var touched: [Int32] = []
    private(set) var lost: [Int64]
    private(set) var won: [Int64]
    /// (token, word) for each word with a new pair; the words of a token are in ascending order of the calls.
    private(set) var words: [(token: Int32, word: Int32)] = []
    private(set) var wordCounts: [Int32]
    /// The start of each token's list of words; -1 if it is not needed.
    var places: [Int]
    private var lastWord: [Int32]
    private var isTouched: [Bool]

    init(tokens: Int) {
        lost = Array(repeating: 0, count: tokens)
        won = lost
        wordCounts = Array(repeating: 0, count: tokens)
        places = Array(repeating: -1, count: tokens)
        lastWord = wordCounts.map { _ in -1 }
        isTouched = Array(repeating: false, count: tokens)
    }

    @inline(__always)
    private mutating func touch(_ token: Int) {
        guard !isTouched[token] else { return }
        isTouched[token] = true
        touched.append(Int32(token))
    }

    @inline(__always)
    mutating func lose(_ token: Int32, _ count: Int64) {
        touch(Int(token))
        lost[Int(token)] += count
    }

    @inline(__always)
    mutating func win(_ token: Int32, _ count: Int64, word: Int32) {
        let place = Int(token)
        touch(place)
        won[place] += count
        guard lastWord[place] != word else { return }
        lastWord[place] = word
        wordCounts[place] += 1
        words.append((token, word))
    }

    /// Writes the words of each token to its list.
    mutating func list(into listed: inout [Int32]) {
        for (token, word) in words {
            let place = places[Int(token)]
            guard place >= 0 else { continue }
            listed[place] = word
            places[Int(token)] = place + 1
        }
    }

    mutating func clear() {
        for token in touched {
            let place = Int(token)
            (lost[place], won[place], wordCounts[place]) = (0, 0, 0)
            (lastWord[place], places[place]) = (-1, -1)
            isTouched[place] = false
        }
        touched.removeAll(keepingCapacity: true)
        words.removeAll(keepingCapacity: true)
    }
}
