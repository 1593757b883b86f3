import MartletJSON
import MartletModels

/// The typed options of a run, by part. A command sets its own parts; the others keep their defaults.
public struct RunOptions: Sendable, Equatable {
    public internal(set) var general = GeneralOptions()
    public internal(set) var data = DataOptions()
    public internal(set) var chat = ConversationOptions()
    public internal(set) var shape = ModelShape()
    public internal(set) var initialization = InitialWeights.gpt2
    public internal(set) var objective = ObjectiveOptions()
    public internal(set) var rows = RowOptions()
    public internal(set) var adapter = AdapterOptions()
    public internal(set) var compute = ComputeOptions()
    public internal(set) var optimizer = OptimizerOptions()
    public internal(set) var schedule = ScheduleOptions()
    public internal(set) var loss = LossOptions()
    public internal(set) var router = RouterOptions()
    public internal(set) var rewards = RewardOptions()
    public internal(set) var preferences = PreferenceOptions()
    public internal(set) var rewardModel = RewardModelOptions()
    public internal(set) var policy = PolicyGradientOptions()
    public internal(set) var proximal = ProximalOptions()
    public internal(set) var distillation = DistillationOptions()
    public internal(set) var encoder = EncoderOptions()
    public internal(set) var embedding = EmbeddingOptions()
    public internal(set) var classification = ClassificationOptions()
    public internal(set) var rollouts = RolloutOptions()
    public internal(set) var evaluation = EvaluationOptions()
    public internal(set) var checkpoints = CheckpointOptions()
}

/// Options that belong together: their typed fields are a struct of `RunOptions`, their declarations stand beside it.
struct OptionPart: Sendable {
    /// The heading above them.
    let title: String
    /// Each after those that it depends on.
    let keys: [OptionKey]
    /// Checks for values that contradict each other.
    let check: @Sendable (RunOptions, OptionFacts) throws(TrainingError) -> Void

    init(
        _ title: String, _ keys: [OptionKey],
        check: @escaping @Sendable (RunOptions, OptionFacts) throws(TrainingError) -> Void = {
            (_, _) throws(TrainingError) in
        }
    ) {
        self.title = title
        self.keys = keys
        self.check = check
    }
}

/// What the default of an option may depend on: the options before it, the model, the data.
struct OptionFacts: Sendable {
    let command: RunCommand
    /// What training goes on from.
    let model: DecoderConfiguration?
    /// The most tokens of a row cut from the data's stream.
    let longestRow: Int?
    /// The run ends by the clock, not by a number of steps.
    let isTimed: Bool
    /// The number of steps was given.
    let givesSteps: Bool
    /// The options before this one.
    var run = RunOptions()
    /// The rows in the data at the context length and layout, once these are known.
    var rows: Int?

    /// Whether the model is begun anew.
    var isNew: Bool { command.beginsModel }
}
