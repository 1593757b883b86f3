/// Finds the name that was probably meant by a misspelled one.
package enum Spelling {
    /// The least number of insertions, deletions, replacements and swaps of neighbours, none of which is changed again
    /// (Levenshtein 1966; Damerau 1964; "optimal string alignment"). Only the first 64 characters of each name are
    /// compared, which limits the time for long names.
    package static func distance(_ a: some StringProtocol, _ b: some StringProtocol) -> Int {
        let a = Array(a.prefix(64)), b = Array(b.prefix(64))
        var before: [Int] = [], row = Array(0...b.count)
        for i in a.indices {
            var next = [i + 1]
            for j in b.indices {
                let replaced = row[j] + (a[i] == b[j] ? 0 : 1)
                var least = min(replaced, next[j] + 1, row[j + 1] + 1)
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { least = min(least, before[j - 1] + 1) }
                next.append(least)
            }
            before = row
            row = next
        }
        return row[b.count]
    }

    /// The name with the smallest distance, the first of several; nil if more than a third of the characters differ.
    package static func nearest(to written: String, among names: [String]) -> String? {
        let found = names.map { (name: $0, distance: distance($0.lowercased(), written.lowercased())) }
            .min { $0.distance < $1.distance }
        guard let found, found.distance * 3 <= max(found.name.count, 3) else { return nil }
        return found.name
    }
}
