import MartletSystem
import Testing

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

struct ChildProcessTests {
    private func file() -> String { "/tmp/martlet-child-\(getpid())-\(UInt64.random(in: 0...(.max)))" }

    private func ended(_ process: ChildProcess) -> ChildProcess.Ending? {
        for _ in 0..<12_000 {
            if let ending = process.ending { return ending }
            usleep(10_000)
        }
        return nil
    }

    private func text(_ path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }

    @Test func argumentsArriveAsTheyAreAndNothingElseDoes() throws {
        let output = file()
        setenv("MARTLET_CHILD_SECRET", "hidden", 1)
        // A file of this program that the other one must not have.
        let held = open("/dev/null", O_RDONLY)
        defer { close(held) }
        let script = """
            printf '%s|' "$@"; printf '%s' "$MARTLET_CHILD_SECRET"; [ -e /proc/self/fd/\(held) ] && printf open; exit 7
            """
        let process = try ChildProcess(
            "/bin/sh", ["-c", script, "name", "a b", "$(touch /tmp/no)", "ü;'\""], output: output,
            hidden: ["MARTLET_CHILD_SECRET"])
        #expect(ended(process) == .exited(7))
        #expect(text(output) == "a b|$(touch /tmp/no)|ü;'\"|")
        unlink(output)
    }

    @Test func itIsInterruptedAndKilled() throws {
        let output = file()
        let polite = try ChildProcess(
            "/bin/sh", ["-c", "trap 'echo saved; exit 130' TERM; echo ready; while :; do sleep 0.05; done"],
            output: output)
        for _ in 0..<12_000 where text(output).isEmpty { usleep(10_000) }
        #expect(polite.ending == nil)
        polite.interrupt()
        #expect(ended(polite) == .exited(130) && text(output).contains("saved"))
        // Over: no signal goes to whoever has its number now.
        polite.kill()
        let stubborn = try ChildProcess("/bin/sh", ["-c", "trap '' TERM; sleep 1000"], output: output)
        stubborn.kill()
        #expect(ended(stubborn) == .killed(9))
        unlink(output)
    }

    @Test func whatCannotBeStartedIsNamed() {
        #expect { try ChildProcess("/nowhere/program", [], output: "/tmp/x") } throws: {
            ($0 as? FileError)?.path == "/nowhere/program"
        }
        #expect { try ChildProcess("/bin/sh", [], output: "/nowhere/log") } throws: {
            ($0 as? FileError)?.path == "/nowhere/log"
        }
    }
}
