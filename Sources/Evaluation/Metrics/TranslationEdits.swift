/// TER, the translation edit rate: insertions, deletions, substitutions and shifts of phrases that make a reply the
/// reference, divided by the reference's words, in percent. Lower is better.
///
/// Shifts are searched greedily: the one that saves most edits, until none does. What may be shifted, and where to,
/// follows Tercom as sacreBLEU has it, with its bounds (10 words, 50 places, 1000 candidates, a beam of 25).
///
/// Source: Snover et al. 2006; Post 2018 (sacreBLEU's defaults: lower case, words between spaces).
public enum TranslationEdits {
    private static let longestShift = 10, farthestShift = 50, beam = 25, mostCandidates = 1000

    /// The score of replies, each with its references.
    public static func corpus(_ pairs: [(reply: String, references: [String])]) -> Double {
        score(
            pairs.reduce([0, 0]) { sum, pair in
                let own = counts(pair.reply, pair.references)
                return [sum[0] + own[0], sum[1] + own[1]]
            })
    }

    /// Of one reply: edits to the reference that needs fewest, and the mean length of the references.
    static func counts(_ reply: String, _ references: [String]) -> [Double] {
        guard !references.isEmpty else { return [0, 0] }
        var ids: [String: Int] = [:]
        func words(_ text: String) -> [Int] {
            text.lowercased().unicodeScalars.split(whereSeparator: \.isPythonSpace).map { word in
                let word = String(String.UnicodeScalarView(word))
                let id = ids[word] ?? ids.count
                ids[word] = id
                return id
            }
        }
        let own = words(reply), others = references.map(words)
        let edits = others.map { Self.edits(own, $0) }.min() ?? 0
        return [Double(edits), Double(others.reduce(0) { $0 + $1.count }) / Double(others.count)]
    }

    static func score(_ counts: [Double]) -> Double {
        guard counts.count == 2 else { return 0 }
        if counts[1] > 0 { return 100 * counts[0] / counts[1] }
        return counts[0] > 0 ? 100 : 0
    }

    private static func edits(_ reply: [Int], _ reference: [Int]) -> Int {
        guard !reference.isEmpty else { return reply.count }
        var words = reply, shifts = 0, tried = 0
        while let better = bestShift(words, reference, &tried) {
            words = better
            shifts += 1
        }
        return shifts + alignment(words, reference).edits
    }

    /// The words after the shift that saves most edits; nil where none saves any, or too many were tried.
    private static func bestShift(_ words: [Int], _ reference: [Int], _ tried: inout Int) -> [Int]? {
        let now = alignment(words, reference), places = Places(now.steps)
        var best: (saved: Int, length: Int, start: Int, target: Int, words: [Int])?
        search: for start in words.indices {
            for other in reference.indices where abs(other - start) <= farthestShift {
                var length = 0
                while length < longestShift, start + length < words.count, other + length < reference.count,
                    words[start + length] == reference[other + length]
                {
                    length += 1
                    if let targets = places.targets(start, other, length) {
                        for target in targets {
                            let shifted = Self.shifted(words, start, length, target)
                            let saved = now.edits - alignment(shifted, reference).edits
                            tried += 1
                            // Most edits saved, then the longest, then the earliest phrase and place.
                            if let known = best,
                                (known.saved, known.length, -known.start, -known.target) >= (
                                    saved, length, -start, -target
                                )
                            {
                                continue
                            }
                            best = (saved, length, start, target, shifted)
                        }
                    }
                    if tried >= mostCandidates { break search }
                }
            }
        }
        guard tried < mostCandidates, let best, best.saved > 0 else { return nil }
        return best.words
    }

    private static func shifted(_ words: [Int], _ start: Int, _ length: Int, _ target: Int) -> [Int] {
        var rest = words
        rest.removeSubrange(start..<(start + length))
        // Behind itself a phrase is taken out first.
        let place = target > start + length ? target - length : target
        rest.insert(contentsOf: words[start..<(start + length)], at: min(place, rest.count))
        return rest
    }

    private enum Step { case none, keep, substitute, insert, delete }

    /// The fewest edits that make one text the other within a beam around the diagonal, and their steps.
    private static func alignment(_ words: [Int], _ reference: [Int]) -> (edits: Int, steps: [Step]) {
        let rows = words.count, columns = reference.count, width = columns + 1
        let ratio = rows == 0 ? 1 : Double(columns) / Double(rows)
        let reach = Double(beam) < ratio / 2 ? Int((ratio / 2 + Double(beam)).rounded(.up)) : beam
        var costs = [Int](repeating: .max / 2, count: (rows + 1) * width)
        var steps = [Step](repeating: .none, count: costs.count)
        for column in 0...columns { (costs[column], steps[column]) = (column, .insert) }
        for row in 1..<max(rows + 1, 1) where row <= rows {
            let diagonal = Int((Double(row) * ratio).rounded(.down))
            let last = row == rows ? columns + 1 : min(columns + 1, diagonal + reach)
            for column in max(0, diagonal - reach)..<max(last, 0) {
                let place = row * width + column
                guard column > 0 else {
                    (costs[place], steps[place]) = (costs[place - width] + 1, .delete)
                    continue
                }
                let isSame = words[row - 1] == reference[column - 1]
                let options: [(Int, Step)] = [
                    (costs[place - width - 1] + (isSame ? 0 : 1), isSame ? .keep : .substitute),
                    (costs[place - width] + 1, .delete), (costs[place - 1] + 1, .insert),
                ]
                for (cost, step) in options where costs[place] > cost { (costs[place], steps[place]) = (cost, step) }
            }
        }
        var trace: [Step] = [], row = rows, column = columns
        while row > 0 || column > 0 {
            let step = steps[row * width + column]
            trace.append(step)
            switch step {
            case .keep, .substitute: (row, column) = (row - 1, column - 1)
            case .insert: column -= 1
            case .delete: row -= 1
            // Outside the beam there is no way back; what is left are insertions and deletions.
            case .none: if row > 0 { row -= 1 } else { column -= 1 }
            }
        }
        return (costs[rows * width + columns], trace.reversed())
    }

    /// Which words of the reply stand for which of the reference, and which are wrong.
    private struct Places {
        /// By the reference's place: the reply's; -1 before its first word.
        private var reply: [Int] = []
        private var isWrongInReply: [Bool] = [], isWrongInReference: [Bool] = []

        init(_ steps: [Step]) {
            var place = -1
            for step in steps {
                switch step {
                case .keep, .substitute:
                    place += 1
                    reply.append(place)
                    isWrongInReply.append(step == .substitute)
                    isWrongInReference.append(step == .substitute)
                case .delete, .none:
                    place += 1
                    isWrongInReply.append(true)
                case .insert:
                    reply.append(place)
                    isWrongInReference.append(true)
                }
            }
        }

        /// Where a phrase may go: only what is wrong, to what is wrong, and out of itself.
        func targets(_ start: Int, _ other: Int, _ length: Int) -> [Int]? {
            guard isWrongInReply[start..<(start + length)].contains(true),
                isWrongInReference[other..<(other + length)].contains(true),
                !(start..<(start + length)).contains(reply[other])
            else { return nil }
            var targets: [Int] = []
            for place in (other - 1)..<(other + length) {
                guard place < reply.count else { break }
                let target = place == -1 ? 0 : reply[place] + 1
                if target != targets.last { targets.append(target) }
            }
            return targets
        }
    }
}
