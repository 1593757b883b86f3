import MartletNN
import MartletRuns
import MartletSystem

/// How the learning rate goes, and when a run ends.
public struct ScheduleOptions: Sendable, Equatable {
    public internal(set) var kind = LearningRateSchedule.cosine
    public internal(set) var highest = 0.0
    /// The last rate, as a share of the highest.
    public internal(set) var finalShare = 0.0
    public internal(set) var warmup = 0, decay = 0, steps = 0
    /// Of training at most.
    public internal(set) var minutes: Double?
    /// Of the steps, in place of a number of them.
    public internal(set) var warmupShare: Double?

    var seconds: Double? { minutes.map { $0 * 60 } }
    private var lowest: Double { highest * finalShare }

    /// Steps of a run that ends with its minutes.
    static let unboundedSteps = RunRecord.unboundedSteps

    /// The rate of a step.
    /// - Parameters:
    ///   - step: counted from 0. - seconds: trained so far.
    func rate(step: Int, seconds done: Double) -> Double {
        // The first step's rate is not 0.
        let reached = step + (warmup > 0 ? 1 : 0)
        if let seconds {
            // What comes first ends the run: the last minute or the last step.
            let share = max(done / seconds, Double(step) / Double(steps))
            return kind.rate(
                step: reached, share: share, highest: highest, lowest: lowest, warmup: warmup,
                decay: decay > 0 ? Double(decay) / Double(steps) : 0.2)
        }
        return kind.rate(
            step: reached, highest: highest, lowest: lowest, warmup: warmup, total: steps, decay: decay)
    }
}

extension LearningRateSchedule: OptionValue {}

extension OptionPart {
    static let schedule = OptionPart(
        "Schedule",
        [
            .integer(
                "steps", \.schedule.steps, 1...100_000_000, "Optimiser steps.", resume: .told, shown: true,
                others: "max_steps iters max_iters iterations num_steps total_steps n_steps train_steps",
                default: .from { steps($0) }),
            .option(
                "minutes", optional: \.schedule.minutes, .number(0.01...100_000), "Stop after this much training.",
                resume: .told, shown: true, others: "time max_time time_limit hours seconds",
                default: .none("no limit")),
            .number(
                "learning_rate", \.schedule.highest, 1e-7...1, "The highest learning rate.", resume: .told, shown: true,
                flags: ["rate"], others: "lr rate max_lr peak_lr eta step_size", default: .from { rate($0) }),
            .number(
                "final_rate", \.schedule.finalShare, 0...1, "The last learning rate, as a share of the highest.",
                resume: .told, others: "min_lr min_learning_rate final_lr end_lr min_rate min_lr_ratio",
                default: .value(0.1, "a tenth of learning_rate")),
            .choice(
                "schedule", \.schedule.kind, "How the learning rate goes.", resume: .told, shown: true,
                others: "lr_scheduler lr_scheduler_type scheduler lr_schedule decay_type",
                default: .from {
                    $0.isTimed ? (.warmupStableDecay, "default with a time limit") : (.cosine, "default")
                }),
            .option(
                "warmup_share", optional: \.schedule.warmupShare, .number(0...1),
                "Steps until the highest learning rate, as a share of all.", resume: .told, others: "warmup_ratio",
                default: .none("warmup counts steps")),
            .integer(
                "warmup", \.schedule.warmup, 0...1_000_000, "Steps until the highest learning rate.", resume: .told,
                others: "warmup_steps warmup_iters num_warmup_steps warm_up",
                default: .from {
                    let steps = $0.run.schedule.steps
                    if let share = $0.run.schedule.warmupShare, !$0.isTimed {
                        return (steps == 0 ? nil : Int((share * Double(steps)).rounded(.up)), "warmup_share × steps")
                    }
                    if $0.isTimed { return (50, "default with a time limit") }
                    return (steps == 0 ? nil : max(1, min(200, steps / 20)), "steps / 20")
                }),
            .integer(
                "decay", \.schedule.decay, 0...100_000_000, "Steps of the last part of a wsd schedule.", resume: .told,
                others: "decay_steps lr_decay_iters cooldown cooldown_steps",
                default: .from {
                    let steps = $0.run.schedule.steps
                    if $0.isTimed { return (0, "the last fifth of the minutes") }
                    return (steps == 0 ? nil : steps / 5, "steps / 5")
                }),
        ]
    ) { (run, _) throws(TrainingError) in
        let schedule = run.schedule
        guard schedule.steps < ScheduleOptions.unboundedSteps || schedule.decay == 0 else {
            throw TrainingError(
                .configuration,
                "decay counts steps and needs their number; a run that ends with its minutes decays over the last "
                    + "fifth of them")
        }
        guard schedule.warmup <= schedule.steps || schedule.steps == 0 else {
            throw TrainingError(
                .configuration, "warmup \(schedule.warmup) is longer than the \(schedule.steps) steps")
        }
    }

    private static func steps(_ facts: OptionFacts) -> (Int?, String) {
        let perStep = facts.run.rows.perStep
        if let epochs = facts.run.rows.epochs {
            guard let rows = facts.rows, perStep > 0 else { return (nil, "epochs × rows of the data / batch_rows") }
            let perEpoch = max(1, rows).adding(clamped: perStep - 1) / perStep
            return (
                min(100_000_000, max(1, Int(clamping: (epochs * Double(perEpoch)).rounded()))),
                "epochs × \(rows) rows / batch_rows"
            )
        }
        if facts.isTimed { return (ScheduleOptions.unboundedSteps, "until the minutes are over") }
        return (1000, "default")
    }

    private static func rate(_ facts: OptionFacts) -> (Double?, String) {
        let usual = facts.optimizer
        if facts.run.adapter.isOn, facts.run.optimizer.kind == .adamw || facts.run.optimizer.kind == .adam {
            return facts.run.adapter.usualRate(hiddenSize: facts.run.shape.hiddenSize)
        }
        let isKnown = facts.run.shape.hiddenSize > 0 || !usual.followsWidth
        guard !facts.isNew else { return (usual.learningRate, usual.origin) }
        // What was learnt is to be kept: a third of what one begins with.
        return (isKnown ? usual.learningRate / 3 : nil, usual.origin + ", a third to go on")
    }
}
