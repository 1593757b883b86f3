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
            MODEL is a folder as published on a hub, a GGUF file, a repository as org/name, a name that `martlet create` \
            gave, or a short name: \(ShortName.all.map(\.name).joined(separator: ", ")).

            Results go to standard output, everything else to standard error.
            Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
            """,
        version: ProgramVersion.current,
        subcommands: [
            RunCommand.self, TranslateCommand.self, PullCommand.self, ListCommand.self, ShowCommand.self,
            EmbedCommand.self, ClassifyCommand.self, RerankCommand.self,
            TokenizeCommand.self, LogitsCommand.self, BenchCommand.self, EnvironmentCommand.self, TrainCommand.self,
            PlanCommand.self, ProfileCommand.self, ReportCommand.self, DataCommand.self, TokenizerCommand.self,
            SupervisedCommand.self, PreferenceCommand.self, RewardModelCommand.self, PolicyCommand.self,
            ProximalCommand.self, DistillCommand.self, ConstitutionCommand.self, ExpertCommand.self, MergeCommand.self,
            AdaptersCommand.self, EvalCommand.self,
            InspectModelCommand.self, FeaturesCommand.self, JudgeCommand.self, ArenaCommand.self, BiasCommand.self,
            RedteamCommand.self,
            ContaminationCommand.self, WatermarkCommand.self, ScalingCommand.self,
            ServeCommand.self, OptionsCommand.self, LogCommand.self,
            CreateCommand.self, CopyCommand.self, RemoveCommand.self, RunningCommand.self, StopCommand.self,
            ManualCommand.self,
            QuantizeCommand.self, ConvertCommand.self, PerplexityCommand.self, CompareCommand.self,
        ])

    static func main() async {
        // A reader that goes away (`| head`) ends a write with an error, not the process.
        signal(SIGPIPE, SIG_IGN)
        // A file that may not grow (`ulimit -f`) is an error that can be told, as a full disk is.
        signal(SIGXFSZ, SIG_IGN)
        hearSignals()
        #if os(Linux)
        // Swift reads the words of the command line there; without it they would all be missing.
        guard Folder.exists("/proc/self") else {
            Terminal.note("martlet: /proc is not there: in a chroot, mount it first (mount -t proc proc /proc)")
            Glibc.exit(1)
        }
        #endif
        if let mistake = MistakenVerb(CommandLine.arguments.dropFirst(), among: configuration) {
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
            Terminal.note(usage(error))
            Glibc.exit(2)
        }
        if isUsage(error) {
            note("martlet: \(error)")
            Glibc.exit(2)
        }
        if error is CancellationError { Glibc.exit(130) }
        var next = ""
        if case .unreachable? = error as? HubError {
            // Each attempt has told why; what is left to do is told once.
            next = "; check the network, https_proxy and HF_ENDPOINT, or use what `martlet list` shows"
        }
        Terminal.note("martlet: \(error)\(next)")
        Glibc.exit(1)
    }
}

extension Terminal {
    /// What is wrong with the words of a command line, in one sentence, and where help is.
    private static func usage(_ error: any Error) -> String {
        let message = MartletCommand.message(for: error).split(whereSeparator: \.isNewline).map {
            $0.drop { $0 == " " }
        }.joined(separator: " ")
        // The parser names the verb in its own text only: "See 'martlet run --help' for more information."
        let whole = MartletCommand.fullMessage(for: error)
        let help = whole.components(between: "See '", and: "'") ?? "martlet --help"
        // An option of a run by a name that other programs have for it is none that the parser knows.
        if let name = message.components(between: "Unknown option '", and: "'"),
            let verb = help.split(separator: " ").dropFirst().first,
            let meant = TrainingOptions.flag(meantBy: name, of: String(verb))
        {
            return "martlet: Unknown option '\(name)'. Did you mean '\(meant)'?; `\(help)` has examples"
        }
        return "martlet: \(message); `\(help)` has examples"
    }

    /// Whether an option was given a value that it cannot have, on the command line; a file's mistakes are failures.
    private static func isUsage(_ error: any Error) -> Bool {
        if let error = error as? TrainingError {
            return error.kind == .configuration && error.description.hasPrefix("command line: ")
        }
        return error is OptionError
    }
}

extension String {
    fileprivate func components(between start: String, and end: Character) -> String? {
        guard let place = ranges(of: start).last?.upperBound else { return nil }
        return self[place...].firstIndex(of: end).map { String(self[place..<$0]) }
    }
}
