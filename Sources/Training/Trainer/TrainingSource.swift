import MartletJSON
import MartletModels

/// What one kind of run computes its steps from, and how it looks at the model on the way. `Trainer` does the rest, the
/// same for all: schedule, checkpoints, lock, log, guards, resume.
protocol TrainingSource: AnyObject {
    /// The small files of the model that is saved.
    var files: ModelFolderFiles { get }
    /// What tells the data from other data, for the run's log: how much there is, and a hash.
    var fingerprint: String { get }
    /// Whether there is a look before the first step.
    var looksFirst: Bool { get }
    /// What was decided about the data and is not seen from the options, a sentence each.
    var notes: [String] { get }
    /// What the rest of the run depends on besides options, for trainer_state.json.
    var state: [JSONObject.Element] { get }
    /// - Throws: `TrainingError` where a checkpoint was trained on something else.
    func demand(_ checkpoint: TrainingCheckpoint) throws
    /// Takes the step after `step` others.
    /// - Returns: nil where there was nothing to learn: nothing has changed.
    func take(_ loop: StepLoop, step: Int, rate: Double) throws -> SourceStep?
    /// Why the step after `step` others was left out.
    func whyLeftOut(step: Int) -> String
    /// - Returns: nil where there is nothing to look at.
    func look() throws -> Look?
}

/// What came of a step.
struct SourceStep {
    var outcome: StepLoop.Outcome
    /// Read in it.
    var tokens: Int
    /// Floating-point operations; 0 where they are not counted.
    var operations = 0.0
}

/// What a look at held-out data found.
enum Look {
    case loss(Evaluation)
    case score(QuestionEvaluation)
    case measured(HeldOutMeasure)
}
