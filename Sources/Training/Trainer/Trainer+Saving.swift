import MartletJSON
import MartletNN
import MartletTensor

extension Trainer {
    var isOutOfPatience: Bool {
        evaluation.patience > 0 && best.looksSince >= evaluation.patience
    }

    /// Stops a run whose held-out loss no longer falls (early stopping), and puts its best model into the run's folder.
    func stopEarly(_ report: (Event) -> Void) throws -> Bool {
        try save(report, mustSucceed: true, finished: true)
        let kept = TrainingCheckpoint.list(run: run).usable.first { $0.step == best.step }
        try kept?.publish(in: run)
        report(.stoppedEarly(step: step, best: best))
        return true
    }

    /// Saves a checkpoint, and keeps the newest few and the best. A full disk changes neither the run nor the
    /// checkpoint before.
    /// - Parameters:
    ///   - mustSucceed: whether the run ends here, so that unsaved work would be lost.
    ///   - finished: whether the run is complete.
    /// - Throws: `TrainingError` if it failed and the run must not continue.
    func save(_ report: (Event) -> Void, mustSucceed: Bool = false, finished: Bool = false) throws {
        if let name = try parameters.firstNotFinite() {
            // A checkpoint now would be useless, and would replace a useful one.
            throw TrainingError(.numbers, "after step \(step), \(name) has values that are no numbers")
        }
        do {
            let adapter = source.files.adapter
            let saved = try TrainingCheckpoint.write(
                run: run, step: step, parameters: parameters, optimizer: loop.optimizer,
                shown: shown(), carried: source.files.encoder?.carried ?? [],
                state: trainerState(finished: finished), files: source.files.all(savedAs: options.savedTypeName),
                as: adapter == nil ? TrainingCheckpoint.modelName : TrainingCheckpoint.adapterName,
                metadata: adapter?.metadata ?? ["format": "pt"])
            damaged.remove(saved.path)
            try saved.publish(in: run)
            removeOldCheckpoints()
            try source.files.companion?.write(
                run: run, loop, files: source.files.all(savedAs: options.savedTypeName))
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

    /// What is stored as the model, or as the adapter, where it is not the parameters themselves.
    private func shown() throws -> [(String, Tensor)]? {
        if let adapter = source.files.adapter { return try adapter.shown(loop) }
        if let encoder = source.files.encoder {
            return try encoder.shown(loop, as: options.run.compute.roundedType)
        }
        if let companion = source.files.companion { return try companion.shown(loop) }
        if let joined = source.files.joined { return try joined.shown(loop, as: options.run.compute.roundedType) }
        return try loop.shownModel()
    }

    private func removeOldCheckpoints() {
        let all = TrainingCheckpoint.list(run: run).usable.filter { !damaged.contains($0.path) }
        let newest = all.suffix(saving.keep)
        // If the newest checkpoints have diverged, the last good one is kept.
        let good = newest.allSatisfy { $0.hasDiverged(from: all) } ? all.last { !$0.hasDiverged(from: all) } : nil
        for old in all.dropLast(newest.count)
        where !(evaluation.keepsBest && old.step == best.step) && old.step != good?.step { old.remove() }
    }

    /// Leaves a good model when a run ends with a numerical failure: checkpoints whose weights had already diverged are
    /// set aside, and the run's folder gets the newest good one.
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
    /// The typical training loss of the steps before it, if it was stored.
    private var loss: Double? { state["recent_loss"]?.double }

    /// Whether the training loss had diverged: more than twice the lowest of those saved earlier, and one nat more.
    func hasDiverged(from all: [TrainingCheckpoint]) -> Bool {
        guard let loss, let lowest = all.filter({ $0.step < step }).compactMap(\.loss).min() else { return false }
        return loss > lowest + max(1, lowest)
    }
}
