import Synchronization

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A program that runs beside this one, started with a list of arguments and never through a shell.
///
/// It has an empty standard input, and a file for its standard output and error. It is the leader of a process group of its
/// own, so that Ctrl-C in a terminal reaches this program alone. It gets none of this program's open files: a connection
/// that it held would stay open after both sides have closed it.
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
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, log, 1)
        posix_spawn_file_actions_adddup2(&actions, log, 2)
        for descriptor in Self.inherited() { posix_spawn_file_actions_addclose(&actions, descriptor) }
        posix_spawnattr_setpgroup(&attributes, 0)
        // A program that ignores signals or holds them back would hand that on.
        var none = sigset_t(), usual = sigset_t()
        sigemptyset(&none)
        sigemptyset(&usual)
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGPIPE] { sigaddset(&usual, signal) }
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &usual)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
        var variables = Self.environment(without: hidden) + [nil]
        defer { (words + variables).forEach { free($0) } }
        var process: pid_t = 0
        let status = posix_spawn(&process, program, &actions, &attributes, &words, &variables)
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

    private static func environment(without hidden: Set<String>) -> [UnsafeMutablePointer<CChar>?] {
        var all: [UnsafeMutablePointer<CChar>?] = [], index = 0
        while let variable = environ[index] {
            let text = String(cString: variable)
            if !hidden.contains(String(text.prefix { $0 != "=" })) { all.append(strdup(variable)) }
            index += 1
        }
        return all
    }

    private static func reason(_ number: Int32) -> String { String(cString: strerror(number)) }
}
