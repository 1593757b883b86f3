import MartletJSON
import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A program that judges replies, in any language: it is started once, gets a JSON line for each reply on its standard
/// input, and answers each with a line on its standard output, a number or `{"reward": number}`.
///
///     {"prompt": [{"role": "user", "content": "1 + 1?"}], "reply": "2", "answer": "2", "columns": {}}
///
/// It is terminated with this object, whatever it is doing; it shares our standard error. If our process is killed, its
/// standard input ends.
final class RewardProgram {
    let path: String
    /// The timeout for the replies of a step.
    let seconds: Double
    private let process: pid_t
    /// A socket, because writing to a pipe without a reader would kill this process by SIGPIPE.
    private let input: Int32
    private let output: Int32
    private var received: [UInt8] = []
    /// The limit on the bytes of an answer.
    private static let longestLine = 1 << 20

    /// - Throws: `RewardError` where it cannot be started.
    init(path: String, seconds: Double) throws {
        self.path = path
        self.seconds = seconds
        guard access(path, X_OK) == 0 else {
            throw RewardError(
                .unknown, "the reward program \(path) cannot be run: \(String(cString: strerror(errno)))")
        }
        var ends: [Int32] = [-1, -1], pipeEnds: [Int32] = [-1, -1]
        #if canImport(Glibc)
        let stream = Int32(SOCK_STREAM.rawValue)
        #else
        let stream = SOCK_STREAM
        #endif
        guard socketpair(AF_UNIX, stream, 0, &ends) == 0 else {
            throw RewardError(.unknown, "\(path): no socket: \(String(cString: strerror(errno)))")
        }
        guard pipe(&pipeEnds) == 0 else {
            ends.forEach { _ = close($0) }
            throw RewardError(.unknown, "\(path): no pipe: \(String(cString: strerror(errno)))")
        }
        for descriptor in ends + pipeEnds { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        for descriptor in [ends[0], pipeEnds[0]] {
            _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        }
        #if canImport(Darwin)
        var on: Int32 = 1
        setsockopt(ends[0], SOL_SOCKET, SO_NOSIGPIPE, &on, socklen_t(MemoryLayout<Int32>.size))
        #endif
        var found: (status: Int32, process: pid_t) = Self.spawn(path, input: ends[1], output: pipeEnds[1])
        // The file is still open for writing (ETXTBSY): whoever has just written it has not closed it yet.
        for _ in 0..<50 where found.status == ETXTBSY {
            usleep(20_000)
            found = Self.spawn(path, input: ends[1], output: pipeEnds[1])
        }
        close(ends[1])
        close(pipeEnds[1])
        guard found.status == 0 else {
            close(ends[0])
            close(pipeEnds[0])
            throw RewardError(
                .unknown, "the reward program \(path) cannot be run: \(String(cString: strerror(found.status)))")
        }
        (input, output, process) = (ends[0], pipeEnds[0], found.process)
    }

    private static func spawn(_ path: String, input: Int32, output: Int32) -> (Int32, pid_t) {
        #if canImport(Darwin)
        var actions: posix_spawn_file_actions_t?
        var attributes: posix_spawnattr_t?
        #else
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        #endif
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_adddup2(&actions, input, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        // Its own process group: its child processes end with it, and Ctrl-C reaches only this process, which saves
        // first.
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        posix_spawnattr_setpgroup(&attributes, 0)
        var process: pid_t = 0
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup(path), nil]
        defer { free(arguments[0]) }
        let status = posix_spawn(&process, path, &actions, &attributes, &arguments, environ)
        return (status, process)
    }

    deinit {
        close(input)
        close(output)
        kill(-process, SIGKILL)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
    }

    /// - Throws: `RewardError` where it takes too long, ends, or answers with something else than a number a reply.
    func score(_ requests: [RewardRequest]) throws -> [Double] {
        try demandNothingMore()
        var sending: [UInt8] = []
        for request in requests {
            let line: JSON = [
                "prompt": .array(request.prompt.map(\.json)), "reply": .string(request.reply),
                "answer": request.answer.map { .string($0) } ?? .null, "columns": .object(request.columns),
            ]
            sending += Array((line.text() + "\n").utf8)
        }
        let end = ContinuousClock.now + .seconds(seconds)
        var sent = 0, scores: [Double] = []
        while scores.count < requests.count {
            if let line = takeLine() {
                scores.append(try number(line, of: requests[scores.count]))
                continue
            }
            let left = (end - ContinuousClock.now) / .milliseconds(1)
            guard left > 0 else {
                throw RewardError(
                    .timeout,
                    "the reward program \(path) answered \(scores.count) of \(requests.count) replies in \(seconds) s; the "
                        + "next is \"\(requests[scores.count].reply.prefix(200))\". Raise reward_seconds, or look at what it "
                        + "waits for")
            }
            var waiting = [
                pollfd(fd: output, events: Int16(POLLIN), revents: 0),
                pollfd(fd: sent < sending.count ? input : -1, events: Int16(POLLOUT), revents: 0),
            ]
            _ = poll(&waiting, 2, Int32(min(left.rounded(.up), 1000)))
            if waiting[1].revents != 0 { sent += try send(sending[sent...]) }
            if waiting[0].revents != 0 { try receive(scores.count, of: requests.count) }
        }
        try demandNothingMore()
        return scores
    }

    /// An unexpected line would be taken for the answer to the next reply.
    private func demandNothingMore() throws {
        var more = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
        if poll(&more, 1, 0) > 0, more.revents & Int16(POLLIN) != 0 { try receive(0, of: 0) }
        guard received.isEmpty else {
            throw RewardError(.count, "the reward program \(path) answered more than a line for each reply")
        }
    }

    private func send(_ bytes: ArraySlice<UInt8>) throws -> Int {
        #if canImport(Darwin)
        let flags: Int32 = 0
        #else
        let flags = Int32(truncatingIfNeeded: Int(MSG_NOSIGNAL))
        #endif
        let count = bytes.withUnsafeBytes { platformSend(input, $0.baseAddress, $0.count, flags) }
        if count >= 0 { return count }
        // Its exit is noticed by the end of its output.
        return errno == EPIPE || errno == ECONNRESET ? bytes.count : 0
    }

    private func receive(_ answered: Int, of asked: Int) throws {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = read(output, &buffer, buffer.count)
        if count < 0 { return }
        guard count > 0 else {
            throw RewardError(
                .exited,
                "the reward program \(path) ended after \(answered) of \(asked) answers; what it says is on standard "
                    + "error")
        }
        received += buffer[..<count]
        guard received.count <= Self.longestLine || received.contains(UInt8(ascii: "\n")) else {
            throw RewardError(.number, "the reward program \(path) answers with a line of more than a megabyte")
        }
    }

    private func takeLine() -> [UInt8]? {
        guard let end = received.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        defer { received.removeFirst(end + 1) }
        return Array(received[..<end])
    }

    private func number(_ line: [UInt8], of request: RewardRequest) throws -> Double {
        let json = try? JSON(parsing: line)
        guard let value = (json?["reward"] ?? json)?.double, value.isFinite else {
            throw RewardError(
                .number,
                "the reward program \(path) answered \"\(String(decoding: line.prefix(200), as: UTF8.self))\", which is no "
                    + "number, to the reply \"\(request.reply.prefix(200))\"")
        }
        return value
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
