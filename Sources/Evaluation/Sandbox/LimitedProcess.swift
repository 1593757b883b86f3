#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A program with pipes to its input and output, a group of its own, and an end at a given time.
struct LimitedProcess {
    private let arguments: [String]

    init(_ arguments: [String]) throws(EvaluationError) {
        guard !arguments.isEmpty else { throw EvaluationError("sandbox", "there is no program to run") }
        self.arguments = arguments
    }

    /// - Returns: what it wrote, output and errors together, up to a limit; and whether it ended by itself.
    mutating func run(input: [UInt8], seconds: Double, outputLimit: Int) -> (output: [UInt8], isInTime: Bool) {
        var inward: [Int32] = [-1, -1], outward: [Int32] = [-1, -1]
        guard pipe(&inward) == 0, pipe(&outward) == 0 else { return (Self.problem("pipe"), true) }
        for descriptor in inward + outward { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        defer {
            for descriptor in [inward[0], inward[1], outward[0], outward[1]] where descriptor >= 0 { close(descriptor) }
        }
        guard let child = start(reading: inward[0], writing: outward[1]) else {
            return (Self.problem(arguments[0]), true)
        }
        close(inward[0])
        close(outward[1])
        (inward[0], outward[1]) = (-1, -1)
        _ = fcntl(inward[1], F_SETFL, O_NONBLOCK)
        _ = fcntl(outward[0], F_SETFL, O_NONBLOCK)
        var output: [UInt8] = [], sent = 0, isOpen = true
        let deadline = Self.now() + seconds
        while isOpen, Self.now() < deadline {
            var waits = [
                pollfd(fd: inward[1], events: Int16(POLLOUT), revents: 0),
                pollfd(fd: outward[0], events: Int16(POLLIN), revents: 0),
            ]
            _ = poll(&waits, 2, 50)
            if inward[1] >= 0, waits[0].revents != 0 { send(input, &sent, &inward[1]) }
            if waits[1].revents != 0 { isOpen = receive(outward[0], &output, outputLimit) }
        }
        // Whatever it started ends with it.
        if isOpen { kill(-child, SIGKILL) }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        kill(-child, SIGKILL)
        return (output, !isOpen)
    }

    private func send(_ input: [UInt8], _ sent: inout Int, _ descriptor: inout Int32) {
        let count = input[sent...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        if count > 0 { sent += count }
        guard sent == input.count || (count < 0 && errno != EAGAIN && errno != EINTR) else { return }
        close(descriptor)
        descriptor = -1
    }

    /// False at the end. What is beyond the limit is read and dropped.
    private func receive(_ descriptor: Int32, _ output: inout [UInt8], _ limit: Int) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = read(descriptor, &buffer, buffer.count)
        if count < 0 { return errno == EAGAIN || errno == EINTR }
        // The end is what counts.
        output += buffer[..<count]
        if output.count > limit { output.removeFirst(output.count - limit) }
        return count > 0
    }

    private func start(reading input: Int32, writing output: Int32) -> pid_t? {
        #if canImport(Darwin)
        var actions: posix_spawn_file_actions_t?, attributes: posix_spawnattr_t?
        #else
        var actions = posix_spawn_file_actions_t(), attributes = posix_spawnattr_t()
        #endif
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_adddup2(&actions, input, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, output, 2)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP))
        posix_spawnattr_setpgroup(&attributes, 0)
        var child = pid_t()
        let strings = arguments.map { strdup($0) } + [nil]
        defer { for string in strings { free(string) } }
        return posix_spawnp(&child, arguments[0], &actions, &attributes, strings, environ) == 0 ? child : nil
    }

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private static func problem(_ what: String) -> [UInt8] {
        Array("\(what): \(String(cString: strerror(errno)))".utf8)
    }
}
