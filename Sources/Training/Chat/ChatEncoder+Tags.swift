import MartletChat
import MartletData
import MartletJSON

/// Chat templates whose `{% generation %}` tags mark the trained tokens.
extension ChatEncoder {
    func encodeTagged(_ conversation: Conversation) throws -> EncodedConversation {
        let all = conversation.messages.indices
        guard let limit = largestSequence else { return try tagged(conversation, Array(all)) }
        let whole = try tagged(conversation, Array(all))
        if whole.sequences.allSatisfy({ $0.tokens.count <= limit }) { return whole }
        guard long == .cut else { return EncodedConversation(sequences: [], notes: [.tooLong]) }
        return try cutTagged(conversation, limit)
    }

    /// Parts that begin at turns of the user and end with replies, each as long as fits behind the system prompt.
    private func cutTagged(_ conversation: Conversation, _ limit: Int) throws -> EncodedConversation {
        let messages = conversation.messages, lead = Array(0..<conversation.leading)
        var result = EncodedConversation(sequences: []), start = conversation.leading, isTooLong = false
        while start < messages.count {
            var best: (EncodedConversation, end: Int)?
            for end in start..<messages.count where messages[end].role == "assistant" {
                let part = lead + Array(start...end)
                guard part.contains(where: conversation.isLearnt) else { continue }
                let encoded = try tagged(conversation, part)
                if encoded.sequences.contains(where: { $0.tokens.count > limit }) { break }
                best = (encoded, end)
            }
            if let best {
                result.sequences += best.0.sequences
                result.notes += best.0.notes
            } else if messages[start...].indices.contains(where: conversation.isLearnt) {
                isTooLong = true
            }
            let behind = (best?.end ?? start) + 1
            start = messages[behind...].firstIndex { $0.role == "user" } ?? messages.count
        }
        if !result.sequences.isEmpty { result.notes.append(.cutAtTurns) }
        if isTooLong { result.notes.append(.tooLong) }
        return result
    }

    private func tagged(_ conversation: Conversation, _ indices: [Int]) throws -> EncodedConversation {
        let messages = indices.map { conversation.messages[$0] }
        let replies = indices.filter { conversation.messages[$0].role == "assistant" }
        let rendered = try render(messages, conversation.tools, opening: false)
        let ranges = rendered.generationRanges, bytes = Array(rendered.text.utf8)
        guard !ranges.isEmpty else {
            throw TrainingError(
                .data, "the chat template's generation tags stand around nothing: \(Self.shown(messages))")
        }
        // Tags may enclose other spans than whole replies; these have no weights.
        let areReplies = ranges.count == replies.count
        guard areReplies || replies.allSatisfy({ conversation.weights[$0] == 1 }) else {
            throw TrainingError(
                .data,
                "the chat template puts generation tags around \(ranges.count) stretches, but there are "
                    + "\(replies.count) replies, so those of another weight than 1 cannot be told: "
                    + "\(Self.shown(messages))")
        }
        let tokens = try self.tokens(rendered.segments)
        var encoded = EncodedConversation(sequences: [])
        var weights = Array(repeating: 0 as Float, count: tokens.count)
        for (number, range) in ranges.enumerated() {
            var weight: Float = 1
            if areReplies {
                let index = replies[number]
                guard conversation.isLearnt(index) else { continue }
                weight = conversation.weights[index]
                encoded.notes += try check(
                    conversation.messages[index], calls: conversation.calls[index],
                    in: String(decoding: bytes[range], as: UTF8.self), name: "reply \(number + 1)", whole: messages)
            }
            let start = try count(of: tokens, before: range.lowerBound, rendered)
            let end = try count(of: tokens, before: range.upperBound, rendered)
            for place in start..<max(start, end) { weights[place] = weight }
            if !tokens[start..<max(start, end)].contains(where: tokenizer.eosTokens.contains) {
                encoded.notes.append(.endNotTrained)
            }
        }
        guard weights.contains(where: { $0 > 0 }) else {
            throw TrainingError(
                .data, "the chat template's generation tags stand around no token: \(Self.shown(messages))")
        }
        for message in messages where !isRendered(message, in: rendered.text) {
            encoded.notes.append(.messageNotRendered)
        }
        encoded.sequences = [
            EncodedChat(
                tokens: tokens, isTrained: weights.map { $0 > 0 }, weights: LossWeights.beyondMask(weights))
        ]
        return encoded
    }

    /// The number of tokens before a byte offset of the text.
    private func count(of tokens: [Int32], before byte: Int, _ rendered: RenderedPrompt) throws -> Int {
        let before = try self.tokens(rendered.segments(in: 0..<byte))
        return zip(tokens, before).prefix { $0 == $1 }.count
    }
}
