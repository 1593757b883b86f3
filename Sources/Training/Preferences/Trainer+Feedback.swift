import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor

extension Trainer {
    /// Training on preference pairs (DPO and its variants) or judged replies (KTO).
    ///
    /// The reference's log-probabilities are computed once and kept in the run's folder (`reference.safetensors`), so
    /// that no second model is in memory while the policy trains. By default the reference is the initial model, with
    /// its adapters disabled.
    /// - Parameters:
    ///   - options: of `RunCommand.preferences`.
    ///   - data: see `feedbackData`.
    ///   - memory: the limit on the planned memory in bytes; nil for no check.
    ///   - progress: receives the number of rows with log-probabilities, and the total; returning false stops.
    /// - Throws: `TrainingError` before anything is computed, where something does not fit; `CancellationError`.
    public convenience init(
        run: String, options: TrainingOptions, model: StartingModel, feedback data: FeedbackData,
        memory: Int? = MachineMemory().total, progress: (Int, Int) -> Bool = { _, _ in true }
    ) throws {
        let resolved = try Self.resolved(options, model, data)
        let named = try NamedPreferenceLoss(resolved.preferences)
        let cost = try Self.demand(resolved, model, memory, for: "learning from preferences")
        var data = data, reference: String?
        let goal: FeedbackSource.Goal
        switch named {
        case .pairs(let loss):
            goal = .pairs(PreferencePolicy(model.decoder, loss: loss))
            guard loss.needsReference else { break }
            let sums = "tail weight \(loss.tailWeight)"
            reference = try Self.addReference(&data, loss, sums, run, resolved, model, progress)
        case .judged(let kind):
            var objective = JudgedPolicy(model.decoder)
            objective.kind = kind
            objective.beta = resolved.preferences.beta
            objective.desirableWeight = resolved.preferences.desirableWeight
            objective.undesirableWeight = resolved.preferences.undesirableWeight
            goal = .judged(objective)
            reference = try Self.addReference(
                &data, nil, "with replies to other prompts", run, resolved, model, progress)
        }
        try resolved.recompute(model.decoder)
        try self.init(
            run, resolved, model.decoder, cost, resolved.stepLoop(model.parameters),
            FeedbackSource(
                data, goal, files: model.files, from: model, reference: reference, resolved.run))
    }

    /// Trains a reward model. From pairs: a head on the model, saved as transformers' `…ForSequenceClassification` with
    /// one label. From replies in steps: two classes at the end of each step, `…ForTokenClassification` (a process
    /// reward model).
    /// - Parameter options: of `RunCommand.rewardModel`.
    /// - Throws: `TrainingError` before anything is computed, where something does not fit.
    public convenience init(
        run: String, options: TrainingOptions, rewardModelFrom model: StartingModel, pairs data: FeedbackData,
        memory: Int? = MachineMemory().total
    ) throws {
        let resolved = try Self.resolved(options, model, data)
        let cost = try Self.demand(resolved, model, memory, for: "learning rewards")
        try resolved.recompute(model.decoder)
        if data.kind == .steps {
            let form = try SequenceClassifierForm(model, seed: resolved.general.randomSeed, .steps)
            guard let bias = form.bias else { throw TrainingError(.configuration, "a head of steps has a bias") }
            let objective = StepReward(model.decoder, weight: form.head.tensor, bias: bias.tensor)
            try self.init(
                run, resolved, model.decoder, cost, resolved.stepLoop(form.parameters),
                FeedbackSource(
                    data, .steps(objective), files: form.files, from: model, reference: nil, resolved.run))
            return
        }
        let form = try SequenceClassifierForm(model, seed: resolved.general.randomSeed)
        var objective = PairwiseReward(try RewardModel(model.decoder, head: form.head.tensor))
        objective.centering = resolved.rewardModel.centering
        objective.usesMargins = resolved.rewardModel.usesMargins
        try self.init(
            run, resolved, model.decoder, cost, resolved.stepLoop(form.parameters),
            FeedbackSource(
                data, .reward(objective), files: form.files, from: model, reference: nil, resolved.run))
    }

