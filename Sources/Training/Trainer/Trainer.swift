import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor

/// Pre-training from a run folder: forward, backward, clip, step, with evaluation, samples and checkpoints on the way.
///
/// A run is a function of its configuration and data: the batch of a step follows from its number, and a run that is
/// resumed from a checkpoint ends with the same weights, bit for bit, as one that was never interrupted (unless it is
/// limited by minutes).
public final class Trainer {
    public let run: String
    public let options: ResolvedOptions
    public let data: TrainingData
    public let decoder: Decoder
    /// What the optimiser changes: the decoder's own, or the float32 masters of what it computes with.
    public var parameters: [Parameter] { loop.parameters }
    package var mixed: MixedPrecision? { loop.mixed }
    public let cost: TrainingCost
    let loop: StepLoop
    let objective: NextToken
    package let batches: BatchStream
    let validation: [HeldOutRows]
    let log: RunLog
    let files: ModelFolderFiles
    /// Steps done.
    public internal(set) var step = 0
    var seconds = 0.0
    var best = BestEvaluation()
    /// Held by whoever trains, from `claim` to the end of `train`.
    private var lock: RunLock?
    /// Checkpoints that were passed over since a file of theirs has changed.
    var damaged: Set<String> = []
    /// Steps in a row without a token to train on.
    private var stepsWithoutLabels = 0
    /// What was decided about the data and is not seen from the options, a sentence each.
    public private(set) var notes: [String] = []
    /// Options that have another value than the checkpoint was trained with, a sentence each.
    public private(set) var changes: [String] = []
    /// Record where the time of this many steps goes, after the first two, in which buffers are made.
    public var profiledSteps: Int {
        get { loop.profiledSteps }
        set { loop.profiledSteps = newValue }
    }
    /// Whether the checkpoint that was resumed is the run's last: there is nothing left to train.
    public private(set) var isFinished = false

    /// - Parameters:
    ///   - run: the folder to write to; made only when everything fits.
    ///   - model: what training goes on from; a model is begun anew without it.
    ///   - memory: bytes that the plan may come to; nil does not look.
    /// - Throws: `TrainingError` before anything of a new model is made, where something does not fit.
    public init(
        run: String, options: TrainingOptions, data: TrainingData, from model: StartingModel? = nil,
        memory: Int? = MachineMemory().total
    ) throws {
        self.run = run
        self.data = data
        if let model, VocabularyIdentity(model.tokenizer) != data.vocabulary {
            throw TrainingError(
                .data,
                "the data was made with the vocabulary \(data.vocabulary), but \(model.path) has "
                    + "\(VocabularyIdentity(model.tokenizer))")
        }
        let resolved = try ResolvedOptions(
            options, vocabularySize: data.tokenizer.vocabularySize, model: model?.decoder.configuration,
            longestRow: data.longestRow
        ) { length, layout in
            let rows = try? data.trainingRows(length: length, layout: .named(layout))
            return rows.flatMap { try? BatchStream($0, rowsPerStep: 1, seed: 0).stepsPerEpoch }
        }
        self.options = resolved
        let length = resolved.integer("context_length")
        files =
            model?.files
            ?? ModelFolderFiles(
                configuration: resolved.modelConfiguration(
                    endToken: data.tokenizer.eosTokens.min().map(Int.init),
                    beginToken: data.tokenizer.bosToken.map(Int.init)),
                tokenizerFiles: data.tokenizerFiles, endTokens: data.tokenizer.eosTokens)
        let reader = ConfigurationReader(file: "the configuration", json: files.configuration)
        let spec = try model?.decoder.configuration ?? Family.configuration(reader).1
        let layout = SequenceLayout.named(resolved.text("layout"))
        guard length <= spec.contextLength else {
            throw TrainingError(
                .configuration,
                "context_length \(length) is longer than the model's context of \(spec.contextLength) tokens")
        }
        let rows = try data.trainingRows(length: length, layout: layout), count = rows.reduce(0) { $0 + $1.set.count }
        guard count >= resolved.integer("batch_rows") else {
            throw TrainingError(
                .data,
                "the training data makes \(count) rows of \(length) tokens, a step takes "
                    + "\(resolved.integer("batch_rows")): pack more text, or lower batch_rows or context_length")
        }
        cost = TrainingCost(spec, length: length)
        try TrainingCost.demand(resolved.memory(cost), within: memory, for: "training")
        let trained: [Parameter]
        if let model {
            (decoder, trained) = (model.decoder, model.parameters)
        } else {
            let source = TrainableParameters(resolved.initializer())
            decoder = Decoder(source, spec)
            try source.finish()
            trained = source.parameters
        }
        decoder.recomputesLayers = resolved.recomputesLayers
        loop = try resolved.stepLoop(trained)
        objective = resolved.nextToken(decoder)
        batches = try BatchStream(
            rows, rowsPerStep: resolved.integer("batch_rows"), seed: UInt64(resolved.integer("seed")))
        var told: [String] = []
        validation = try data.heldOutRows(length: length, layout: layout) { told.append($0) }
        notes = told
        try makeFolder(run)
        log = try RunLog(folder: run)
    }

