/// chrF: the F₂ score of character n-grams up to n = 6 without spaces, averaged over orders; chrF++ adds words and pairs
/// of words.
///
/// Source: Popović 2015 and 2017; Post 2018 (sacreBLEU's defaults, effective order).
public enum CharacterF {
    private static let characterOrders = 6
    private static let punctuation = Set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".unicodeScalars)

    /// The score of replies, each with its references: 0 to 100.
    /// - Parameter words: orders of words beside those of characters; 2 is chrF++.
    public static func corpus(_ pairs: [(reply: String, references: [String])], words: Int = 0) -> Double {
        var total = [Double](repeating: 0, count: 3 * (characterOrders + words))
        for pair in pairs {
            for (index, value) in counts(pair.reply, pair.references, words: words).enumerated() {
                total[index] += value
            }
        }
        return score(total, words: words)
    }

    /// For each order: n-grams of the reply, of the reference, and of both; of the reference that scores best.
    static func counts(_ reply: String, _ references: [String], words: Int) -> [Double] {
        let own = grams(reply, words)
        var best: [Double] = [], bestScore = -1.0
        for reference in references {
            var counts: [Double] = []
            for (mine, theirs) in zip(own, grams(reference, words)) {
                let hits = mine.reduce(0) { $0 + min($1.value, theirs[$1.key] ?? 0) }
                let size = mine.reduce(0) { $0 + $1.value }
                counts += [theirs.isEmpty ? 0 : Double(size), Double(theirs.reduce(0) { $0 + $1.value }), Double(hits)]
            }
            let found = score(counts, words: words)
            if found > bestScore { (best, bestScore) = (counts, found) }
        }
        return best
    }

    static func score(_ counts: [Double], words: Int) -> Double {
        var precision = 0.0, recall = 0.0, orders = 0.0
        for order in 0..<(characterOrders + words) where counts.count >= 3 * order + 3 {
            let (reply, reference, hits) = (counts[3 * order], counts[3 * order + 1], counts[3 * order + 2])
            guard reply > 0, reference > 0 else { continue }
            precision += hits / reply
            recall += hits / reference
            orders += 1
        }
        guard orders > 0, precision + recall > 0 else { return 0 }
        (precision, recall) = (precision / orders, recall / orders)
        return 100 * 5 * precision * recall / (4 * precision + recall)
    }

    private static func grams(_ text: String, _ words: Int) -> [[[Unicode.Scalar]: Int]] {
        let characters = text.unicodeScalars.filter { !$0.isPythonSpace }
        let scalars = Array(characters)
        var orders: [[[Unicode.Scalar]: Int]] = (1...characterOrders).map { order in
            guard scalars.count >= order else { return [:] }
            var counts: [[Unicode.Scalar]: Int] = [:]
            for start in 0...(scalars.count - order) {
                counts[Array(scalars[start..<(start + order)]), default: 0] += 1
            }
            return counts
        }
        guard words > 0 else { return orders }
        let parts = self.words(text)
        for order in 1...words {
            var counts: [[Unicode.Scalar]: Int] = [:]
            if parts.count >= order {
                for start in 0...(parts.count - order) {
                    counts[Array(parts[start..<(start + order)].joined(separator: [" "])), default: 0] += 1
                }
            }
            orders.append(counts)
        }
        return orders
    }

    /// Words, a mark at one end of them apart.
    private static func words(_ text: String) -> [[Unicode.Scalar]] {
        text.unicodeScalars.split(whereSeparator: \.isPythonSpace).flatMap { word -> [[Unicode.Scalar]] in
            let scalars = Array(word)
            guard scalars.count > 1, let first = scalars.first, let last = scalars.last else { return [scalars] }
            if punctuation.contains(last) { return [Array(scalars.dropLast()), [last]] }
            if punctuation.contains(first) { return [[first], Array(scalars.dropFirst())] }
            return [scalars]
        }
    }
}
