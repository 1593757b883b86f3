/// Finds the name that was probably meant by a misspelled one.
package enum Spelling {
    /// The Levenshtein distance (1966): the least number of insertions, deletions and replacements. Only the first 64
    /// characters of each name are compared, which limits the time for long names.
    package static func distance(_ a: some StringProtocol, _ b: some StringProtocol) -> Int {
        let a = Array(a.prefix(64)), b = Array(b.prefix(64))
        var row = Array(0...b.count)
        for i in a.indices {
            var diagonal = row[0]
            row[0] = i + 1
            for j in b.indices {
                let replaced = diagonal + (a[i] == b[j] ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(replaced, row[j] + 1, row[j + 1] + 1)
            }
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
