#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Starts a program, never through a shell: the leader of a process group of its own, so that Ctrl-C in a terminal reaches this
/// program alone and what the other starts can be ended with it.
///
///     let found = Spawn(["/usr/bin/sort"], input: .descriptor(reading), output: .descriptor(writing)).start()
///     guard found.status == 0 else { … String(cString: strerror(found.status)) … }
package struct Spawn {
    /// What a standard stream of the program is.
    package enum Stream {
        /// A file that is open here.
        case descriptor(Int32)
        /// Always at its end.
        case nothing
        /// The one of this program.
        case inherited
    }

    /// The program and its arguments.
    package var arguments: [String]
    package var input: Stream
    package var output: Stream
    package var errors: Stream
    /// Whether a name without a slash is looked for along PATH.
    package var searches: Bool
    /// Files that are open here and that the program does not get, beside those that close by themselves.
    package var closed: [Int32] = []
    /// Variables of the environment that the program does not get.
    package var hidden: Set<String> = []

    package init(
        _ arguments: [String], input: Stream, output: Stream, errors: Stream = .inherited, searches: Bool = false
    ) {
        self.arguments = arguments
        self.input = input
        self.output = output
        self.errors = errors
        self.searches = searches
    }

    /// - Returns: the number of the process; or of the error (`errno`), where `status` is not 0.
    package func start() -> (status: Int32, process: Int32) {
        guard let program = arguments.first else { return (ENOENT, 0) }
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
        for (number, stream) in zip(Int32(0)..., [input, output, errors]) {
            switch stream {
            case .descriptor(let descriptor): posix_spawn_file_actions_adddup2(&actions, descriptor, number)
            case .nothing: posix_spawn_file_actions_addopen(&actions, number, "/dev/null", O_RDWR, 0)
            case .inherited: break
            }
        }
        for descriptor in closed { posix_spawn_file_actions_addclose(&actions, descriptor) }
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
        let words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        let variables = environment() + [nil]
        defer { (words + variables).forEach { free($0) } }
        var process: pid_t = 0
        let start = searches ? posix_spawnp : posix_spawn
        let status = start(&process, program, &actions, &attributes, words, variables)
        return (status, process)
    }

    private func environment() -> [UnsafeMutablePointer<CChar>?] {
        var all: [UnsafeMutablePointer<CChar>?] = [], index = 0
        while let variable = environ[index] {
            let text = String(cString: variable)
            if !hidden.contains(String(text.prefix { $0 != "=" })) { all.append(strdup(variable)) }
            index += 1
        }
        return all
    }
}
