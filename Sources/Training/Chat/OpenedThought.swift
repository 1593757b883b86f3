import MartletChat

/// A reply for templates that open a thought in the generation prompt (`<think>`) but render none for past messages, as
/// DeepSeek-R1's do. The trained reply follows the generation prompt: the message's thought, the end of the thought,
/// then the reply as the template renders it.
struct OpenedThought {
    let segments: [(text: String, isTrusted: Bool)]
    /// Whether the message had no thought.
    let isEmpty: Bool

    private static let opening = "<think>", closing = "</think>"
    /// What opens a reply is short; a difference further back means a different prompt.
    private static let longestOpening = 64

    init(
        _ prompt: RenderedPrompt, _ whole: RenderedPrompt, _ reply: ChatMessage, name: String, shown: String
    ) throws {
        let (asked, said) = (Array(prompt.text.utf8), Array(whole.text.utf8))
        var shared = zip(asked, said).prefix { $0 == $1 }.count
        // Not in the middle of a character.
        while shared > 0, shared < said.count, said[shared] & 0xC0 == 0x80 { shared -= 1 }
        let opened = String(decoding: asked[shared...], as: UTF8.self)
        guard opened.utf8.count <= Self.longestOpening, opened.contains(Self.opening), shared < said.count else {
            throw TrainingError(
                .data,
                "the chat template asks for \(name) with other words than it writes it with, so its tokens cannot be "
                    + "told apart: \(shown)")
        }
        let written = whole.segments(from: shared)
        guard !opened.contains(Self.closing) else {
            (segments, isEmpty) = (written, false)
            return
        }
        let thought = Self.thought(of: reply).trimmingEnds
        isEmpty = thought.isEmpty
        // If the template cuts the line breaks after the thought with it, it also writes them itself.
        let ends = written.lazy.flatMap { $0.text.utf8 }.prefix(2).prefix { $0 == UInt8(ascii: "\n") }.count
        let between = String(repeating: "\n", count: 2 - ends)
        segments = [(thought, false), ((thought.isEmpty ? "" : "\n") + Self.closing + between, true)] + written
    }

    /// The thought of the message.
    private static func thought(of message: ChatMessage) -> String {
        if let reasoning = message.reasoningContent { return reasoning }
        guard let content = message.content, let end = content.firstRange(of: closing) else { return "" }
        let before = content[..<end.lowerBound]
        guard let start = before.firstRange(of: opening) else { return String(before) }
        return String(before[start.upperBound...])
    }
}

extension StringProtocol {
    /// Without line ends and spaces on either side.
    var trimmingEnds: String {
        var text = self[...]
        while let first = text.first, first.isWhitespace { text = text.dropFirst() }
        while let last = text.last, last.isWhitespace { text = text.dropLast() }
        return String(text)
    }
}
