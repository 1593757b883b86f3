import ArgumentParser
import Martlet
import MartletSystem
import MartletVerbs

@main
struct MartletCommand: VerbProgram {
    static let configuration = CommandConfiguration(
        commandName: "martlet",
        abstract: "Run, inspect and measure language models on this machine.",
        discussion: FirstVerbs.discussion,
        version: ProgramVersion.current,
        subcommands: FirstVerbs.all(bench: BenchCommand.self, others: otherVerbs))

    private static let otherVerbs: [any ParsableCommand.Type] = [
        TrainCommand.self, PlanCommand.self, ProfileCommand.self, ReportCommand.self, DataCommand.self,
        TokenizerCommand.self, SupervisedCommand.self, PreferenceCommand.self, RewardModelCommand.self,
        EmbeddingTrainCommand.self, ClassifierTrainCommand.self,
        PolicyCommand.self, ProximalCommand.self, DistillCommand.self, ConstitutionCommand.self, ExpertCommand.self,
        MergeCommand.self, AdaptersCommand.self, EvalCommand.self, ResultsCommand.self,
        InspectModelCommand.self, LensCommand.self,
        NeuronsCommand.self, SteerCommand.self, FeaturesCommand.self,
        JudgeCommand.self, ArenaCommand.self, BiasCommand.self, RedteamCommand.self, ToxicityCommand.self,
        AttackCommand.self, ContaminationCommand.self,
        WatermarkCommand.self, ScalingCommand.self, ServeCommand.self, RunningCommand.self, StopCommand.self,
        QuantizeCommand.self, ConvertCommand.self, PerplexityCommand.self, CompareCommand.self, OptionsCommand.self,
        LogCommand.self, ManualCommand.self,
    ]

    static func words(_ written: [String]) -> [String] { OptionsCommand.arguments(written) }

    static func flag(meantBy name: String, of verb: String) -> String? {
        TrainingOptions.flag(meantBy: name, of: verb)
    }

    /// A file's mistakes are failures.
    static func isUsage(_ error: any Error) -> Bool {
        if let error = error as? TrainingError {
            // A sentence begins with the file, or with the flag, that its option comes from.
            let isWritten = ["command line: ", "--"].contains(where: error.description.hasPrefix)
            return error.isUsage || error.kind == .configuration && isWritten
        }
        return error is OptionError
    }

    static func main() async { await start() }
}
