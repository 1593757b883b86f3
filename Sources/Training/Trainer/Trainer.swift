import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor

/// A run in its folder: steps, evaluation, samples and checkpoints on the way, whatever it learns from. Rows of tokens are
/// learnt from with `init(run:options:data:from:memory:)`, rewards with `init(run:options:model:problems:reward:memory:)`.
///
/// A run is a function of its configuration and data: what a step is computed from follows from its number and the weights,
/// and a run that is resumed from a checkpoint ends with the same weights, bit for bit, as one that was never interrupted
/// (unless it is limited by minutes).
///
/// ```swift
/// var options = TrainingOptions()
/// try options.set("depth", 4)
/// try options.set("steps", 1000)
/// let data = try TrainingData(folder: "shards")
/// let trainer = try Trainer(run: "runs/first", options: options, data: data)
/// _ = try trainer.resume()                                   // goes on from the newest checkpoint, if there is one
/// _ = try trainer.train { event in print(event) }            // a line for each step, evaluation and checkpoint
/// ```
public final class Trainer {
    public let run: String
    public let options: ResolvedOptions
    /// Nil where an encoder or an encoder-decoder is trained.
    public let decoder: Decoder?
    /// What the optimiser changes: the decoder's own, or the float32 masters of what it computes with.
    public var parameters: [Parameter] { loop.parameters }
    package var mixed: MixedPrecision? { loop.mixed }
    public let cost: TrainingCost
    let loop: StepLoop
    let source: any TrainingSource
    private let schedule: ScheduleOptions
    let evaluation: EvaluationOptions
    let saving: CheckpointOptions
    let log: RunLog
    /// Steps done.
    public internal(set) var step = 0
    var seconds = 0.0
    var best = BestEvaluation()
    /// Held by whoever trains, from `claim` to the end of `train`.
    private var lock: RunLock?
    /// Checkpoints that were passed over since a file of theirs has changed.
    var damaged: Set<String> = []
    /// Options that have another value than the checkpoint was trained with, a sentence each.
    public private(set) var changes: [String] = []
    /// Record where the time of this many steps goes, after the first two, in which buffers are made.
    public var profiledSteps: Int {
        get { loop.profiledSteps }
        set { loop.profiledSteps = newValue }
    }
    /// Whether the checkpoint that was resumed is the run's last: there is nothing left to train.
    public private(set) var isFinished = false

    /// What the run keeps in memory, by kind.
    public var memory: [(kind: String, bytes: Int)] { options.memory(cost, adapter: source.files.adapter?.sizes) }

    /// The rows that are learnt; nil where rewards are.
    var rows: RowSource? { source as? RowSource }
    public var data: TrainingData? { rows?.data }
    /// Whether the model that is saved can be talked to.
    public var hasChatTemplate: Bool { source.files.hasChatTemplate }
    package var batches: BatchStream? { rows?.batches }
    /// What was decided about the data and is not seen from the options, a sentence each.
    public var notes: [String] { source.notes }
    /// What of the data is in no row of the run, a sentence for each folder that anything is left out of.
    public var leftOutOfRows: [String] { rows?.leftOutOfRows ?? [] }

    init(
        _ run: String, _ options: ResolvedOptions, _ decoder: Decoder?, _ cost: TrainingCost, _ loop: StepLoop,
        _ source: any TrainingSource
    ) throws {
        if options.run.compute.roundsInputs {
            guard let decoder else {
                throw TrainingError(
                    .configuration, "qat_activations rounds the inputs of a decoder's layers, and none is trained here")
            }
            WeightRounding.roundInputs(of: decoder.tree)
        }
        self.run = run
        self.options = options
        self.decoder = decoder
        self.cost = cost
        self.loop = loop
        self.source = source
        schedule = options.schedule
        evaluation = options.evaluation
        saving = options.checkpoints
        try makeFolder(run)
        log = try RunLog(folder: run)
    }

