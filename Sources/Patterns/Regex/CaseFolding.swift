/// Simple case folding: which scalars are equal when case is ignored.
package enum CaseFolding {
    /// Exceptions to the case mappings: pairs that fold together although neither maps to the other.
    private static let extra: [(UInt32, UInt32)] = [(0x390, 0x1FD3), (0x3B0, 0x1FE3), (0xFB05, 0xFB06)]

    /// For each scalar with case variants, all members of its equivalence class.
    private static let families: [UInt32: [UInt32]] = {
        var byFold: [UInt32: [UInt32]] = [:]
        for value: UInt32 in 0...0x1FFFF {
            guard let scalar = Unicode.Scalar(value), value == 0x345 || scalar.properties.isCased else { continue }
            byFold[fold(scalar), default: []].append(value)
        }
        var result: [UInt32: [UInt32]] = [:]
        for family in byFold.values where family.count > 1 {
            for member in family { result[member] = family }
        }
        for (first, second) in extra {
            result[first] = [first, second]
            result[second] = [first, second]
        }
        return result
    }()

    /// Uppercase, then lowercase: Σ, σ and ς all fold to σ.
    private static func fold(_ scalar: Unicode.Scalar) -> UInt32 {
        // The dotless i maps to I, but folds to itself.
        if scalar.value == 0x131 || scalar.value == 0x130 { return scalar.value }
        let upper = single(scalar.properties.uppercaseMapping) ?? scalar
        return (single(upper.properties.lowercaseMapping) ?? upper).value
    }

    private static func single(_ text: String) -> Unicode.Scalar? {
        text.unicodeScalars.count == 1 ? text.unicodeScalars.first : nil
    }

    /// Adds to every scalar all those that differ from it in case only.
    package static func closure(of set: ScalarSet) -> ScalarSet {
        var more: [ClosedRange<UInt32>] = []
        // ASCII, the usual case, needs no table.
        if let last = set.ranges.last, last.upperBound < 0x80 {
            for value in set.ranges.joined() {
                let lower = value | 0x20
                guard lower >= 0x61, lower <= 0x7A else { continue }
                more += [lower...lower, (lower ^ 0x20)...(lower ^ 0x20)]
                if lower == 0x6B { more.append(0x212A...0x212A) }
                if lower == 0x73 { more.append(0x17F...0x17F) }
            }
        } else {
            for (member, family) in families where set.contains(member) { more += family.map { $0...$0 } }
        }
        return more.isEmpty ? set : ScalarSet(set.ranges + more)
    }
}
