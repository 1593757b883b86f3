import ArgumentParser
import MartletCatalog
import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A program of verbs: how it begins, what it says of mistakes, how it ends.
package protocol VerbProgram: AsyncParsableCommand {
    /// What is said of words that begin with a verb, known elsewhere, that this program does not have; nil for others.
    static func absence(of words: [String]) -> String?
    /// The words of the command line as the parser takes them.
    static func words(_ written: [String]) -> [String]
    /// The flag of a verb that another program's name for it means.
    static func flag(meantBy name: String, of verb: String) -> String?
    /// Whether an error says that an option was given a value that it cannot have, on the command line.
    static func isUsage(_ error: any Error) -> Bool
}

extension VerbProgram {
    package static func absence(of words: [String]) -> String? { nil }
    package static func words(_ written: [String]) -> [String] { written }
    package static func flag(meantBy name: String, of verb: String) -> String? { nil }
    package static func isUsage(_ error: any Error) -> Bool { error is OptionError }

    /// Runs the verb that the command line names, and ends the process where it fails.
    package static func start() async {
        // A reader that goes away (`| head`) ends a write with an error, not the process.
        signal(SIGPIPE, SIG_IGN)
        // A file that may not grow (`ulimit -f`) is an error that can be told, as a full disk is.
        signal(SIGXFSZ, SIG_IGN)
        hearSignals()
        #if os(Linux)
        // Swift reads the words of the command line there; without it they would all be missing.
        guard Folder.exists("/proc/self") else {
            end("/proc is not there: in a chroot, mount it first (mount -t proc proc /proc)", 1)
        }
        #endif
        if let problem = MachineDescription.wrongEnvironment { end(problem, 2) }
        let written = UsageSentence.joiningNumbers(Array(CommandLine.arguments.dropFirst()))
        if let absence = absence(of: Array(written.drop { $0 == "help" })) { end(absence, 2) }
        if let mistake = MistakenVerb(written, among: configuration) { end("\(mistake)", 2) }
        do {
            var command = try parseAsRoot(words(written))
            do {
                if var command = command as? any AsyncParsableCommand {
                    try await command.run()
                } else {
                    try command.run()
                }
            } catch let error as ValidationError {
                let mark = error.message.hasSuffix("?") ? "" : ";"
                end("\(error.message)\(mark) `martlet \(verb(of: command)) --help` has examples", 2)
            }
        } catch {
            end(error, written)
        }
        endUnlessWritten()
    }

    /// A process begins with the signals blocked that whoever started it had blocked: it could not be stopped then.
    private static func hearSignals() {
        var set = sigset_t()
        sigemptyset(&set)
        for number in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&set, number) }
        pthread_sigmask(SIG_UNBLOCK, &set, nil)
    }

    /// What a user types for a command: "data pack".
    private static func verb(of command: any ParsableCommand) -> String {
        let kind = type(of: command)
        let name = kind.configuration.commandName ?? ""
        let group = configuration.subcommands.first { $0.configuration.subcommands.contains { $0 == kind } }
        return (group?.configuration.commandName).map { $0 + " " + name } ?? name
    }

    private static func end(_ sentence: String, _ code: Int32) -> Never {
        Terminal.note("martlet: \(sentence)")
        leave(code)
    }

    /// Ends the process with 1 where a result could not be written whole, though somebody reads it.
    private static func endUnlessWritten() {
        guard let problem = Terminal.outputProblem else { return }
        end(
            "standard output cannot be written: \(problem); send it to a disk with room, or to a program that reads it",
            1)
    }

    /// Whether the parser takes `text` where `written` has `wrong`.
    private static func takes(_ text: String, insteadOf wrong: String, in written: [String]) -> Bool {
        let others = written.map { word in
            word == wrong ? text : word.hasSuffix("=" + wrong) ? String(word.dropLast(wrong.count)) + text : word
        }
        do { _ = try parseAsRoot(words(others)) } catch { return !message(for: error).contains("'\(text)' is invalid") }
        return true
    }

    /// Whether the parser knows what to do with every word where `text` stands for `wrong`.
    private static func fits(_ text: String, insteadOf wrong: String, in written: [String]) -> Bool {
        do { _ = try parseAsRoot(words(written.map { $0 == wrong ? text : $0 })) } catch {
            let said = message(for: error)
            return !["Unknown option", "nexpected argument", "Missing expected argument", "is invalid"].contains(
                where: said.contains)
        }
        return true
    }

    /// Ends the process as the error deserves.
    private static func end(_ error: any Error, _ written: [String]) -> Never {
        let code = exitCode(for: error)
        if error is CleanExit || code == .success {
            // Help and version are results.
            let message = fullMessage(for: error)
            let isScript = written.first?.hasPrefix("--generate-completion-script") ?? false
            print(isScript ? CompletionScript.offeringFiles(message) : message)
            endUnlessWritten()
            leave(0)
        }
        if let code = error as? ExitCode { leave(code.rawValue) }
        if code == .validationFailure {
            let sentence = UsageSentence(message(for: error), fullMessage(for: error))
            end(
                sentence.text({ flag(meantBy: $0, of: $1) }) {
                    takes($0, insteadOf: $1, in: written)
                } fits: {
                    fits($0, insteadOf: $1, in: written)
                }, 2)
        }
        if isUsage(error) { end("\(error)", 2) }
        if error is CancellationError { leave(130) }
        var next = ""
        if case .unreachable? = error as? HubError {
            // Each attempt has told why; what is left to do is told once.
            next = "; check the network, https_proxy and HF_ENDPOINT, or use what `martlet list` shows"
        }
        end("\(error)\(next)", 1)
    }
}

/// Ends the process; a name of its own, since `exit` is one of the parser's in a command.
private func leave(_ code: Int32) -> Never { exit(code) }
