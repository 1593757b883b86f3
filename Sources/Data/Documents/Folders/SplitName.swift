/// The split of a file by its name or the name of a folder: `data/train-00000-of-00002.parquet`, `test/a.csv`.
///
/// Source: the naming rules of the hub's data sets: a keyword is bounded by separators (`-`, `.`, `_`, a space, digits)
/// or the ends of the name.
enum SplitName {
    static let train = "train", everything = "all"

    private static let keywords: [String: String] = [
        "train": train, "training": train, "validation": "validation", "valid": "validation", "dev": "validation",
        "val": "validation", "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
    ]

    /// Nil if no name contains a keyword.
    static func of(_ path: String) -> String? {
        let parts = path.split(separator: "/").map(String.init)
        guard let name = parts.last else { return nil }
        // A page named "testing.md" is not a test split.
        if !name.lowercased().hasSuffix(".md"), let split = keyword(in: name) { return split }
        for folder in parts.dropLast().reversed() { if let split = keyword(in: folder) { return split } }
        return nil
    }

    private static func keyword(in name: String) -> String? {
        name.lowercased().split { !$0.isLetter }.lazy.compactMap { keywords[String($0)] }.first
    }

    /// Whether a file or one of its folders is called so: "data/train_prefs-00000-of-00002.parquet".
    static func isNamed(_ wanted: String, _ path: String) -> Bool {
        path.split(separator: "/").contains { part in
            part == wanted || part.hasPrefix(wanted + "-") || part.hasPrefix(wanted + ".")
        }
    }

    /// The split with the wanted name, or the only one that begins with it ("train_sft" for "train").
    static func resolve(_ wanted: String, among names: [String]) -> String? {
        if names.contains(wanted) { return wanted }
        let alike = names.filter { $0.hasPrefix(wanted + "_") || $0.hasPrefix(wanted + "-") }
        return alike.count == 1 ? alike[0] : nil
    }
}
