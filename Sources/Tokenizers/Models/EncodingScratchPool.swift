import Synchronization

/// The memories of a tokenizer's calls: each call takes one and gives it back, so that what one text has taught serves
/// the next, and calls on several threads never share.
package final class EncodingScratchPool: Sendable {
    private let idle = Mutex<[EncodingScratch]>([])
    /// Two megabytes each; more calls than this at a time are rare, and theirs are given up.
    private static let mostIdle = 8

    package init() {}

    @inline(__always)
    package func borrow<Result, Failure: Error>(
        _ body: (EncodingScratch) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let scratch = idle.withLock { $0.popLast() } ?? EncodingScratch()
        defer {
            idle.withLock { if $0.count < Self.mostIdle { $0.append(scratch) } }
        }
        return try body(scratch)
    }
}
