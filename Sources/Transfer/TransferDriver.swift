import CTransfer

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Drives all transfers of a loop from its thread, through libcurl's multi interface: libcurl names the sockets it waits
/// for and the time it wants to be called at, the thread sleeps in `poll` on them.
/// Source: https://curl.se/libcurl/c/libcurl-multi.html, "multi_socket".
final class TransferDriver {
    private let loop: TransferLoop
    private var multi: UnsafeMutableRawPointer?
    private var byPointer: [UnsafeMutableRawPointer: EasyHandle] = [:]
    private var byTransfer: [ObjectIdentifier: EasyHandle] = [:]
    /// Sockets that libcurl waits for, with the events of `poll`.
    private var sockets: [Int32: Int16] = [:]
    private var polled: [pollfd] = []
    private var isPolledCurrent = false
    private var deadline: ContinuousClock.Instant?

    init(_ loop: TransferLoop) throws(TransferError) {
        self.loop = loop
        multi = martlet_curl_multi(
            { _, socket, events, context, _ in
                TransferDriver.of(context)?.watch(socket, events)
                return 0
            },
            { _, milliseconds, context in
                TransferDriver.of(context)?.setTimer(milliseconds)
                return 0
            }, Unmanaged.passUnretained(self).toOpaque())
        guard multi != nil else { throw .failed(reason: "no memory for transfers") }
    }

    deinit { if let multi { martlet_curl_multi_free(multi) } }

    func run() {
        while true {
            let (commands, isEnding) = loop.take()
            for command in commands { perform(command) }
            if isEnding { break }
            if let due = deadline, due <= .now {
                deadline = nil
                act(-1, 0)
            }
            // Where there is something to do, the sockets are looked at all the same.
            sleep(atMost: loop.fallAsleep() ? nil : 0)
        }
        for handle in byPointer.values {
            remove(handle)
            handle.transfer.finish(.failure(CancellationError()))
        }
        byPointer = [:]
        byTransfer = [:]
        // Connections are closed before the waiting task resumes: the program may exit then, and unload the TLS
        // library.
        if let multi { martlet_curl_multi_free(multi) }
        multi = nil
        for command in loop.closeInbox() {
            switch command {
            case .start(let transfer): transfer.finish(.failure(TransferError.closed))
            case .run(let job): job()
            case .resume, .cancel: break
            }
        }
        loop.tellEnded()
    }

    // MARK: Commands

    private func perform(_ command: TransferLoop.Command) {
        switch command {
        case .run(let job): job()
        case .start(let transfer): start(transfer)
        case .cancel(let transfer):
            if let handle = byTransfer[ObjectIdentifier(transfer)] { remove(handle) }
        case .resume(let transfer):
            guard let handle = byTransfer[ObjectIdentifier(transfer)] else { return }
            let code = martlet_curl_resume(handle.pointer)
            if code != 0 {
                remove(handle)
                handle.end(code)
            }
        }
    }

    private func start(_ transfer: Transfer) {
        guard !transfer.hasEnded, let multi else { return }
        do throws(TransferError) {
            let handle = try EasyHandle(transfer)
            guard martlet_curl_add(multi, handle.pointer) == 0 else {
                throw .failed(reason: "no memory for a transfer")
            }
            byPointer[handle.pointer] = handle
            byTransfer[ObjectIdentifier(transfer)] = handle
        } catch {
            transfer.finish(.failure(error))
        }
    }

    private func remove(_ handle: EasyHandle) {
        if let multi { _ = martlet_curl_remove(multi, handle.pointer) }
        byPointer[handle.pointer] = nil
        byTransfer[ObjectIdentifier(handle.transfer)] = nil
    }

    // MARK: Events

    private func act(_ socket: Int32, _ events: Int32) {
        guard let multi else { return }
        _ = martlet_curl_act(multi, socket, events)
        var code: Int32 = 0
        while let pointer = martlet_curl_ended(multi, &code) {
            guard let handle = byPointer[pointer] else { continue }
            handle.end(code)
            remove(handle)
        }
    }

    /// Sleeps until a socket is ready, the deadline passes or a command arrives, then lets libcurl handle the sockets.
    private func sleep(atMost limit: Int32?) {
        if !isPolledCurrent {
            polled = [pollfd(fd: loop.sleepEnd, events: Int16(POLLIN), revents: 0)]
            polled += sockets.map { pollfd(fd: $0.key, events: $0.value, revents: 0) }
            isPolledCurrent = true
        }
        let count = poll(&polled, nfds_t(polled.count), limit ?? millisecondsLeft)
        guard count > 0 else { return }
        if polled[0].revents != 0 { loop.wakeUp() }
        // Handling one socket may change the set of sockets.
        let ready = polled.dropFirst().filter { $0.revents != 0 }
        for entry in ready where sockets[entry.fd] != nil {
            let events = Int32(entry.revents)
            // An error shows when libcurl reads or writes.
            let reads = events & (POLLIN | POLLHUP | POLLERR) != 0, writes = events & (POLLOUT | POLLERR) != 0
            act(entry.fd, (reads ? 1 : 0) | (writes ? 2 : 0))
        }
    }

    /// Milliseconds until the deadline, rounded up so that the thread does not wake before it; -1 without a deadline.
    private var millisecondsLeft: Int32 {
        guard let deadline else { return -1 }
        let left = deadline - .now
        guard left > .zero else { return 0 }
        return Int32(clamping: Int((left / .milliseconds(1)).rounded(.up)))
    }

    private static func of(_ context: UnsafeMutableRawPointer?) -> TransferDriver? {
        context.map { Unmanaged<TransferDriver>.fromOpaque($0).takeUnretainedValue() }
    }

    private func watch(_ socket: Int32, _ events: Int32) {
        let wanted: Int16? =
            switch events {
            case 1: Int16(POLLIN)
            case 2: Int16(POLLOUT)
            case 3: Int16(POLLIN | POLLOUT)
            default: nil
            }
        if sockets[socket] != wanted {
            sockets[socket] = wanted
            isPolledCurrent = false
        }
    }

    private func setTimer(_ milliseconds: Int) {
        deadline = milliseconds < 0 ? nil : .now + .milliseconds(milliseconds)
    }
}