    /// The rows that a run's options name, as its model's tokens.
    /// - Parameter onBadRecord: receives each skipped record, if the policy is to report them.
    public static func feedbackData(
        _ options: TrainingOptions, _ model: StartingModel, onBadRecord: @escaping (DataError) -> Void = { _ in }
    ) throws -> FeedbackData {
        let resolved = try ResolvedOptions(
            options, vocabularySize: model.tokenizer.vocabularySize, model: model.decoder.configuration)
        var kind = FeedbackData.Kind.pairs
        if options.command == .preferences, case .judged = try NamedPreferenceLoss(resolved.preferences) {
            kind = .judged
        }
        if options.command == .rewardModel, try isStepped(resolved.chat) { kind = .steps }
        return try FeedbackData(
            resolved.chat.data, options: resolved.chat.corpus(), encoder: model.chatEncoder(), kind: kind,
            longest: resolved.rows.length, heldOut: resolved.chat.validation,
            fold: resolved.chat.validationFold, onBadRecord: onBadRecord)
    }

    /// Whether the first record is a reply in steps.
    private static func isStepped(_ chat: ConversationOptions) throws -> Bool {
        var options = try chat.corpus()
        options.feedback = .whereThere
        options.badRecords = .skip
        guard case .feedback(.steps)? = try Corpus(chat.data, options: options).nextDocument()?.content else {
            return false
        }
        return true
    }

    private static func resolved(
        _ options: TrainingOptions, _ model: StartingModel, _ data: FeedbackData
    ) throws(TrainingError) -> ResolvedOptions {
        try ResolvedOptions(
            options, vocabularySize: model.tokenizer.vocabularySize, model: model.decoder.configuration,
            rowsPerEpoch: { _, _ in data.trainingCount })
    }

    private static func demand(
        _ resolved: ResolvedOptions, _ model: StartingModel, _ memory: Int?, for what: String
    ) throws -> TrainingCost {
        let cost = TrainingCost(model.decoder.configuration, length: resolved.rows.length)
        try TrainingCost.demand(
            resolved.memory(cost, adapter: model.files.adapter?.sizes), within: memory, for: what)
        return cost
    }

    /// - Returns: what the reference is.
    private static func addReference(
        _ data: inout FeedbackData, _ loss: (any PreferenceLoss)?, _ sums: String, _ run: String,
        _ resolved: ResolvedOptions, _ model: StartingModel, _ progress: (Int, Int) -> Bool
    ) throws -> String {
        let given = resolved.preferences.reference, rows = data.count
        if let given, given.hasSuffix(".safetensors") {
            let file = try SafetensorsFile(path: given)
            guard let before = file.metadata[ReferenceStore.key] else {
                throw TrainingError(
                    .data,
                    "\(given) holds no log-probabilities of a reference; a run writes them as "
                        + "reference.safetensors")
            }
            // Of whatever model: the rows and their sums must be these.
            let wanted = "\(data.fingerprint); \(sums); "
            guard before.hasPrefix(wanted) else {
                throw TrainingError(.data, "\(given) was computed from other rows (\(before)), these are \(wanted)")
            }
            data.setReference(try ReferenceStore(path: given, fingerprint: before).read(rows: rows) ?? [])
            return String(before.dropFirst(wanted.count))
        }
        let name = given ?? model.path
        let store = ReferenceStore(
            path: run + "/reference.safetensors", fingerprint: "\(data.fingerprint); \(sums); \(name)")
        // A resumed run no longer has the weights that it started with.
        if let known = try? store.read(rows: rows) {
            data.setReference(known)
            return name
        }
        let scores: [(Double, Double)]
        if let given {
            let other = try ModelFiles(path: given)
            let tokenizer = VocabularyIdentity(try other.tokenizer())
            guard tokenizer == VocabularyIdentity(model.tokenizer) else {
                throw TrainingError(
                    .data, "the reference \(given) has another vocabulary (\(tokenizer)) than \(model.path)")
            }
            scores = try ReferenceStore.scores(of: data, loss: loss, other.checkpoint.decoder()) { progress($0, rows) }
        } else {
            scores = try model.withoutAdapter {
                try ReferenceStore.scores(of: data, loss: loss, model.decoder) { progress($0, rows) }
            }
        }
        guard scores.allSatisfy({ $0.0.isFinite && $0.1.isFinite }) else {
            throw TrainingError(.numbers, "the reference \(name) gives probabilities that are no numbers")
        }
        try makeFolder(run)
        try store.write(scores)
        data.setReference(scores)
        return name
    }
}
