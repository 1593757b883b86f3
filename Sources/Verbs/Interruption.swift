import Dispatch
import MartletCatalog
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Handles Ctrl-C during a task.
package enum Interruption {
    /// Interrupts since the work began.
    private static let count = Atomic<Int>(0)
    /// The pipe that the signal handler writes to: a handler may only make async-signal-safe calls.
    private static let writeEnd = Atomic<Int32>(-1)

    /// Cancels `task` at the first interrupt; a second one ends the process.
    ///
    /// A dispatch source for the signal itself sees nothing on Linux while the signal is ignored, and does not keep it
    /// from ending the process while it is not; hence a handler and a pipe.
    package static func cancelling<Success: Sendable, Value>(
        _ task: Task<Success, any Error>, _ body: () async throws -> Value
    ) async throws -> Value {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return try await body() }
        let readEnd = ends[0]
        count.store(0, ordering: .relaxed)
        writeEnd.store(ends[1], ordering: .relaxed)
        let source = DispatchSource.makeReadSource(fileDescriptor: readEnd, queue: .global())
        source.setEventHandler {
            var byte: UInt8 = 0
            _ = read(readEnd, &byte, 1)
            task.cancel()
        }
        source.setCancelHandler { close(readEnd) }
        source.resume()
        signal(SIGINT) { _ in Interruption.note() }
        defer {
            signal(SIGINT, SIG_DFL)
            close(writeEnd.exchange(-1, ordering: .relaxed))
            source.cancel()
        }
        return try await body()
    }

    /// Called by the signal handler.
    private static func note() {
        if count.add(1, ordering: .relaxed).oldValue > 0 {
            Terminal.restoreInput()
            _exit(130)
        }
        let saved = errno
        var byte: UInt8 = 1
        _ = write(writeEnd.load(ordering: .relaxed), &byte, 1)
        errno = saved
    }
}