    /// - Parameters:
    ///   - run: the folder to write to; made only when everything fits.
    ///   - model: what training goes on from; a model is begun anew without it.
    ///   - memory: bytes that the plan may come to; nil does not look.
    /// - Throws: `TrainingError` before anything of a new model is made, where something does not fit.
    public convenience init(
        run: String, options: TrainingOptions, data: TrainingData, from model: StartingModel? = nil,
        memory: Int? = MachineMemory().total
    ) throws {
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
            let rows = try? data.trainingRows(length: length, layout: layout.sequences)
            return rows.flatMap { try? BatchStream($0, rowsPerStep: 1, seed: 0).stepsPerEpoch }
        }
        let length = resolved.rows.length
        var files =
            model?.files
            ?? ModelFolderFiles(
                configuration: resolved.modelConfiguration(
                    endToken: data.tokenizer.eosTokens.min().map(Int.init),
                    beginToken: data.tokenizer.bosToken.map(Int.init),
                    padToken: data.tokenizer.padToken.map(Int.init)),
                tokenizerFiles: data.tokenizerFiles, endTokens: data.tokenizer.eosTokens)
        let architecture = try model.map { .decoder($0.decoder.configuration) } ?? resolved.architecture()
        if let context = architecture.contextLength, length > context {
            throw TrainingError(
                .configuration,
                "context_length \(length) is longer than the model's context of \(context) tokens")
        }
        let rows = try data.trainingRows(length: length, layout: resolved.rows.sequenceLayout)
        let count = rows.reduce(0) { $0 + $1.set.count }
        guard count >= resolved.rows.perStep else {
            throw TrainingError(
                .data,
                "the training data makes \(count) rows of \(length) tokens, a step takes "
                    + "\(resolved.rows.perStep): pack more text, or lower batch_rows or context_length")
        }
        guard !resolved.adapter.isOn || model?.adapter != nil else {
            throw TrainingError(
                .configuration, "an adapter is asked for, and the model was opened without it: StartingModel(adapter:)")
        }
        try model?.files.adapter?.demandStored(resolved.run)
        let cost = TrainingCost(architecture, length: length)
        try TrainingCost.demand(
            resolved.memory(cost, adapter: model?.files.adapter?.sizes), within: memory, for: "training")
        let body: TrainedBody, trained: [Parameter]
        if let model {
            (body, trained) = (.decoder(model.decoder), model.parameters)
        } else {
            (body, trained) = try TrainedBody.new(architecture, resolved)
        }
        if model == nil, let decoder = body.decoder,
            decoder.tree.parameters.contains(where: {
                decoder.configuration.publishedName($0.path) == nil
            })
        {
            files.joined = JoinedModel(decoder)
        }
        if let decoder = body.decoder {
            try resolved.recompute(decoder)
        } else {
            body.recomputesLayers = resolved.recomputesLayers
        }
        if case .replaced = body {
            files.companion = CompanionModel(
                configuration: resolved.run.shape.generator.configuration(
                    beginToken: data.tokenizer.bosToken.map(Int.init),
                    endToken: data.tokenizer.eosTokens.min().map(Int.init),
                    padToken: data.tokenizer.padToken.map(Int.init)))
        }
        try self.init(
            run, resolved, body.decoder, cost, resolved.stepLoop(trained),
            RowSource(
                data, rows, resolved.rowObjective(body, data.tokenizer, rows, startToken: files.startToken), files,
                resolved, cost, base: model))
    }

    /// Takes the run for this process until the end of `train`, which does so itself where it was not done before.
    /// - Parameter lock: the run's, where the caller has it already.
    /// - Throws: `TrainingError` where another process trains in the folder.
    public func claim(with lock: RunLock? = nil) throws {
        if self.lock == nil { self.lock = try lock ?? RunLock(run: run) }
    }

    /// Goes on from the newest checkpoint that is whole and undamaged. - Returns: it, and those that were passed over.
    /// - Throws: `TrainingError` where there are checkpoints and all of them are damaged.
    public func resume() throws -> (checkpoint: TrainingCheckpoint?, broken: [(path: String, why: String)]) {
        try claim()
        do { return try restoreNewest() } catch {
            lock = nil
            throw error
        }
    }

    private func restoreNewest() throws -> (checkpoint: TrainingCheckpoint?, broken: [(path: String, why: String)]) {
        let (found, broken) = try TrainingCheckpoint.toGoOnFrom(run: run)
        damaged = Set(broken.map(\.path))
        guard let newest = found else { return (nil, broken) }
        if let before = newest.state["configuration"], let changed = options.difference(from: before) {
            throw TrainingError(
                .configuration,
                "\(newest.path) was trained with another \(changed): \(before[changed]?.text() ?? "none"), now "
                    + "\(options[changed].text()); use the same configuration, or another run folder")
        }
        try source.demand(newest)
        try source.files.adapter?.demand(newest)
        try loop.restore(newest)
        step = newest.step
        seconds = newest.state["seconds"]?.double ?? 0
        best = BestEvaluation(newest.state)
        let before = newest.state["configuration"] ?? .null
        // Another end than it came to was asked for.
        let goesOn = options.goesOn(beyond: before, step: step)
        isFinished = newest.state["finished"]?.bool ?? false && !goesOn
        changes = options.changes(from: before)
        return (newest, broken)
    }

    /// What happens during a run, for a progress line or a page.
    public enum Event: Sendable {
        case step(StepReport)
        case evaluated(step: Int, Evaluation)
        /// Held-out problems were answered.
        case scored(step: Int, QuestionEvaluation)
        /// The objective was asked for held-out rows.
        case measured(step: Int, HeldOutMeasure)
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
        let total = schedule.steps, limit = schedule.seconds
        let clock = ContinuousClock()
        if isFinished { return true }
        try AtomicFile.write(run + "/configuration.json", bytes: options.document.bytes(indent: 2))
        try log.begin(after: step, .current(after: step, data: source.fingerprint))
        if step == 0, source.looksFirst { try look(report) }
        while step < total, limit.map({ seconds < $0 }) ?? true {
            if isInterrupted() || RunControl.takeStop(run) {
                try save(report, mustSucceed: true)
                return false
            }
            let start = clock.now
            let rate = schedule.rate(step: step, seconds: seconds)
            let taken = try source.take(loop, step: step, rate: rate)
            step += 1
            let elapsed = (clock.now - start) / .seconds(1)
            seconds += elapsed
            if let taken {
                let done = StepReport(
                    step: step, total: total, loss: taken.outcome.loss, learningRate: rate,
                    gradientNorm: taken.outcome.gradientNorm, tokens: taken.tokens, seconds: elapsed,
                    totalSeconds: seconds, limit: limit, operations: taken.operations, metrics: taken.outcome.metrics)
                if step % saving.logEvery == 0 || step == 1 || step == total {
                    if let table = taken.table { log.table(step: step, try table()) }
                    if let loads = taken.loads { log.experts(step: step, loads) }
                    log.step(done, peak: MachinePeak.reached(done.operationsPerSecond))
                }
                report(.step(done))
            } else {
                report(.leftOut(step: step, why: source.whyLeftOut(step: step - 1)))
            }
            if let profile = loop.takeProfile() { report(.profiled(profile)) }
            guard step < total else { break }
            var isDue = step % saving.every == 0
            if step % evaluation.every == 0 {
                let isBetter = try look(report)
                if isOutOfPatience { return try stopEarly(report) }
                isDue = isDue || isBetter && evaluation.keepsBest
            }
            if isDue { try save(report) }
        }
        try look(report)
        try save(report, mustSucceed: true, finished: true)
        return true
    }

    /// Looks at held-out data with the weights that are shown.
    /// - Returns: whether the loss is lower than ever before.
    @discardableResult
    private func look(_ report: (Event) -> Void) throws -> Bool {
        switch try loop.withShownWeights({ try source.look() }) {
        case .loss(let found)?:
            log.evaluation(step: step, found)
            report(.evaluated(step: step, found))
            return best.take(found.loss, step: step)
        case .score(let found)?:
            log.score(step: step, task: found.task, accuracy: found.accuracy, found.json())
            report(.scored(step: step, found))
            return false
        case .measured(let found)?:
            log.measure(step: step, found)
            report(.measured(step: step, found))
            return best.take(found.loss, step: step)
        case nil: return false
        }
    }
}
