import MartletJSON
import MartletNN
import MartletTensor

extension Trainer {
    var isOutOfPatience: Bool {
        evaluation.patience > 0 && best.looksSince >= evaluation.patience
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
        if let name = try parameters.firstNotFinite() {
            // What is saved would be of no use, and would push out what is.
            throw TrainingError(.numbers, "after step \(step), \(name) has values that are no numbers")
        }
        do {
            let adapter = source.files.adapter
            let saved = try TrainingCheckpoint.write(
                run: run, step: step, parameters: parameters, optimizer: loop.optimizer,
                shown: adapter.map { try $0.shown(loop) } ?? loop.shownModel(),
                state: trainerState(finished: finished), files: source.files.all(savedAs: options.savedTypeName),
                as: adapter == nil ? TrainingCheckpoint.modelName : TrainingCheckpoint.adapterName,
                metadata: adapter?.metadata ?? ["format": "pt"])
            damaged.remove(saved.path)
            try saved.publish(in: run)
            removeOldCheckpoints()
            report(.saved(step: step, path: saved.path))
        } catch {
            guard mustSucceed || saving.onFullDisk == .stop else {
                return report(.notSaved(step: step, why: "\(error)"))
            }
            let before = TrainingCheckpoint.list(run: run).usable.last { !damaged.contains($0.path) }?.path
            throw TrainingError(
                .checkpoint,
                "step \(step) could not be saved (\(error)); "
                    + (before.map { "\($0) is good: make room, and --resume auto goes on from it" }
                        ?? "make room and begin anew: there is no checkpoint yet"))
        }
    }

    private func removeOldCheckpoints() {
        let all = TrainingCheckpoint.list(run: run).usable.filter { !damaged.contains($0.path) }
        let newest = all.suffix(saving.keep)
        // Where the newest are of a run that got lost, the last good one stays.
        let good = newest.allSatisfy { $0.hasDiverged(from: all) } ? all.last { !$0.hasDiverged(from: all) } : nil
        for old in all.dropLast(newest.count)
        where !(evaluation.keepsBest && old.step == best.step) && old.step != good?.step { old.remove() }
    }

    /// Ends a run whose numbers broke with a good model: checkpoints of weights that had diverged before are set aside,
    /// and the run's folder shows the newest good one.
    /// - Returns: what to do next, for the end of the error's sentence.
    func leaveGoodCheckpoint() -> String {
        let all = TrainingCheckpoint.list(run: run).usable.filter { !damaged.contains($0.path) }
        let lost = all.filter { $0.hasDiverged(from: all) }
        for checkpoint in lost { checkpoint.setAside() }
        guard let good = all.last(where: { !$0.hasDiverged(from: all) }) else {
            return "there is no checkpoint yet: begin again with a lower learning_rate"
        }
        let shows = (try? good.publish(in: run)) != nil ? " and is what \(run) shows" : ""
        let aside =
            lost.isEmpty
            ? ""
            : "; \(lost.count) later with a much higher loss \(lost.count == 1 ? "is" : "are") set aside as diverged-*"
        return "\(good.path) is good\(shows)\(aside): --resume auto goes on from it, with a lower learning_rate if you "
            + "set one"
    }

    /// trainer_state.json: what the rest of the run depends on besides parameters and moments.
    private func trainerState(finished: Bool) -> JSON {
        var members: [JSONObject.Element] = [
            ("step", .integer(Int64(step))), ("optimizer_steps", .integer(Int64(loop.optimizer.stepCount))),
            ("seconds", .number(seconds)),
        ]
        members += best.state + loop.scalerState + (loop.guards?.state ?? [])
        members += [("finished", .bool(finished)), ("configuration", options.json)]
        members += source.state
        if let adapter = source.files.adapter { members.append(("base_fingerprint", .string(adapter.fingerprint))) }
        return .object(JSONObject(members))
    }
}

extension TrainingCheckpoint {
    /// The usual training loss of the steps before it, where it says.
    private var loss: Double? { state["recent_loss"]?.double }

    /// Whether the training loss had left what it was before: twice the lowest of those saved earlier, and a nat more.
    func hasDiverged(from all: [TrainingCheckpoint]) -> Bool {
        guard let loss, let lowest = all.filter({ $0.step < step }).compactMap(\.loss).min() else { return false }
        return loss > lowest + max(1, lowest)
    }
}
