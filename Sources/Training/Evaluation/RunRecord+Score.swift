import MartletRuns

extension RunRecord {
    /// Writes a score into a run's log, at its newest step.
    public static func add(_ evaluation: QuestionEvaluation, to run: String) throws {
        let step = TrainingCheckpoint.list(run: run).usable.last?.step ?? 0
        try RunLog(folder: run).score(
            step: step, task: evaluation.task, accuracy: evaluation.accuracy, evaluation.json())
    }
}
