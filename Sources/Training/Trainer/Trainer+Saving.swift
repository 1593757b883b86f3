import MartletJSON
import MartletTensor

extension Trainer {
    var isOutOfPatience: Bool {
        let patience = options.integer("patience")
        return patience > 0 && best.looksSince >= patience
    }

    /// Ends a run whose held-out loss no longer falls, and shows its best model in the run's folder.
    func stopEarly(_ report: (Event) -> Void) throws -> Bool {
        try save(report, mustSucceed: true, finished: true)
        let kept = TrainingCheckpoint.list(run: run).usable.first { $0.step == best.step }
        try kept?.publish(in: run)
        report(.stoppedEarly(step: step, best: best))
        return true
    }

    /// Saves, and keeps the newest few and the best. A full disk leaves the run and the checkpoint before as they are.
    /// - Parameters:
    ///   - mustSucceed: the run ends here, so that what is not saved is lost.
    ///   - finished: the run has come to its end.
    /// - Throws: `TrainingError` when it failed and may not go on.
    func save(_ report: (Event) -> Void, mustSucceed: Bool = false, finished: Bool = false) throws {
        do {
            let saved = try TrainingCheckpoint.write(
                run: run, step: step, parameters: parameters, optimizer: optimizer, shown: shownModel(),
                state: trainerState(finished: finished), files: files.all)
            try saved.publish(in: run)
            removeOldCheckpoints()
            report(.saved(step: step, path: saved.path))
        } catch {
            guard mustSucceed || options.text("on_disk_full") == "stop" else {
                return report(.notSaved(step: step, why: "\(error)"))
            }
            let before = TrainingCheckpoint.list(run: run).usable.last?.path
            throw TrainingError(
                .checkpoint,
                "step \(step) could not be saved (\(error)); "
                    + (before.map { "\($0) is good: make room, and --resume auto goes on from it" }
                        ?? "make room and begin anew: there is no checkpoint yet"))
        }
    }

    /// The model to show, where it is not the parameters: their average, or what they are rounded to.
    private func shownModel() throws -> [(String, Tensor)]? {
        if let average { return Array(zip(parameters.map(\.name), average.averages)) }
        return try mixed?.model()
    }

    private func removeOldCheckpoints() {
        let all = TrainingCheckpoint.list(run: run).usable
        for old in all.dropLast(options.integer("keep"))
        where !(options.flag("keep_best") && old.step == best.step) { old.remove() }
    }

    /// trainer_state.json: what the rest of the run depends on besides parameters and moments.
    private func trainerState(finished: Bool) -> JSON {
        var members: [JSONObject.Element] = [
            ("step", .integer(Int64(step))), ("optimizer_steps", .integer(Int64(optimizer.stepCount))),
            ("seconds", .number(seconds)),
        ]
        members += best.state
        if !data.proportions.isNull { members.append(("proportions", data.proportions)) }
        if let scaler = mixed?.scaler { members.append(("loss_scale", scaler.state)) }
        members += [
            ("recent_norms", .array(recentNorms.map { .number($0) })), ("finished", .bool(finished)),
            ("configuration", options.json), ("vocabulary", .string(data.vocabulary.description)),
        ]
        return .object(JSONObject(members))
    }
}
