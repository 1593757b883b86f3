import ArgumentParser
import Martlet
import MartletSystem

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

@main
struct MartletCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martlet",
        abstract: "Run, inspect and measure language models on this machine.",
        discussion: """
            MODEL is a folder as published on a hub, a GGUF file, a repository as org/name, or a short name: \
            \(ShortName.all.map(\.name).joined(separator: ", ")).

            Results go to standard output, everything else to standard error.
            Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
            """,
        version: ProgramVersion.current,
        subcommands: [
            RunCommand.self, PullCommand.self, ListCommand.self, ShowCommand.self, EmbedCommand.self,
            TokenizeCommand.self, LogitsCommand.self, BenchCommand.self, EnvironmentCommand.self, TrainCommand.self,
            PlanCommand.self, ProfileCommand.self, ReportCommand.self, DataCommand.self, TokenizerCommand.self,
            SupervisedCommand.self, PolicyCommand.self, EvalCommand.self, ServeCommand.self, OptionsCommand.self,
            ManualCommand.self,
        ])

    static func main() async {
        // A reader that goes away (`| head`) ends a write with an error, not the process.
        signal(SIGPIPE, SIG_IGN)
        // A file that may not grow (`ulimit -f`) is an error that can be told, as a full disk is.
        signal(SIGXFSZ, SIG_IGN)
        hearSignals()
        if let mistake = MistakenVerb(CommandLine.arguments.dropFirst().first, among: configuration) {
            Terminal.note("martlet: \(mistake)")
            Glibc.exit(2)
        }
        do {
            var command = try parseAsRoot(OptionsCommand.arguments(Array(CommandLine.arguments.dropFirst())))
            do {
                if var command = command as? any AsyncParsableCommand {
                    try await command.run()
                } else {
                    try command.run()
                }
            } catch let error as ValidationError {
                Terminal.note("martlet: \(error.message); `martlet \(verb(of: command)) --help` has examples")
                Glibc.exit(2)
            }
        } catch {
            Terminal.exit(error)
        }
        Terminal.exitUnlessWritten()
    }
}

extension MartletCommand {
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
}

extension Terminal {
    /// Ends the process with 1 where a result could not be written whole.
    static func exitUnlessWritten() {
        guard let problem = outputProblem else { return }
        if problem.isTold { note("martlet: standard output cannot be written: \(problem.reason)") }
        Glibc.exit(1)
    }

    /// Ends the process as the error deserves.
    static func exit(_ error: any Error) -> Never {
        let code = MartletCommand.exitCode(for: error)
        if error is CleanExit || code == .success {
            // Help and version are results.
            print(MartletCommand.fullMessage(for: error))
            exitUnlessWritten()
            Glibc.exit(0)
        }
        if let code = error as? ExitCode { Glibc.exit(code.rawValue) }
        if code == .validationFailure {
            Terminal.note(MartletCommand.fullMessage(for: error))
            Glibc.exit(2)
        }
        if error is OptionError {
            note("martlet: \(error)")
            Glibc.exit(2)
        }
        if error is CancellationError { Glibc.exit(130) }
        Terminal.note("martlet: \(error)")
        Glibc.exit(1)
    }
}
