import Martlet

extension ChatEncoder {
    /// A record of feedback, or a prompt without a reply, as the sequences that a model is given; nil for other records.
    func preview(_ document: Document, _ corpus: Corpus) throws -> [(name: String, chat: EncodedChat)]? {
        do {
            switch document.content {
            case .feedback(.pair(let pair)):
                return [
                    ("chosen", try reply(pair.chosen, to: pair.prompt, tools: pair.tools, isText: pair.isText)),
                    ("rejected", try reply(pair.rejected, to: pair.prompt, tools: pair.tools, isText: pair.isText)),
                ]
            case .feedback(.judged(let one)):
                return [
                    (
                        one.isDesirable ? "good" : "bad",
                        try reply(one.reply, to: one.prompt, tools: one.tools, isText: one.isText)
                    )
                ]
            case .feedback(.steps(let steps)):
                return try zip(steps.steps, steps.areRight).enumerated().map { index, step in
                    let said = steps.steps[...index].joined(separator: "\n")
                    return (
                        "step \(index + 1), \(step.1 ? "right" : "wrong")",
                        try reply([ChatMessage(role: "assistant", content: said)], to: steps.prompt)
                    )
                }
            case .chat(let messages, let tools) where !messages.contains(where: { $0.role == "assistant" }):
                let tokens = try prompt(messages, tools: tools)
                return [("prompt alone", EncodedChat(tokens: tokens, isTrained: tokens.map { _ in false }))]
            default: return nil
            }
        } catch {
            try corpus.passOver(
                DataError(.malformed, path: document.path, place: document.place, "\(error)"))
            return []
        }
    }
}
