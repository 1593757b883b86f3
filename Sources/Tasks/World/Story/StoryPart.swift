/// A part of a story or a question about it: its kind, and the words for the slots of its wordings.
package protocol StoryPart: Sendable {
    associatedtype Kind: Hashable & Sendable
    var kind: Kind { get }
    var words: [Character: Word] { get }
}

extension StoryPart {
    /// The word in a slot; plots fill every slot of a kind.
    package subscript(slot: Character) -> Word { words[slot] ?? Word("?", "?") }

    /// One of the table's wordings for the kind.
    func wording(
        _ table: [Kind: Wordings], _ random: inout WorldRandom, _ language: WorldLanguage
    ) -> String {
        guard let wordings = table[kind] else { return "" }
        return random.pick(wordings[language]).filled(words, language)
    }
}
