/// ROUGE-N and ROUGE-L: the F₁ score of common n-grams, or of the longest common subsequence, of words in lower case
/// without stemming.
///
/// Source: Lin 2004; the conventions of the `rouge_score` package.
public enum ROUGE {
    /// Between 0 and 1.
    public static func n(_ order: Int, reference: String, reply: String) -> Double {
        let theirs = grams(tokens(reference), order), mine = grams(tokens(reply), order)
        let hits = theirs.reduce(0) { $0 + min($1.value, mine[$1.key] ?? 0) }
        let sizes = (mine.reduce(0) { $0 + $1.value }, theirs.reduce(0) { $0 + $1.value })
        return score(hits, reply: max(sizes.0, 1), reference: max(sizes.1, 1))
    }

    /// Between 0 and 1.
    public static func longest(reference: String, reply: String) -> Double {
        let theirs = tokens(reference), mine = tokens(reply)
        guard !theirs.isEmpty, !mine.isEmpty else { return 0 }
        var row = [Int](repeating: 0, count: mine.count + 1)
        for word in theirs {
            var diagonal = 0
            for (index, other) in mine.enumerated() {
                let above = row[index + 1]
                row[index + 1] = word == other ? diagonal + 1 : max(above, row[index])
                diagonal = above
            }
        }
        return score(row[mine.count], reply: mine.count, reference: theirs.count)
    }

    private static func score(_ hits: Int, reply: Int, reference: Int) -> Double {
        let precision = Double(hits) / Double(reply), recall = Double(hits) / Double(reference)
        return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0
    }

    private static func tokens(_ text: String) -> [Substring] {
        // Letters of other scripts separate words, as in the package.
        text.lowercased().split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }
    }

    private static func grams(_ words: [Substring], _ order: Int) -> [[Substring]: Int] {
        guard words.count >= order else { return [:] }
        var counts: [[Substring]: Int] = [:]
        for start in 0...(words.count - order) { counts[Array(words[start..<(start + order)]), default: 0] += 1 }
        return counts
    }
}
