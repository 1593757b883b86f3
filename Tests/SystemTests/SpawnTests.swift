import MartletSystem
import Testing

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

struct SpawnTests {
    /// What a program writes, and the number of the error where it does not start.
    private func run(_ arguments: [String], searches: Bool = false) -> (status: Int32, text: String, leads: Bool) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return (errno, "", false) }
        for descriptor in ends { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[0]) }
        let (status, process) = Spawn(
            arguments, input: .nothing, output: .descriptor(ends[1]), errors: .descriptor(ends[1]), searches: searches
        ).start()
        close(ends[1])
        guard status == 0 else { return (status, "", false) }
        var bytes: [UInt8] = [], buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(ends[0], &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        // It is not forgotten before it is waited for.
        let leads = getpgid(process) == process
        var ending: Int32 = 0
        while waitpid(process, &ending, 0) < 0, errno == EINTR {}
        return (0, String(decoding: bytes, as: UTF8.self), leads)
    }

    @Test func aProgramEndsAtAClosedPipeThoughThisOneIgnoresThat() {
        let before = signal(SIGPIPE, SIG_IGN)
        defer { signal(SIGPIPE, before) }
        // `yes` would end with a message instead of by the signal, whose status is 128 + 13.
        let found = run(["/bin/sh", "-c", "(yes; echo $? >&2) | head -1"])
        #expect(found.status == 0)
        // Both write at the same time.
        #expect(found.text.split(separator: "\n").sorted() == ["\(128 + SIGPIPE)", "y"], "\(found.text)")
    }

    @Test func itLeadsAGroupOfItsOwnWithNothingToRead() {
        let found = run(["/bin/sh", "-c", "cat; echo read"])
        #expect(found.leads && found.text == "read\n", "\(found.text)")
    }

    @Test func aNameIsLookedForOnlyWhereAsked() {
        #expect(run(["echo", "found"], searches: true).text == "found\n")
        #expect(run(["echo", "found"]).status == ENOENT)
        #expect(run(["/nowhere/martlet-no-program"], searches: true).status == ENOENT)
        #expect(run([]).status == ENOENT)
    }
}
