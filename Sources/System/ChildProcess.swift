import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A program that runs beside this one (`Spawn`).
///
/// It has an empty standard input, and a file for its standard output and error. It gets none of this program's open files:
/// a connection that it held would stay open after both sides have closed it.
package final class ChildProcess: Sendable {
    package enum Ending: Sendable, Equatable {
        /// With this status.
        case exited(Int32)
        /// By this signal.
        case killed(Int32)
    }

    package let identifier: Int32
    /// A process that has ended keeps its number until it is asked for its status: afterwards no signal may be sent.
    private let end = Mutex<Ending?>(nil)

    /// - Parameters:
    ///   - output: a file that standard output and error are appended to; it is made.
    ///   - hidden: environment variables that the program does not get.
    /// - Throws: `FileError` naming the file that cannot be run or written.
    package init(
        _ program: String, _ arguments: [String], output: String, hidden: Set<String> = []
    ) throws(FileError) {
        guard access(program, X_OK) == 0 else { throw FileError(path: program, reason: Self.reason(errno)) }
        let log = open(output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard log >= 0 else { throw FileError(path: output, reason: Self.reason(errno)) }
        defer { close(log) }
        var spawn = Spawn(
            [program] + arguments, input: .nothing, output: .descriptor(log), errors: .descriptor(log))
        (spawn.closed, spawn.hidden) = (Self.inherited(), hidden)
        let (status, process) = spawn.start()
        guard status == 0 else { throw FileError(path: program, reason: Self.reason(status)) }
        identifier = process
    }

    /// How it ended; nil while it runs.
    package var ending: Ending? {
        end.withLock { end in
            if let end { return end }
            var status: Int32 = 0
            let found = waitpid(identifier, &status, WNOHANG)
            // Somebody else has asked: it is over, and how is not known.
            if found < 0, errno == ECHILD { end = .exited(-1) }
            if found == identifier {
                let signal = status & 0x7f
                end = signal == 0 ? .exited(status >> 8 & 0xff) : .killed(signal)
            }
            return end
        }
    }

    /// Asks it to end, as Ctrl-C does; a program that saves first goes on for a while.
    package func interrupt() { send(SIGTERM) }

    /// Ends it, and what it has started, at once.
    package func kill() { send(SIGKILL, toGroup: true) }

    private func send(_ signal: Int32, toGroup: Bool = false) {
        guard ending == nil else { return }
        end.withLock { end in
            guard end == nil else { return }
            #if canImport(Darwin)
            _ = Darwin.kill(toGroup ? -identifier : identifier, signal)
            #elseif canImport(Glibc)
            _ = Glibc.kill(toGroup ? -identifier : identifier, signal)
            #else
            _ = Musl.kill(toGroup ? -identifier : identifier, signal)
            #endif
        }
    }

    /// Lets other programs have the processor first.
    package func yieldProcessor() {
        #if canImport(Glibc)
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), id_t(identifier), 10)
        #else
        _ = setpriority(PRIO_PROCESS, id_t(identifier), 10)
        #endif
    }

    /// Files that are open here, and some that may be opened before the program begins.
    private static func inherited() -> [Int32] {
        var largest: Int32 = 2
        #if canImport(Darwin)
        let place = "/dev/fd"
        #else
        let place = "/proc/self/fd"
        #endif
        if let folder = opendir(place) {
            defer { closedir(folder) }
            while let entry = readdir(folder) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                largest = max(largest, Int32(name) ?? 0)
            }
        }
        var limit = rlimit()
        #if canImport(Glibc)
        let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #else
        let kind = RLIMIT_NOFILE
        #endif
        let most = getrlimit(kind, &limit) == 0 ? Int32(clamping: limit.rlim_cur) : 1024
        let end = min(largest + 64, most - 1)
        return end >= 3 ? Array(3...end) : []
    }

    private static func reason(_ number: Int32) -> String { String(cString: strerror(number)) }
}
