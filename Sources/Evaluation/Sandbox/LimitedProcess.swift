import MartletSystem

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
        guard pipe(&inward) == 0, pipe(&outward) == 0 else { return (Self.problem("pipe", errno), true) }
        for descriptor in inward + outward { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        defer {
            for descriptor in [inward[0], inward[1], outward[0], outward[1]] where descriptor >= 0 { close(descriptor) }
        }
        let (status, child) = Spawn(
            arguments, input: .descriptor(inward[0]), output: .descriptor(outward[1]), errors: .descriptor(outward[1]),
            searches: true
        ).start()
        guard status == 0 else { return (Self.problem(arguments[0], status), true) }
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
        var ending: Int32 = 0
        while waitpid(child, &ending, 0) < 0, errno == EINTR {}
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

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private static func problem(_ what: String, _ number: Int32) -> [UInt8] {
        Array("\(what): \(String(cString: strerror(number)))".utf8)
    }
}
