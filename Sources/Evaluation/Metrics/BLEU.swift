#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// BLEU over a corpus: BP · exp(¼ Σ log pₙ), with n-gram precisions up to n = 4, text split as mteval-v13a does, and
/// exponential smoothing of orders without a hit.
///
/// Source: Papineni et al. 2002; Post 2018 (sacreBLEU's defaults).
public enum BLEU {
    private static let orders = 4

    /// The score of replies, each with its references: 0 to 100.
    public static func corpus(_ pairs: [(reply: String, references: [String])]) -> Double {
        var total = [Double](repeating: 0, count: 2 + 2 * orders)
        for pair in pairs {
            for (index, value) in counts(pair.reply, pair.references).enumerated() { total[index] += value }
        }
        return score(total)
    }

    /// Of one reply: its length, the closest reference's, hits of each order, n-grams of each order.
    static func counts(_ reply: String, _ references: [String]) -> [Double] {
        let words = tokens(reply), others = references.map(tokens)
        // The closest length; the shorter one of two as close.
        let closest = others.map(\.count).min { left, right in
            let a = abs(left - words.count), b = abs(right - words.count)
            return a == b ? left < right : a < b
        }
        var hits: [Double] = [], totals: [Double] = []
        for order in 1...orders {
            let found = ngrams(words, order)
            var most: [[String]: Int] = [:]
            for other in others {
                for (gram, count) in ngrams(other, order) { most[gram] = max(most[gram] ?? 0, count) }
            }
            hits.append(Double(found.reduce(0) { $0 + min($1.value, most[$1.key] ?? 0) }))
            totals.append(Double(max(words.count - order + 1, 0)))
        }
        return [Double(words.count), Double(closest ?? 0)] + hits + totals
    }

    static func score(_ counts: [Double]) -> Double {
        guard counts.count == 2 + 2 * orders else { return 0 }
        let (length, reference) = (counts[0], counts[1])
        let hits = counts[2..<(2 + orders)], totals = counts[(2 + orders)...]
        guard hits.contains(where: { $0 > 0 }) else { return 0 }
        let brevity = length < reference ? (length > 0 ? exp(1 - reference / length) : 0) : 1
        var smoothing = 1.0, sum = 0.0
        for (hit, total) in zip(hits, totals) {
            // Texts shorter than n words have no n-grams: the score is 0.
            guard total > 0 else { return 0 }
            if hit == 0 { smoothing *= 2 }
            sum += log(hit == 0 ? 100 / (smoothing * total) : 100 * hit / total)
        }
        return brevity * exp(sum / Double(orders))
    }

    private static func ngrams(_ words: [String], _ order: Int) -> [[String]: Int] {
        guard words.count >= order else { return [:] }
        var counts: [[String]: Int] = [:]
        for start in 0...(words.count - order) { counts[Array(words[start..<(start + order)]), default: 0] += 1 }
        return counts
    }

    /// The words and marks of a text by the rules of mteval-v13a.
    static func tokens(_ text: String) -> [String] {
        var line = text.trailingSpaceTrimmed
        line = line.replacing(all: "<skipped>", with: "").replacing(all: "-\n", with: "").replacing(
            all: "\n", with: " ")
        for (entity, plain) in [("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")] {
            line = line.replacing(all: entity, with: plain)
        }
        var scalars: [Unicode.Scalar] = [" "]
        for scalar in line.unicodeScalars {
            let isMark =
                switch scalar.value {
                case 0x20...0x26, 0x28...0x2B, 0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: true
                default: false
                }
            scalars += isMark ? [" ", scalar, " "] : [scalar]
        }
        scalars.append(" ")
        // Full stops and commas stand alone unless digits surround them, dashes after a digit.
        scalars = split(scalars, { !isDigit($0) }, isStop) { [$0, " ", $1, " "] }
        scalars = split(scalars, isStop, { !isDigit($0) }) { [" ", $0, " ", $1] }
        scalars = split(scalars, isDigit, { $0 == "-" }) { [$0, " ", $1, " "] }
        return scalars.split(whereSeparator: \.isPythonSpace).map { String(String.UnicodeScalarView($0)) }
    }

    private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }
    private static func isStop(_ scalar: Unicode.Scalar) -> Bool { scalar == "." || scalar == "," }

    /// Every pair of neighbours that two tests accept, rewritten; pairs do not overlap.
    private static func split(
        _ scalars: [Unicode.Scalar], _ first: (Unicode.Scalar) -> Bool, _ second: (Unicode.Scalar) -> Bool,
        _ rewrite: (Unicode.Scalar, Unicode.Scalar) -> [Unicode.Scalar]
    ) -> [Unicode.Scalar] {
        var output: [Unicode.Scalar] = [], index = 0
        while index < scalars.count {
            if index + 1 < scalars.count, first(scalars[index]), second(scalars[index + 1]) {
                output += rewrite(scalars[index], scalars[index + 1])
                index += 2
            } else {
                output.append(scalars[index])
                index += 1
            }
        }
        return output
    }
}
