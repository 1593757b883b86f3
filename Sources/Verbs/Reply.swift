import MartletCatalog

/// A reply being shown as it comes.
enum Reply {
    struct Result {
        var text = ""
        var reason: FinishReason?
        var statistics: GenerationStatistics?
    }

    /// Streams a reply to standard output. Ctrl-C stops it; what has been said stays. The caller restores the terminal's
    /// input in the end.
    static func show(_ stream: AsyncThrowingStream<GeneratedToken, any Error>) async throws -> Result {
        let task = Task {
            var result = Result()
            var wrap = WordWrap(columns: Terminal.outputIsTerminal ? Terminal.columns : nil)
            for try await piece in stream {
                result.text += piece.text
                if !piece.text.isEmpty, !Terminal.show(wrap.append(piece.text)) { break }
                if let reason = piece.finishReason {
                    result.reason = reason
                    result.statistics = piece.statistics
                }
            }
            if Task.isCancelled { result.reason = .cancelled }
            return result
        }
        return try await Interruption.cancelling(task) {
            Terminal.quietInput()
            return try await task.value
        }
    }

    /// One line of counts, speeds and memory.
    static func summary(_ statistics: GenerationStatistics, _ reason: FinishReason?) -> String {
        var parts: [String] = []
        var prompt = "prompt \(statistics.promptTokens) tokens"
        if statistics.cachedTokens > 0 { prompt += " (\(statistics.cachedTokens) cached)" }
        if statistics.promptSeconds > 0 { prompt += " at \(Terminal.fixed(statistics.promptTokensPerSecond, 1)) tok/s" }
        parts.append(prompt)
        parts.append(
            "reply \(statistics.replyTokens) tokens at \(Terminal.fixed(statistics.replyTokensPerSecond, 1)) tok/s")
        if statistics.draftedTokens > 0 {
            parts.append("\(statistics.acceptedTokens) of \(statistics.draftedTokens) drafted tokens accepted")
        }
        if reason == .repetition { parts.append("ended: it went round in circles (--no-stop-loops lets it)") }
        if reason == .length { parts.append("cut at the token limit") }
        parts.append("peak memory \(Terminal.bytes(Terminal.peakMemory))")
        return parts.joined(separator: " · ")
    }
}
