import MartletPatterns

/// The scalars of the words, ordered by descending frequency and then by value.
struct ScalarAlphabet {
    /// Each scalar, its UTF-8 bytes, and its frequency.
    private(set) var scalars: [(scalar: UInt32, bytes: [UInt8], count: Int64)] = []

    init(_ words: WordCounts) {
        var ascii = [Int64](repeating: 0, count: 128)
        var others: [UInt32: Int64] = [:]
        words.forEach { word, count in
            var scalars = UTF8Scalars(word)
            while let scalar = scalars.next() {
                if scalar < 128 { ascii[Int(scalar)] += count } else { others[scalar, default: 0] += count }
            }
        }
        for scalar in UInt32(0)..<128 where ascii[Int(scalar)] > 0 { others[scalar] = ascii[Int(scalar)] }
        for (scalar, count) in others.sorted(by: { $0.value != $1.value ? $0.value > $1.value : $0.key < $1.key }) {
            var bytes: [UInt8] = []
            bytes.append(scalar: scalar)
            scalars.append((scalar, bytes, count))
        }
    }

    /// Keeps the first `count` scalars.
    mutating func limit(to count: Int) {
        if scalars.count > count { scalars.removeSubrange(count...) }
    }

    /// Keeps as few as cover this fraction of the text.
    mutating func limit(toShare share: Double) {
        let total = scalars.reduce(0) { $0 + $1.count }
        var sum: Int64 = 0
        let kept = scalars.prefix { scalar in
            defer { sum += scalar.count }
            return Double(sum) < share * Double(total)
        }
        scalars = Array(kept)
    }

    /// In order of their values.
    var inOrder: [(scalar: UInt32, bytes: [UInt8])] {
        scalars.map { ($0.scalar, $0.bytes) }.sorted { $0.0 < $1.0 }
    }
}