    /// Takes the run for this process until the end of `train`, which does so itself where it was not done before.
    /// - Parameter lock: the run's, where the caller has it already.
    /// - Throws: `TrainingError` where another process trains in the folder.
    public func claim(with lock: RunLock? = nil) throws {
        if self.lock == nil { self.lock = try lock ?? RunLock(run: run) }
    }

    /// Goes on from the newest checkpoint that is whole and undamaged. - Returns: it, and those that were passed over.
    public func resume() throws -> (checkpoint: TrainingCheckpoint?, broken: [(path: String, why: String)]) {
        try claim()
        do { return try restoreNewest() } catch {
            lock = nil
            throw error
        }
    }

    private func restoreNewest() throws -> (checkpoint: TrainingCheckpoint?, broken: [(path: String, why: String)]) {
        let (found, broken) = TrainingCheckpoint.newestSound(run: run)
        damaged = Set(broken.map(\.path))
        guard let newest = found else { return (nil, broken) }
        if let before = newest.state["configuration"], let changed = options.difference(from: before) {
            throw TrainingError(
                .configuration,
                "\(newest.path) was trained with another \(changed): \(before[changed]?.text() ?? "none"), now "
                    + "\(options[changed].text()); use the same configuration, or another run folder")
        }
        if let before = newest.state["vocabulary"]?.string, before != data.vocabulary.description {
            throw TrainingError(
                .checkpoint,
                "\(newest.path) was trained with the vocabulary \(before), the data has \(data.vocabulary)")
        }
        let proportions = newest.state["proportions"] ?? .null
        if proportions != data.proportions {
            throw TrainingError(
                .configuration,
                "\(newest.path) was trained on data in the proportions \(proportions.text()), now \(data.proportions.text()); "
                    + "use the same, or another run folder")
        }
        try loop.restore(newest)
        step = newest.step
        seconds = newest.state["seconds"]?.double ?? 0
        best = BestEvaluation(newest.state)
        let before = newest.state["configuration"] ?? .null
        // Another end than it came to was asked for.
        let goesOn = ["steps", "epochs", "minutes", "patience"].contains { name in
            options[name] != before[name] ?? .null && (name != "steps" || options.integer(name) > step)
        }
        isFinished = newest.state["finished"]?.bool ?? false && !goesOn
        changes = options.changes(from: before)
        return (newest, broken)
    }

    /// What happens during a run, for a progress line or a page.
    public enum Event: Sendable {
        case step(StepReport)
        case evaluated(step: Int, Evaluation)
        case saved(step: Int, path: String)
        /// A checkpoint could not be written; the one before is still good.
        case notSaved(step: Int, why: String)
        /// Held-out loss has not fallen for as long as was asked; the run's folder shows the model of `best`.
        case stoppedEarly(step: Int, best: BestEvaluation)
        /// A step did nothing, since no token of its rows is trained on.
        case leftOut(step: Int, why: String)
        /// As many steps as `profiledSteps` asked for have been recorded.
        case profiled(StepProfile)
    }

    /// Trains until the last step, the last minute, the end of patience, or until `isInterrupted` or
    /// `RunControl.requestStop`; then saves.
    /// - Returns: whether it came to its end.
    @discardableResult
    public func train(isInterrupted: () -> Bool = { false }, report: (Event) -> Void) throws -> Bool {
        try claim()
        defer { lock = nil }
        do { return try run(isInterrupted, report) } catch let error as TrainingError where error.kind == .numbers {
            throw TrainingError(.numbers, error.description + "; " + leaveGoodCheckpoint())
        }
    }

