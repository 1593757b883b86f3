/// A conversation as the text a model reads.
public struct RenderedPrompt: Sendable {
    public var text: String

    /// The text cut where its origin changes. Trusted segments were written by the template (and may hold
    /// special tokens); the others came from messages, tools and documents, and special tokens spelled in
    /// them are plain text. A tokenizer should match special tokens in trusted segments only, and split
    /// the rest of the text into words as a whole, across segments.
    public var segments: [(text: String, isTrusted: Bool)]

    /// What stands between `{% generation %}` and `{% endgeneration %}`: assistant text to train on, as
    /// ranges of UTF-8 bytes of `text`.
    public var generationRanges: [Range<Int>]

    init(_ text: JinjaText, generations: [Range<Int>]) {
        self.text = text.string
        generationRanges = generations
        segments = []
        var start = 0
        for run in text.runs {
            segments.append((text[start..<run.end].string, !run.isData))
            start = run.end
        }
    }
}
