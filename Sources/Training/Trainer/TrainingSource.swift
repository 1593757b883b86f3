import MartletJSON
import MartletModels
import MartletRuns

/// The source of a run's steps and evaluations. `Trainer` does the rest, the same for all: schedule, checkpoints, lock,
/// log, guards, resume.
protocol TrainingSource: AnyObject {
    /// The small files of the model that is saved.
    var files: ModelFolderFiles { get }
    /// Identifies the data in the run's log: its size and a hash.
    var fingerprint: String { get }
    /// Whether there is an evaluation before the first step.
    var looksFirst: Bool { get }
    /// Decisions about the data that the options do not show, a sentence each.
    var notes: [String] { get }
    /// What the rest of the run depends on besides options, for trainer_state.json.
    var state: [JSONObject.Element] { get }
    /// - Throws: `TrainingError` if a checkpoint was trained on other data.
    func demand(_ checkpoint: TrainingCheckpoint) throws
    /// Takes the step after `step` others.
    /// - Returns: nil if there was nothing to train on: nothing has changed.
    func take(_ loop: StepLoop, step: Int, rate: Double) throws -> SourceStep?
    /// Why the step after `step` others was skipped.
    func whyLeftOut(step: Int) -> String
    /// - Returns: nil if there is nothing to evaluate.
    func look() throws -> Look?
}

extension TrainingCheckpoint {
    /// - Throws: `TrainingError` naming the first member of a source's state that was another one when this was saved. What
    ///   was not saved is not compared.
    func demandSame(_ state: [JSONObject.Element]) throws(TrainingError) {
        for (name, now) in state {
            guard let before = self.state[name], before != now else { continue }
            throw TrainingError(
                .configuration,
                "\(path) was trained with \(name == "from" ? "other weights to begin with" : "another \(name)"): "
                    + "\(before.text()), now \(now.text()); use the same, or another run folder")
        }
    }
}

/// The outcome of a step.
struct SourceStep {
    var outcome: StepLoop.Outcome
    /// The number of input tokens.
    var tokens: Int
    /// Floating-point operations; 0 where they are not counted.
    var operations = 0.0
    /// Replies or pairs of the step as texts, for the log; asked for where the step is logged.
    var table: (() throws -> StepTable)?
    /// Of a mixture's experts.
    var loads: ExpertLoads?
}

/// The result of an evaluation on held-out data.
enum Look {
    case loss(Evaluation)
    case score(QuestionEvaluation)
    case measured(HeldOutMeasure)
}
