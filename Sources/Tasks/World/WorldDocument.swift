/// The purpose of a document of the world.
public enum WorldKind: String, Sendable, CaseIterable {
    /// Plain text for pre-training: stories and facts with questions and answers, sums, spelling, counting.
    case text
    /// Conversations of one to four turns for instruction tuning.
    case chat
    /// One question about a story, a fact, a word or a list, with a check of the answer: for evaluation.
    case questions
    /// One sum or difference with a check of the answer: for reinforcement learning and its evaluation.
    case arithmetic
}

/// One document, generated from its index.
public struct WorldDocument: Sendable, Equatable {
    public let index: Int
    public let split: WorldSplit
    public let kind: WorldKind
    public let language: WorldLanguage
    /// The text; for kinds other than `text`, the messages one after another.
    public let text: String
    /// The conversation; empty for plain text. For a question it ends with the reply.
    public let messages: [WorldMessage]
    /// The question of kinds `questions` and `arithmetic`.
    public let question: WorldQuestion?
    /// The instances that fill the templates. All of them belong to the split of the document.
    public let instances: [String]

    /// The approximate number of tokens with a byte-level BPE tokenizer of a few thousand tokens that was trained on
    /// the world: one for each word, digit and punctuation mark, 0.6 for each Chinese character.
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
