import MartletSystem

/// Finds the option that a wrong name probably means.
extension OptionKey {
    /// The same; nil where the name shares no word with it, not even one with a wrong letter, and more than half of its
    /// letters differ.
    static func probable(for name: String, of command: RunCommand) -> String? {
        let spelled = spelled(name)
        let nearest = nearest(to: name, of: command)
        func words(_ text: String) -> Set<Substring> { Set(text.split(separator: "_").filter { $0.count > 2 }) }
        let isNamedSo = command.key(nearest)?.isNamed(spelled) ?? false
        let isLike = Spelling.distance(nearest, spelled) * 2 <= max(nearest.count, spelled.count)
        if isNamedSo || isLike || !words(spelled).isDisjoint(with: words(nearest)) { return nearest }
        // "hiddn" is nearly a word of "hidden_size".
        func isNearly(_ word: Substring, _ other: Substring) -> Bool {
            min(word.count, other.count) > 4 && Spelling.distance(String(word), String(other)) == 1
        }
        return command.keys.map(\.name).first { name in
            words(name).contains { word in words(spelled).contains { isNearly($0, word) } }
        }
    }

    /// Limited to the length of the longest name, so that a name of a megabyte takes no longer.
    private static func spelled(_ name: String) -> String {
        String(name.prefix(64).map { "-. ".contains($0) ? "_" : $0 }).lowercased()
    }

    /// Whether a name is this one, or another program's for it, without regard to where words are parted: "dmodel", "seqlen".
    private func isNamed(_ spelled: String) -> Bool {
        func joined(_ text: String) -> String { text.lowercased().replacing("_", with: "") }
        let wanted = joined(spelled)
        return joined(name) == wanted || others.contains { joined($0) == wanted }
    }

    /// By meaning if other programs use the name for it, by a word it shares with an option, or else by spelling.
    static func nearest(to name: String, of command: RunCommand) -> String {
        let spelled = spelled(name), keys = command.keys, names = keys.map(\.name)
        if let known = keys.first(where: { $0.others.contains(spelled) }) { return known.name }
        if let known = keys.first(where: { $0.isNamed(spelled) }) { return known.name }
        let words = Set(spelled.split(separator: "_").map(String.init).filter { $0.count > 2 })
        let shared = names.map { name in
            (name: name, count: name.split(separator: "_").count { words.contains(String($0)) })
        }
        // The name with most words in common, the shortest of these; a whole name with one wrong letter takes
        // precedence.
        let bySpelling = names.min { Spelling.distance($0, spelled) < Spelling.distance($1, spelled) } ?? ""
        if Spelling.distance(bySpelling, spelled) <= 2 { return bySpelling }
        let most = shared.map(\.count).max() ?? 0
        guard most > 0 else { return bySpelling }
        return shared.filter { $0.count == most }.min {
            Spelling.distance($0.name, spelled) < Spelling.distance($1.name, spelled)
        }?.name ?? bySpelling
    }
}
