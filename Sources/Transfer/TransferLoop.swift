import CTransfer
import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Passes commands from other threads to the one that drives transfers: an inbox, and a pipe that this thread polls.
final class TransferLoop: Sendable {
    enum Command: Sendable {
        case start(Transfer)
        /// The reader has taken what was buffered.
        case resume(Transfer)
        /// The reader is gone.
        case cancel(Transfer)
        case run(@Sendable () -> Void)
    }

    private struct Inbox {
        var commands: [Command] = []
        /// The thread sleeps, or is about to.
        var isAsleep = false
        var isEnding = false
        var hasEnded = false
        var endWaiters: [CheckedContinuation<Void, Never>] = []
    }

    private let inbox = Mutex(Inbox())
    /// The end of the pipe to sleep on, and the one to wake by.
    let sleepEnd: Int32
    private let wakeEnd: Int32

    /// Starts the thread.
    init() throws(TransferError) {
        var ends: [Int32] = [-1, -1]
        let code = martlet_wake_pipe(&ends)
        guard code == 0 else { throw .failed(reason: "no pipe for transfers: \(String(cString: strerror(code)))") }
        (sleepEnd, wakeEnd) = (ends[0], ends[1])
        let driver = Unmanaged.passRetained(try TransferDriver(self))
        let status = martlet_transfer_thread(
            { Unmanaged<TransferDriver>.fromOpaque($0).takeRetainedValue().run() }, driver.toOpaque())
        guard status == 0 else {
            driver.release()
            throw .failed(reason: "no thread for transfers: \(String(cString: strerror(status)))")
        }
    }

    deinit {
        close(sleepEnd)
        close(wakeEnd)
    }

    /// Hands a command to the thread.
    /// - Returns: false where it has ended.
    func post(_ command: Command) -> Bool {
        let (isTaken, wakes) = inbox.withLock { inbox in
            guard !inbox.hasEnded else { return (false, false) }
            inbox.commands.append(command)
            defer { inbox.isAsleep = false }
            return (true, inbox.isAsleep)
        }
        if wakes { wake() }
        return isTaken
    }

    /// Asks the thread to cancel all transfers and to exit.
    func end() {
        let wakes = inbox.withLock { inbox in
            inbox.isEnding = true
            defer { inbox.isAsleep = false }
            return inbox.isAsleep
        }
        if wakes { wake() }
    }

    /// Waits until the thread has released everything.
    func untilEnded() async {
        await withCheckedContinuation { waiter in
            let hasEnded = inbox.withLock { inbox in
                if !inbox.hasEnded { inbox.endWaiters.append(waiter) }
                return inbox.hasEnded
            }
            if hasEnded { waiter.resume() }
        }
    }

    private func wake() {
        var byte: UInt8 = 1
        // A pipe that is full wakes it as well.
        _ = write(wakeEnd, &byte, 1)
    }

    // MARK: The thread's side

    /// The posted commands, and whether the thread is asked to exit.
    func take() -> (commands: [Command], isEnding: Bool) {
        inbox.withLock { inbox in
            inbox.isAsleep = false
            defer { inbox.commands = [] }
            return (inbox.commands, inbox.isEnding)
        }
    }

    /// Whether there is nothing to do, in which case the next command writes to the pipe.
    func fallAsleep() -> Bool {
        inbox.withLock { inbox in
            inbox.isAsleep = inbox.commands.isEmpty && !inbox.isEnding
            return inbox.isAsleep
        }
    }

    /// Empties the pipe.
    func wakeUp() {
        var bytes: (UInt64, UInt64) = (0, 0)
        withUnsafeMutableBytes(of: &bytes) { bytes in
            while read(sleepEnd, bytes.baseAddress, bytes.count) == bytes.count {}
        }
    }

    /// Closes the inbox and returns the commands that are left in it.
    func closeInbox() -> [Command] {
        inbox.withLock { inbox in
            inbox.hasEnded = true
            defer { inbox.commands = [] }
            return inbox.commands
        }
    }

    func tellEnded() {
        let waiters = inbox.withLock { inbox in
            defer { inbox.endWaiters = [] }
            return inbox.endWaiters
        }
        for waiter in waiters { waiter.resume() }
    }
}
