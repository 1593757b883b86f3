import MartletData
import MartletNN

/// How the learning rate goes, and when a run ends.
struct ScheduleOptions: Sendable {
    var kind: LearningRateSchedule
    var highest, lowest: Double
    var warmup, decay, steps: Int
    /// Of training at most.
    var seconds: Double?

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

/// When a run is looked at, logged and saved, and what of it is kept.
struct SavingOptions: Sendable {
    var evaluateEvery, saveEvery, logEvery, keep, patience: Int
    var keepsBest, stopsOnFullDisk: Bool
}

/// How data becomes the rows of a step.
struct RowOptions: Sendable {
    var length, rowsPerStep, microBatches, evaluationRows: Int
    var layout: SequenceLayout
    var seed: UInt64
}

/// How replies are written and compared.
struct PolicyOptions: Sendable {
    var problems, groupSize, updates, maximumTokens, questions, microBatches: Int
    var temperature, ratioClip: Double
    var dividesByDeviation: Bool
    var seed: UInt64
}

/// Where strings end: what options are called is not known beyond these.
extension ResolvedOptions {
    var schedule: ScheduleOptions {
        let highest = number("learning_rate")
        return ScheduleOptions(
            kind: LearningRateSchedule(rawValue: text("schedule")) ?? .cosine, highest: highest,
            lowest: highest * number("final_rate"), warmup: integer("warmup"), decay: integer("decay"),
            steps: integer("steps"), seconds: self["minutes"].double.map { $0 * 60 })
    }

    var saving: SavingOptions {
        SavingOptions(
            evaluateEvery: integer("evaluate_every"), saveEvery: integer("save_every"), logEvery: integer("log_every"),
            keep: integer("keep"), patience: integer("patience"), keepsBest: flag("keep_best"),
            stopsOnFullDisk: text("on_disk_full") == "stop")
    }

    var rows: RowOptions {
        RowOptions(
            length: integer("context_length"), rowsPerStep: integer("batch_rows"),
            microBatches: integer("micro_batches"), evaluationRows: integer("evaluation_rows"),
            layout: .named(text("layout")), seed: UInt64(integer("seed")))
    }

    var policy: PolicyOptions {
        PolicyOptions(
            problems: integer("problems"), groupSize: integer("group_size"), updates: integer("updates"),
            maximumTokens: integer("maximum_tokens"), questions: integer("questions"),
            microBatches: integer("micro_batches"), temperature: number("temperature"),
            ratioClip: number("ratio_clip"), dividesByDeviation: flag("divides_by_deviation"),
            seed: UInt64(integer("seed")))
    }
}
