/// What a document of the world is for.
public enum WorldKind: String, Sendable, CaseIterable {
    /// Plain text for pre-training: stories and facts with questions and answers, sums, spelling, counting.
    case text
    /// Conversations of one to four turns for instruction tuning.
    case chat
    /// One question about a story, a fact, a word or a list, with its check: for evaluation.
    case questions
    /// One sum or difference with its check: for reinforcement learning and its evaluation.
    case arithmetic
}

/// One document, made from its index alone.
public struct WorldDocument: Sendable, Equatable {
    public let index: Int
    public let split: WorldSplit
    public let kind: WorldKind
    public let language: WorldLanguage
    /// The text, for kinds other than `text` the messages one after another.
    public let text: String
    /// The conversation; empty for plain text. Of a question it ends with the reply.
    public let messages: [WorldMessage]
    /// The question of kinds `questions` and `arithmetic`.
    public let question: WorldQuestion?
    /// Everything that templates were filled with. Each of them falls on the document's side of the split.
    public let instances: [String]

    /// About how many tokens a byte-level BPE of a few thousand tokens trained on the world makes of the text. Words,
    /// digits and marks count one each, Chinese characters 0.6.
    public var estimatedTokens: Int {
        var words = 0, characters = 0, inWord = false
        for scalar in text.unicodeScalars {
            let letter = scalar.properties.isAlphabetic
            if scalar.value >= 0x3000 {
                characters += 1
            } else if letter {
                words += inWord ? 0 : 1
            } else if scalar != " " {
                words += 1
            }
            inWord = letter && scalar.value < 0x3000
        }
        return words + (characters * 3 + 4) / 5
    }
}
