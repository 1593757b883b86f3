/// The sets of `\p{…}`, `[:…:]` and the one-letter classes, in the Unicode version of the tables
/// (`scripts/make_category_table.py`).
extension ScalarSet {
    private static let categoryNames: [(short: String, long: String)] = [
        ("lu", "uppercaseletter"), ("ll", "lowercaseletter"), ("lt", "titlecaseletter"), ("lm", "modifierletter"),
        ("lo", "otherletter"), ("mn", "nonspacingmark"), ("mc", "spacingmark"), ("me", "enclosingmark"),
        ("nd", "decimalnumber"), ("nl", "letternumber"), ("no", "othernumber"), ("pc", "connectorpunctuation"),
        ("pd", "dashpunctuation"), ("ps", "openpunctuation"), ("pe", "closepunctuation"), ("pi", "initialpunctuation"),
        ("pf", "finalpunctuation"), ("po", "otherpunctuation"), ("sm", "mathsymbol"), ("sc", "currencysymbol"),
        ("sk", "modifiersymbol"), ("so", "othersymbol"), ("zs", "spaceseparator"), ("zl", "lineseparator"),
        ("zp", "paragraphseparator"), ("cc", "control"), ("cf", "format"), ("cs", "surrogate"), ("co", "privateuse"),
        ("cn", "unassigned"),
    ]
    private static let majorNames = [
        "letter": "l", "mark": "m", "combiningmark": "m", "number": "n", "punctuation": "p", "symbol": "s",
        "separator": "z", "other": "c",
    ]

    /// Each general category, in the order of `categoryNames`.
    private static let categories: [ScalarSet] = {
        var ranges = [[ClosedRange<UInt32>]](repeating: [], count: categoryNames.count)
        var reader = PackedNumbers(CategoryData.runs)
        var point: UInt32 = 0
        while let length = reader.next(), let category = reader.next() {
            ranges[category].append(point...(point + UInt32(length) - 1))
            point += UInt32(length)
        }
        return ranges.map { ScalarSet($0) }
    }()

    /// The sets of `ScriptData`, by lowercase name.
    private static let stored: [String: ScalarSet] = {
        var result: [String: ScalarSet] = [:]
        for (name, packed) in ScriptData.sets {
            var ranges: [ClosedRange<UInt32>] = []
            var reader = PackedNumbers(packed)
            var point: UInt32 = 0
            while let outside = reader.next(), let inside = reader.next() {
                point += UInt32(outside)
                if inside > 0 { ranges.append(point...(point + UInt32(inside) - 1)) }
                point += UInt32(inside)
            }
            result[simplified(name)] = ScalarSet(ranges)
        }
        return result
    }()

    /// Case, spaces, `-` and `_` are ignored in names.
    private static func simplified(_ name: String) -> String {
        String(
            String.UnicodeScalarView(name.lowercased().unicodeScalars.filter { $0 != " " && $0 != "_" && $0 != "-" }))
    }

    /// Letters, marks, numbers …: one letter for all categories that begin with it.
    private static let majors: [String: ScalarSet] = {
        var result: [String: ScalarSet] = [:]
        for letter in majorNames.values {
            result[letter] = ScalarSet(
                union: categoryNames.indices.filter { categoryNames[$0].short.hasPrefix(letter) }.map { categories[$0] }
            )
        }
        return result
    }()

    /// A general category (short or long name), a script, or one of some properties; nil for an unknown name.
    package static func named(_ name: String) -> ScalarSet? {
        var name = simplified(name)
        for prefix in ["script=", "sc=", "generalcategory=", "gc="] where name.hasPrefix(prefix) {
            name.removeFirst(prefix.count)
        }
        if let major = majors[majorNames[name] ?? name] { return major }
        if let index = categoryNames.firstIndex(where: { $0.short == name || $0.long == name }) {
            return categories[index]
        }
        if let set = stored[name] { return set }
        switch name {
        case "lc", "casedletter": return union("lu", "ll", "lt")
        case "alpha": return named("alphabetic")
        case "alnum": return union("alphabetic", "nd")
        case "digit": return named("nd")
        case "upper": return named("uppercase")
        case "lower": return named("lowercase")
        case "punct": return named("p")
        case "any": return all
        case "assigned": return named("cn")?.inverted
        case "ascii": return ScalarSet([0...0x7F])
        case "blank": return union("zs").union(ScalarSet(0x09))
        case "cntrl": return named("cc")
        case "xdigit", "asciihexdigit", "ahex": return hexDigits
        case "space", "whitespace": return whiteSpace
        case "graph": return whiteSpace.union(union("cc", "cn", "cs")).inverted
        case "print": return whiteSpace.union(union("cc", "cn", "cs")).inverted.union(union("zs"))
        default: return nil
        }
    }

    private static func union(_ names: String...) -> ScalarSet { ScalarSet(union: names.compactMap { named($0) }) }

    /// `\d`
    package static let digits = named("nd") ?? none
    /// `\w`
    package static let word = named("word") ?? none
    /// `\h` as a hexadecimal digit (Oniguruma).
    package static let hexDigits = ScalarSet([0x30...0x39, 0x41...0x46, 0x61...0x66])
    /// `\s`
    package static let whiteSpace = ScalarSet([
        0x09...0x0D, 0x20...0x20, 0x85...0x85, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A, 0x2028...0x2029,
        0x202F...0x202F, 0x205F...0x205F, 0x3000...0x3000,
    ])
    /// `.`
    package static let notNewline = ScalarSet(0x0A).inverted
}
