import Dispatch
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Handles SIGTERM and SIGINT on its own queue, so that requests cannot delay them.
///
/// On Linux a dispatch source for a signal receives nothing while the signal is ignored, and does not prevent the
/// default action while it is not; therefore a signal handler, which may only make system calls, writes to a pipe.
final class StopSignals: Sendable {
    private static let signals = [SIGTERM, SIGINT]
    /// The pipe end that the handler of the latest instance writes to.
    private static let writeEnd = Atomic<Int32>(-1)
    private static let heard = Atomic<Int>(0)

    // Set once, and cancelled from one place.
    private nonisolated(unsafe) let source: (any DispatchSourceRead)?
    private let descriptor: Int32

    /// - Parameters:
    ///   - onFirst: called for the first signal.
    ///   - onSecond: called for each later signal. The third one ends the process directly.
    init(onFirst: @escaping @Sendable () -> Void, onSecond: @escaping @Sendable (Int32) -> Void) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            // Without a free file descriptor the signals keep their default action.
            source = nil
            descriptor = -1
            return
        }
        let readEnd = ends[0], count = Atomic(0)
        descriptor = ends[1]
        let source = DispatchSource.makeReadSource(
            fileDescriptor: readEnd, queue: DispatchQueue(label: "martlet.signals", qos: .userInteractive))
        source.setEventHandler {
            var number: UInt8 = 0
            guard read(readEnd, &number, 1) == 1 else { return }
            if count.add(1, ordering: .relaxed).oldValue == 0 { onFirst() } else { onSecond(Int32(number)) }
        }
        source.setCancelHandler { close(readEnd) }
        source.resume()
        self.source = source
        Self.heard.store(0, ordering: .relaxed)
        Self.writeEnd.store(descriptor, ordering: .relaxed)
        for number in Self.signals { signal(number) { StopSignals.note($0) } }
    }

    /// Runs in the signal handler.
    private static func note(_ number: Int32) {
        if heard.add(1, ordering: .relaxed).newValue > 2 { _exit(128 + number) }
        var byte = UInt8(truncatingIfNeeded: number)
        _ = write(writeEnd.load(ordering: .relaxed), &byte, 1)
    }

    /// Stops handling; the signals get their default action back.
    func stop() {
        guard let source else { return }
        let (isLatest, _) = Self.writeEnd.compareExchange(
            expected: descriptor, desired: -1, ordering: .relaxed)
        if isLatest { for number in Self.signals { signal(number, SIG_DFL) } }
        source.cancel()
        close(descriptor)
    }
}
