import Dispatch
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// SIGTERM and SIGINT, heard on a queue of their own: no work of a request, however long, stands before them.
///
/// A dispatch source for the signals themselves hears nothing on Linux while they are ignored, and does not keep them from
/// ending the process while they are not; hence a handler, which may do no more than call the system, and a pipe.
final class StopSignals: Sendable {
    private static let signals = [SIGTERM, SIGINT]
    /// Where the handler writes; that of the latest instance.
    private static let writeEnd = Atomic<Int32>(-1)
    private static let heard = Atomic<Int>(0)

    // Set once, and cancelled from one place.
    private nonisolated(unsafe) let source: (any DispatchSourceRead)?
    private let descriptor: Int32

    /// - Parameters:
    ///   - onFirst: called for the first of the signals.
    ///   - onSecond: called for each that follows. The third ends the process by itself.
    init(onFirst: @escaping @Sendable () -> Void, onSecond: @escaping @Sendable (Int32) -> Void) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            // Without a descriptor left the signals do what they do without a handler.
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

    /// In the signal handler.
    private static func note(_ number: Int32) {
        if heard.add(1, ordering: .relaxed).newValue > 2 { _exit(128 + number) }
        var byte = UInt8(truncatingIfNeeded: number)
        _ = write(writeEnd.load(ordering: .relaxed), &byte, 1)
    }

    /// Hears no more; the signals do what they do without a handler.
    func stop() {
        guard let source else { return }
        let (isLatest, _) = Self.writeEnd.compareExchange(
            expected: descriptor, desired: -1, ordering: .relaxed)
        if isLatest { for number in Self.signals { signal(number, SIG_DFL) } }
        source.cancel()
        close(descriptor)
    }
}
