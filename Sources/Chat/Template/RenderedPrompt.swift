import MartletJinja

/// A rendered conversation: the text that the model reads.
public struct RenderedPrompt: Sendable {
    public var text: String

    /// The text, divided where its origin changes. Trusted segments were written by the template and may contain
    /// special tokens; the others come from messages, tools and documents, and special tokens spelled in them are plain
    /// text. A tokenizer should match special tokens in trusted segments only, and pre-tokenize the rest as a whole,
    /// across segments.
    public var segments: [(text: String, isTrusted: Bool)]

    /// The text between `{% generation %}` and `{% endgeneration %}`: assistant text to train on, as ranges of UTF-8
    /// bytes of `text`.
    public var generationRanges: [Range<Int>]

    /// The text that the template itself wrote after the last message, preceded by the text that the model continues if
    /// the final message is continued. An opening of the model's reasoning only counts here: the same words inside a
    /// message are ordinary text.
    public var ending: String

    init(_ text: JinjaText, generations: [Range<Int>], continuing continued: String?) {
        ending = Self.ending(of: text, continuing: continued)
        self.text = text.string
        generationRanges = generations
        segments = []
        var start = 0
        for run in text.runs {
            segments.append((text[start..<run.end].string, !run.isData))
            start = run.end
        }
    }

    private static func ending(of text: JinjaText, continuing continued: String?) -> String {
        guard let continued else { return own(endOf: text).string }
        let message = JinjaText(continued).trimmed()
        let trimmed = text.trimmed(start: false)
        guard trimmed.hasSuffix(message) else { return continued }
        return own(endOf: text[0..<trimmed.bytes.count - message.bytes.count]).string + continued
    }

    /// The last run of a text, if the template wrote it.
    private static func own(endOf text: JinjaText) -> JinjaText {
        let runs = text.runs
        guard let last = runs.last, !last.isData else { return .empty }
        return text[(runs.dropLast().last?.end ?? 0)..<last.end]
    }
}
