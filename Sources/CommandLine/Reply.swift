import Dispatch
import Martlet

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A reply being shown as it comes.
enum Reply {
    struct Result {
        var text = ""
        var reason: FinishReason?
        var statistics: GenerationStatistics?
    }

    /// Streams a reply to standard output. Ctrl-C stops it; what has been said stays.
    static func show(_ stream: AsyncThrowingStream<GeneratedToken, any Error>) async throws -> Result {
        let task = Task {
            var result = Result()
            for try await piece in stream {
                result.text += piece.text
                if !piece.text.isEmpty, !Terminal.show(piece.text) { break }
                if let reason = piece.finishReason {
                    result.reason = reason
                    result.statistics = piece.statistics
                }
            }
            if Task.isCancelled { result.reason = .cancelled }
            return result
        }
        return try await Interruption.cancelling(task) { try await task.value }
    }

    /// One line of counts, speeds and memory.
    static func summary(_ statistics: GenerationStatistics) -> String {
        var parts: [String] = []
        var prompt = "prompt \(statistics.promptTokens) tokens"
        if statistics.cachedTokens > 0 { prompt += " (\(statistics.cachedTokens) cached)" }
        if statistics.promptSeconds > 0 { prompt += " at \(Terminal.fixed(statistics.promptTokensPerSecond, 1)) tok/s" }
        parts.append(prompt)
        parts.append(
            "reply \(statistics.replyTokens) tokens at \(Terminal.fixed(statistics.replyTokensPerSecond, 1)) tok/s")
        parts.append("peak memory \(Terminal.bytes(Terminal.peakMemory))")
        return parts.joined(separator: " · ")
    }
}

/// Ctrl-C while something is under way.
enum Interruption {
    /// Cancels `task` at the first interrupt; a second one ends the process.
    static func cancelling<Success: Sendable, Value>(
        _ task: Task<Success, any Error>, _ body: () async throws -> Value
    ) async rethrows -> Value {
        signal(SIGINT, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
        source.setEventHandler {
            if task.isCancelled { Glibc._exit(130) }
            task.cancel()
        }
        source.resume()
        defer {
            source.cancel()
            signal(SIGINT, SIG_DFL)
        }
        return try await body()
    }
}
