import MartletChat
import MartletInference

extension GenerationPlan {
    /// Tokens that prompt and reply may have together: the model's context, or the smaller one that the request asks for.
    static func contextLength(_ request: GenerationRequest, _ model: LanguageModel) -> Int {
        min(model.configuration.contextLength, request.contextLength ?? .max)
    }

    /// Tokens that there is room for behind a prompt.
    static func room(afterPrompt count: Int, _ request: GenerationRequest, _ model: LanguageModel) -> Int {
        let room = model.room(afterPrompt: count)
        // The reply of an encoder-decoder does not stand behind its source.
        guard let length = request.contextLength, model.reader == nil else { return room }
        return min(room, max(length - count, 0))
    }

    /// The conversation as a prompt. Where the request allows it, its oldest turns are left out until there is room for a
    /// reply; system messages and the last turn stay.
    static func rendered(
        _ conversation: Conversation, _ request: GenerationRequest, _ voice: ModelVoice, limit: Int
    ) throws(APIError) -> ModelVoice.Rendered {
        var best = try voice.prompt(conversation, request)
        guard request.dropsOldestTurns, best.tokens.count >= limit else { return best }
        let messages = conversation.messages
        func isSystem(_ message: ChatMessage) -> Bool { ["system", "developer"].contains(message.role) }
        // Many templates refuse a conversation that does not begin with the user.
        let starts = messages.indices.filter { index in
            messages[index].role == "user" && !messages[..<index].allSatisfy(isSystem)
        }
        // The more is left out, the shorter it is: the first start that fits is found by bisection, the last if none does.
        var range = starts.indices
        while !range.isEmpty {
            if Task.isCancelled { throw .clientLeft }
            let middle = range.lowerBound + range.count / 2, start = starts[middle]
            var shorter = conversation
            shorter.messages = messages[..<start].filter(isSystem) + messages[start...]
            let rendered = try voice.prompt(shorter, request)
            if rendered.tokens.count < limit {
                (best, range) = (rendered, range.lowerBound..<middle)
            } else {
                if middle == starts.count - 1 { best = rendered }
                range = (middle + 1)..<range.upperBound
            }
        }
        return best
    }
}
