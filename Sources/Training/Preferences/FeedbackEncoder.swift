import MartletChat
import MartletData
import MartletJSON
import MartletTokenizers

/// Encodes replies with their prompts; only the tokens of the reply are trained on.
extension ChatEncoder {
    /// - Parameter isText: prompt and reply are plain texts that continue each other without the template, one message
    ///   each.
    /// - Throws: `TrainingError` if the chat template cannot render the reply after its prompt.
    public func reply(
        _ reply: [ChatMessage], to prompt: [ChatMessage], tools: [JSON]? = nil, isText: Bool = false
    ) throws -> EncodedChat {
        if isText { return try continued(prompt.first?.content ?? "", reply.first?.content ?? "") }
        var encoder = self
        encoder.largestSequence = nil
        let context = prompt.map { message in
            var message = message
            if message.role == "assistant" { message["weight"] = 0 }
            return message
        }
        let encoded = try encoder.encode(context + reply, tools: tools)
        guard encoded.sequences.count == 1 else {
            throw TrainingError(
                .data,
                "a reply of several turns that the chat template renders one by one cannot be compared as a whole: "
                    + ChatEncoder.shown(reply))
        }
        guard encoded.sequences[0].weights == nil else {
            throw TrainingError(
                .data,
                "a reply that is compared counts as a whole, and a message of it has another weight than 1 (sft follows "
                    + "weights; pairs may have a margin): " + ChatEncoder.shown(reply))
        }
        return encoded.sequences[0]
    }

    /// A plain text and what continues it, up to the token that ends texts.
    private func continued(_ prompt: String, _ reply: String) throws -> EncodedChat {
        var tokens: [Int32] = []
        if tokenizer.addsBOS, let beginning = tokenizer.bosToken { tokens.append(beginning) }
        tokens += try tokenizer.encode(bytes: Array(prompt.utf8), addSpecialTokens: false, parseSpecial: false)
        let start = tokens.count
        tokens += try tokenizer.encode(bytes: Array(reply.utf8), addSpecialTokens: false, parseSpecial: false)
        if let end = tokenizer.documentEnd { tokens.append(end) }
        return EncodedChat(tokens: tokens, isTrained: tokens.indices.map { $0 >= max(1, start) })
    }
}
