import MartletJSON
import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Why a program that answers lines did not.
struct LineProgramFailure: Error {
    enum Kind { case start, timeout, ended, more, longLine }
    var kind: Kind
    /// Lines it had answered.
    var answered = 0
    var reason = ""
}

/// A program in any language that gets JSON lines on its standard input and answers each with a line on its standard output. It
/// is started once.
///
/// It is ended with this object, whatever it is doing; its standard error is ours. A process that is killed leaves it with
/// its input at an end.
final class LineProgram {
    let path: String
    private let process: pid_t
    /// A socket, since a pipe whose reader has gone would end us with a signal.
    private let input: Int32
    private let output: Int32
    private var received: [UInt8] = []
    /// No answer is longer.
    private static let longestLine = 1 << 20

    /// - Throws: `LineProgramFailure` where it cannot be started.
    init(path: String) throws {
        self.path = path
        func cannot(_ reason: String) -> LineProgramFailure { LineProgramFailure(kind: .start, reason: reason) }
        guard access(path, X_OK) == 0 else {
            throw cannot("cannot be run: \(String(cString: strerror(errno)))")
        }
        var ends: [Int32] = [-1, -1], pipeEnds: [Int32] = [-1, -1]
        #if canImport(Glibc)
        let stream = Int32(SOCK_STREAM.rawValue)
        #else
        let stream = SOCK_STREAM
        #endif
        guard socketpair(AF_UNIX, stream, 0, &ends) == 0 else {
            throw cannot("has no socket: \(String(cString: strerror(errno)))")
        }
        guard pipe(&pipeEnds) == 0 else {
            ends.forEach { _ = close($0) }
            throw cannot("has no pipe: \(String(cString: strerror(errno)))")
        }
        for descriptor in ends + pipeEnds { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        for descriptor in [ends[0], pipeEnds[0]] {
            _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        }
        #if canImport(Darwin)
        var on: Int32 = 1
        setsockopt(ends[0], SOL_SOCKET, SO_NOSIGPIPE, &on, socklen_t(MemoryLayout<Int32>.size))
        #endif
        // A group of its own: what it starts ends with it, and Ctrl-C reaches us alone, who save first.
        let spawn = Spawn([path], input: .descriptor(ends[1]), output: .descriptor(pipeEnds[1]))
        var found = spawn.start()
        // Somebody who has just written it has not let go of it yet.
        for _ in 0..<50 where found.status == ETXTBSY {
            usleep(20_000)
            found = spawn.start()
        }
        close(ends[1])
        close(pipeEnds[1])
        guard found.status == 0 else {
            close(ends[0])
            close(pipeEnds[0])
            throw cannot("cannot be run: \(String(cString: strerror(found.status)))")
        }
        (input, output, process) = (ends[0], pipeEnds[0], found.process)
    }

    deinit {
        close(input)
        close(output)
        kill(-process, SIGKILL)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
    }

    /// Sends lines and waits for as many answers, each given to `take` as it comes.
    /// - Throws: `LineProgramFailure` where it takes too long, ends, or answers with more; what `take` throws.
    func exchange(_ lines: [JSON], seconds: Double, _ take: (Int, [UInt8]) throws -> Void) throws {
        try demandNothingMore()
        let sending = lines.flatMap { Array(($0.text() + "\n").utf8) }
        let end = ContinuousClock.now + .seconds(seconds)
        var sent = 0, answered = 0
        while answered < lines.count {
            if let line = takeLine() {
                try take(answered, line)
                answered += 1
                continue
            }
            let left = (end - ContinuousClock.now) / .milliseconds(1)
            guard left > 0 else { throw LineProgramFailure(kind: .timeout, answered: answered) }
            var waiting = [
                pollfd(fd: output, events: Int16(POLLIN), revents: 0),
                pollfd(fd: sent < sending.count ? input : -1, events: Int16(POLLOUT), revents: 0),
            ]
            _ = poll(&waiting, 2, Int32(min(left.rounded(.up), 1000)))
            if waiting[1].revents != 0 { sent += send(sending[sent...]) }
            if waiting[0].revents != 0 { try receive(answered) }
        }
        try demandNothingMore()
    }

    /// What was not asked for would be taken for an answer to the next line.
    private func demandNothingMore() throws {
        var more = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
        if poll(&more, 1, 0) > 0, more.revents & Int16(POLLIN) != 0 { try receive(0) }
        guard received.isEmpty else { throw LineProgramFailure(kind: .more) }
    }

    private func send(_ bytes: ArraySlice<UInt8>) -> Int {
        #if canImport(Darwin)
        let flags: Int32 = 0
        #else
        let flags = Int32(truncatingIfNeeded: Int(MSG_NOSIGNAL))
        #endif
        let count = bytes.withUnsafeBytes { platformSend(input, $0.baseAddress, $0.count, flags) }
        if count >= 0 { return count }
        // That it has gone is told by its output's end.
        return errno == EPIPE || errno == ECONNRESET ? bytes.count : 0
    }

    private func receive(_ answered: Int) throws {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = read(output, &buffer, buffer.count)
        if count < 0 { return }
        guard count > 0 else { throw LineProgramFailure(kind: .ended, answered: answered) }
        received += buffer[..<count]
        guard received.count <= Self.longestLine || received.contains(UInt8(ascii: "\n")) else {
            throw LineProgramFailure(kind: .longLine, answered: answered)
        }
    }

    private func takeLine() -> [UInt8]? {
        guard let end = received.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        defer { received.removeFirst(end + 1) }
        return Array(received[..<end])
    }
}

private func platformSend(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int, _ flags: Int32) -> Int {
    #if canImport(Darwin)
    Darwin.send(descriptor, bytes, count, flags)
    #elseif canImport(Glibc)
    Glibc.send(descriptor, bytes, count, flags)
    #else
    Musl.send(descriptor, bytes, count, flags)
    #endif
}
