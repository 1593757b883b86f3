import MartletFormats
import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Runs a Python program that a model wrote, where it can do no harm: namespaces of its own (users, network, processes,
/// mounts), no network, every file read-only but a small folder in memory, and limits of time, memory, processes and
/// files. When it ends, everything it started ends.
///
/// Built of `unshare`, `mount`, `prlimit` (util-linux) and `python3`. Where the system does not give these namespaces, there
/// is no sandbox, and no program is run.
public struct CodeSandbox: Sendable {
    /// Seconds that a program may take.
    public var seconds = 10.0
    public var memoryBytes = 1 << 30
    public var processes = 32
    private let python: String

    public enum Outcome: Sendable, Equatable {
        case passed
        /// What the program said last, the end of it.
        case failed(String)
        case timedOut
    }

    /// Tries the sandbox: a program must run in it, and must not reach the network or write a file outside.
    /// - Throws: `EvaluationError` where there is none.
    public init(python: String = "python3") throws {
        self.python = python
        #if os(Linux)
        let probe = """
            import os, socket
            try:
                socket.create_connection(("127.0.0.1", 9), 0.2)
            except OSError:
                pass
            names = [name for _, name in socket.if_nameindex() if name != "lo"]
            assert not names, names
            try:
                open("/var/tmp/martlet-sandbox", "w")
                raise AssertionError("files outside can be written")
            except OSError:
                pass
            """
        // A machine under load takes long to start a program.
        var patient = self
        patient.seconds = 60
        let outcome = try patient.run(probe)
        guard outcome == .passed else {
            let reason = if case .failed(let text) = outcome { text } else { "it took longer than a minute" }
            throw EvaluationError(
                "sandbox",
                "programs that a model wrote are only run in namespaces of their own, which this system does not give "
                    + "(unshare --user --net --pid --mount): \(String(reason.suffix(300)))")
        }
        #else
        throw EvaluationError(
            "sandbox", "programs that a model wrote are only run in Linux namespaces; this system has none")
        #endif
    }

    /// Runs a program; it passes when it comes to its end.
    public func run(_ program: String) throws -> Outcome {
        // Said at the end of the program: one that leaves early, with whatever status, has not passed.
        let mark = "done-" + String(UInt64.random(in: .min ... .max), radix: 36)
        let source = program + "\n\nimport sys as _sys\n_sys.stdout.write('\\n\(mark)\\n')\n_sys.stdout.flush()\n"
        let limits =
            "prlimit --as=\(memoryBytes) --cpu=\(Int(clamping: seconds.rounded(.up)) + 1) --nproc=\(processes) "
            + "--fsize=16777216 --nofile=64 --core=0"
        let shell = """
            mount --make-rprivate / && mount -t tmpfs -o size=64m tmpfs /tmp && mount -o remount,bind,ro / && cd /tmp && \
            exec \(limits) env -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/tmp "$(command -v \(python))" -I -B -
            """
        var process = try LimitedProcess(
            [
                "unshare", "--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child", "--mount", "--",
                "sh", "-c", shell,
            ])
        let (output, isInTime) = process.run(input: Array(source.utf8), seconds: seconds, outputLimit: 1 << 20)
        let text = String(decoding: output, as: UTF8.self)
        if text.contains("\n\(mark)\n") { return .passed }
        return isInTime ? .failed(String(text.suffix(2000)).spaceTrimmed) : .timedOut
    }
}
