import MartletSystem

/// When a run is evaluated, and on how much.
public struct EvaluationOptions: Sendable, Equatable {
    public internal(set) var every = 1, rows = 256, questions = 200
    /// Evaluations without a lower loss that end the run; 0: never.
    public internal(set) var patience = 0
    public internal(set) var keepsBest = false
    /// In place of a number of steps between them.
    public internal(set) var perEpoch: Double?
}

/// When a run is saved and logged, and what of it is kept.
public struct CheckpointOptions: Sendable, Equatable {
    public enum FullDisk: String, Sendable, CaseIterable, OptionValue {
        case goOn = "continue"
        case stop
    }
    public internal(set) var every = 1, keep = 2, logEvery = 10
    /// In place of a number of steps between them.
    public internal(set) var perEpoch: Double?
    public internal(set) var onFullDisk = FullDisk.goOn
}

extension OptionPart {
    static let evaluation = OptionPart(
        "Evaluation",
        [
            .integer(
                "evaluate_every", \.evaluation.every, 1...100_000_000, "Steps between evaluations on held-out data.",
                resume: .free, shown: true,
                others: "eval_every eval_interval eval_steps evaluation_interval eval val_interval evaluate",
                default: .from { share($0, $0.run.evaluation.perEpoch, 10, "a tenth of the steps") })
        ])

    /// Of runs that learn from rows.
    static let heldOutRows = OptionPart(
        "Held-out rows",
        [
            .integer(
                "evaluation_rows", \.evaluation.rows, 1...1_000_000, "Held-out rows of an evaluation.", resume: .free,
                others: "eval_rows eval_iters eval_batches eval_size val_rows", default: .value(256)),
            .integer(
                "patience", \.evaluation.patience, 0...1_000_000,
                "Stop after this many evaluations without a lower loss; 0: never.", resume: .free, shown: true,
                others: "early_stopping early_stop early_stopping_patience", default: .value(0, "no early stop")),
            .flag(
                "keep_best", \.evaluation.keepsBest, "Keep the checkpoint of the lowest held-out loss too.",
                resume: .free, others: "load_best_model_at_end save_best",
                default: .from { ($0.run.evaluation.patience > 0, "where there is an early stop") }),
        ])

    /// Of runs that learn from rewards.
    static let heldOutProblems = OptionPart(
        "Held-out problems",
        [
            .integer(
                "questions", \.evaluation.questions, 0...100_000, "Held-out problems of an evaluation; 0: none.",
                resume: .free, shown: true, default: .value(200))
        ])

    static let checkpoints = OptionPart(
        "Checkpoints and log",
        [
            .integer(
                "save_every", \.checkpoints.every, 1...100_000_000, "Steps between checkpoints.", resume: .free,
                shown: true, others: "save_steps save_interval checkpoint_every checkpoint_interval save checkpoint",
                default: .from { share($0, $0.run.checkpoints.perEpoch, 5, "a fifth of the steps") }),
            .integer(
                "keep", \.checkpoints.keep, 1...1000, "The newest checkpoints that are kept.", resume: .free,
                shown: true, others: "save_total_limit keep_last max_checkpoints keep_checkpoints", default: .value(2)),
            .choice(
                "on_disk_full", \.checkpoints.onFullDisk, "What to do when a checkpoint cannot be written.",
                resume: .free, shown: true, default: .value(.goOn)),
            .integer(
                "log_every", \.checkpoints.logEvery, 1...1_000_000, "Steps between lines of the log.", resume: .free,
                others: "log_interval logging_steps log log_steps", default: .value(10)),
        ])

    /// How often rows are gone through says when, in place of steps: of runs that have epochs.
    static let perEpoch = OptionPart(
        "Times in an epoch",
        [
            .option(
                "evaluations_per_epoch", optional: \.evaluation.perEpoch, .number(0.001...10_000),
                "Evaluations while the data is gone through once, in place of evaluate_every.", resume: .free,
                others: "evals_per_epoch", default: .none("evaluate_every counts steps")),
            .option(
                "saves_per_epoch", optional: \.checkpoints.perEpoch, .number(0.001...10_000),
                "Checkpoints while the data is gone through once, in place of save_every.", resume: .free,
                others: "checkpoints_per_epoch", default: .none("save_every counts steps")),
        ])

    private static func share(
        _ facts: OptionFacts, _ perEpoch: Double?, _ part: Int, _ how: String
    ) -> (Int?, String) {
        if let perEpoch {
            guard let rows = facts.rows, facts.run.rows.perStep > 0 else { return (nil, "steps of an epoch / times") }
            let steps = Double(rows) / Double(facts.run.rows.perStep)
            return (max(1, Int(clamping: (steps / perEpoch).rounded())), "steps of an epoch / times")
        }
        if facts.isTimed { return (200, "default with a time limit") }
        let steps = facts.run.schedule.steps
        return (steps == 0 ? nil : max(1, steps / part), how)
    }
}
