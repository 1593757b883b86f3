import MartletPatterns

/// Words for estimation: scalars stored consecutively, words in byte order, so that sums are always computed in the
/// same order.
struct UnigramWords: Sendable {
    private(set) var bytes: [UInt8] = []
    /// Word i is `bytes[starts[i]..<starts[i + 1]]`.
    private(set) var starts: [Int] = [0]
    private(set) var counts: [Double] = []

    var count: Int { counts.count }

    /// Longer words are split: probabilities of their segmentations would leave the range of a Double.
    static let longest = 64

    /// - Parameter alphabet: words are split at scalars that are not in it.
    init(_ words: WordCounts, alphabet: Set<UInt32>) {
        var all: [(word: [UInt8], count: Int64)] = []
        all.reserveCapacity(words.count)
        words.forEach { all.append((Array($0), $1)) }
        all.sort { $0.word.lexicographicallyPrecedes($1.word) }
        for (word, count) in all { word.withUnsafeBufferPointer { append($0, count, alphabet) } }
    }

    private mutating func append(_ word: UnsafeBufferPointer<UInt8>, _ count: Int64, _ alphabet: Set<UInt32>) {
        var scalars = UTF8Scalars(word)
        var (start, length) = (0, 0)
        func finish(_ end: Int) {
            guard end > start else { return }
            bytes += word[start..<end]
            starts.append(bytes.count)
            counts.append(Double(count))
        }
        while case let position = scalars.position, let scalar = scalars.next() {
            let isKnown = alphabet.contains(scalar)
            if !isKnown || length == Self.longest {
                finish(position)
                (start, length) = (isKnown ? position : scalars.position, 0)
            }
            if isKnown { length += 1 }
        }
        finish(word.count)
    }

    /// Slices of equal length, which depend only on the words.
    func slice(_ index: Int, of slices: Int) -> Range<Int> { (count * index / slices)..<(count * (index + 1) / slices) }
}
