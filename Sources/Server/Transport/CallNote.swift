import Synchronization

/// What a handler reports to the access log, the metrics and the quotas. Never contains prompt text.
package final class CallNote: Sendable {
    package struct Content: Sendable {
        package var model: String?
        package var promptTokens = 0
        package var cachedTokens = 0
        package var replyTokens = 0
        package var finishReason: String?
    }
    private let content = Mutex(Content())

    package init() {}

    package var value: Content { content.withLock { $0 } }
    package func update(_ change: (inout Content) -> Void) { content.withLock { change(&$0) } }
}
