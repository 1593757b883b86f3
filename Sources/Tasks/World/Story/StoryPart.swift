/// What is told or asked in a story: a kind, and the words in the slots that wordings of the kind have.
package protocol StoryPart: Sendable {
    associatedtype Kind: Hashable & Sendable
    var kind: Kind { get }
    var words: [Character: Word] { get }
}

extension StoryPart {
    /// The word in a slot; parts are made by plots, which fill every slot their kind has.
    package subscript(slot: Character) -> Word { words[slot] ?? Word("?", "?") }

    /// One of the table's wordings of the kind.
    func wording(
        _ table: [Kind: Wordings], _ random: inout WorldRandom, _ language: WorldLanguage
    ) -> String {
        guard let wordings = table[kind] else { return "" }
        return random.pick(wordings[language]).filled(words, language)
    }
}
