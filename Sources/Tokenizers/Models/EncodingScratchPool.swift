import Synchronization

/// A pool of encoding caches: each call borrows one and returns it, so that caches are reused by later calls and never
/// shared by concurrent ones.
package final class EncodingScratchPool: Sendable {
    private let idle = Mutex<[EncodingScratch]>([])
    /// Two megabytes each; if more calls run concurrently, which is rare, their caches are freed.
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