    private func run(_ isInterrupted: () -> Bool, _ report: (Event) -> Void) throws -> Bool {
        let total = options.integer("steps")
        let limit = options["minutes"].double.map { $0 * 60 }
        let clock = ContinuousClock()
        if isFinished { return true }
        try AtomicFile.write(run + "/configuration.json", bytes: options.document.bytes(indent: 2))
        try log.begin(after: step)
        while step < total, limit.map({ seconds < $0 }) ?? true {
            if isInterrupted() || RunControl.takeStop(run) {
                try save(report, mustSucceed: true)
                return false
            }
            let start = clock.now
            let result = try advance(rate: rate(limit))
            let elapsed = (clock.now - start) / .seconds(1)
            seconds += elapsed
            if let result {
                let done = StepReport(
                    step: step, total: total, loss: result.outcome.loss, learningRate: result.rate,
                    gradientNorm: result.outcome.gradientNorm,
                    tokens: batches.rowsPerStep * batches.length, seconds: elapsed, totalSeconds: seconds, limit: limit,
                    operations: cost.trainingPerToken * Double(batches.rowsPerStep * batches.length))
                if step % options.integer("log_every") == 0 || step == 1 || step == total { log.step(done) }
                report(.step(done))
            } else {
                report(.leftOut(step: step, why: "no token of \(batches.origin(step: step - 1, row: 0)) is trained on"))
            }
            if let profile = loop.takeProfile() { report(.profiled(profile)) }
            guard step < total else { break }
            var isDue = step % options.integer("save_every") == 0
            if step % options.integer("evaluate_every") == 0 {
                let isBetter = try evaluate(report)
                if isOutOfPatience { return try stopEarly(report) }
                isDue = isDue || isBetter && options.flag("keep_best")
            }
            if isDue { try save(report) }
        }
        try evaluate(report)
        try save(report, mustSucceed: true, finished: true)
        return true
    }

    private func rate(_ limit: Double?) -> Double {
        let highest = options.number("learning_rate"), lowest = highest * options.number("final_rate")
        let schedule = LearningRateSchedule(rawValue: options.text("schedule")) ?? .cosine
        let warmup = options.integer("warmup"), total = options.integer("steps"), decay = options.integer("decay")
        // The first step's rate is not 0.
        let reached = step + (warmup > 0 ? 1 : 0)
        if let limit {
            // What comes first ends the run: the last minute or the last step.
            let share = max(seconds / limit, Double(step) / Double(total))
            return schedule.rate(
                step: reached, share: share, highest: highest, lowest: lowest, warmup: warmup,
                decay: decay > 0 ? Double(decay) / Double(total) : 0.2)
        }
        return schedule.rate(
            step: reached, highest: highest, lowest: lowest, warmup: warmup, total: total, decay: decay)
    }

    /// One optimiser step over all its micro-batches.
    /// - Returns: nil where no token of its rows is trained on: the step changes nothing.
    private func advance(rate: Double) throws -> (outcome: StepLoop.Outcome, rate: Double)? {
        let count = options.integer("micro_batches")
        func origins() -> String {
            let samples = (0..<min(3, batches.rowsPerStep)).map { batches.origin(step: step, row: $0) }
            return "the step's rows begin with " + samples.joined(separator: "; ")
        }
        let outcome = try loop.step(objective, number: step, rate: rate, data: origins) {
            try (0..<count).map { try batches.batch(step: step, microBatch: $0, of: count) }
        }
        defer { step += 1 }
        if let outcome {
            stepsWithoutLabels = 0
            return (outcome, rate)
        }
        stepsWithoutLabels += 1
        guard stepsWithoutLabels < batches.stepsPerEpoch else {
            throw TrainingError(
                .data,
                "step \(step + 1): no token of \(batches.origin(step: step, row: 0)) is trained on, nor of any row of "
                    + "the \(stepsWithoutLabels) steps up to here, which are all the data")
        }
        return nil
    }
}

extension SequenceLayout {
    /// As the option `layout` names it.
    static func named(_ name: String) -> SequenceLayout { name == "packed" ? .packed(.bestFit) : .contiguous }
}
