/// Which split a file belongs to, as its name or a folder's tells: `data/train-00000-of-00002.parquet`, `test/a.csv`.
///
/// Source: the naming rules of the hub's data sets: a keyword stands between separators (`-`, `.`, `_`, a space, digits)
/// or at an end of the name.
enum SplitName {
    static let train = "train", everything = "all"

    private static let keywords: [String: String] = [
        "train": train, "training": train, "validation": "validation", "valid": "validation", "dev": "validation",
        "val": "validation", "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
    ]

    /// Nil where nothing tells.
    static func of(_ path: String) -> String? {
        let parts = path.split(separator: "/").map(String.init)
        guard let name = parts.last else { return nil }
        // A page called "testing.md" is a page.
        if !name.lowercased().hasSuffix(".md"), let split = keyword(in: name) { return split }
        for folder in parts.dropLast().reversed() { if let split = keyword(in: folder) { return split } }
        return nil
    }

    private static func keyword(in name: String) -> String? {
        name.lowercased().split { !$0.isLetter }.lazy.compactMap { keywords[String($0)] }.first
    }

    /// The split that is meant by a name: itself, or the only one that begins so ("train_sft" for "train").
    static func resolve(_ wanted: String, among names: [String]) -> String? {
        if names.contains(wanted) { return wanted }
        let alike = names.filter { $0.hasPrefix(wanted + "_") || $0.hasPrefix(wanted + "-") }
        return alike.count == 1 ? alike[0] : nil
    }
}
