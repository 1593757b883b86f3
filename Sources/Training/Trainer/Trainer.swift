import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import MartletText

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
    public let parameters: [Parameter]
    package let mixed: MixedPrecision?
    public let cost: TrainingCost
    let optimizer: any Optimizer
    /// Evaluated and shown in place of the parameters, where `ema` asks for it.
    let average: WeightAverage?
    package let batches: BatchStream
    let validation: [HeldOutRows]
    let log: RunLog
    let files: ModelFolderFiles
    /// Steps done.
    public internal(set) var step = 0
    var seconds = 0.0
    var best = BestEvaluation()
    var recentNorms: [Double] = []
    /// Record where the time of this many steps goes, after the first two, in which buffers are made.
    public var profiledSteps = 0
    var recording = StepRecording()
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
            options, vocabularySize: data.tokenizer.vocabularySize, model: model?.decoder.configuration
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
        mixed = try resolved.roundedType.map { try MixedPrecision(trained, $0) }
        parameters = mixed?.masters ?? trained
        optimizer = resolved.optimizer(parameters)
        let decay = resolved.number("ema")
        average = decay > 0 ? WeightAverage(parameters, decay: decay) : nil
        batches = try BatchStream(
            rows, rowsPerStep: resolved.integer("batch_rows"), seed: UInt64(resolved.integer("seed")))
        validation = try data.heldOutRows(length: length, layout: layout)
        try makeFolder(run)
        log = try RunLog(folder: run)
    }

    /// Goes on from the newest checkpoint that is whole. - Returns: it, and those that were passed over.
    public func resume() throws -> (checkpoint: TrainingCheckpoint?, broken: [(path: String, why: String)]) {
        let (usable, broken) = TrainingCheckpoint.list(run: run)
        guard let newest = usable.last else { return (nil, broken) }
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
        try newest.restore(parameters, optimizer, average)
        try mixed?.roundMasters()
        if let state = newest.state["loss_scale"] { mixed?.scaler = LossScaler(state) }
        step = newest.step
        seconds = newest.state["seconds"]?.double ?? 0
        best = BestEvaluation(newest.state)
        isFinished = newest.state["finished"]?.bool ?? false
        recentNorms = newest.state["recent_norms"]?.array?.compactMap(\.double) ?? []
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
        /// As many steps as `profiledSteps` asked for have been recorded.
        case profiled(StepProfile)
    }

    /// Trains until the last step, the last minute, the end of patience, or until `isInterrupted` or
    /// `RunControl.requestStop`; then saves.
    /// - Returns: whether it came to its end.
    @discardableResult
    public func train(isInterrupted: () -> Bool = { false }, report: (Event) -> Void) throws -> Bool {
        let total = options.integer("steps")
        let limit = options["minutes"].double.map { $0 * 60 }
        let clock = ContinuousClock()
        if isFinished { return true }
        try AtomicFile.write(run + "/configuration.json", bytes: options.document.bytes(indent: 2))
        try log.begin(after: step)
        defer { log.end() }
        while step < total, limit.map({ seconds < $0 }) ?? true {
            if isInterrupted() || RunControl.takeStop(run) {
                try save(report, mustSucceed: true)
                return false
            }
            let start = clock.now
            let result = try profiled { try advance(rate: rate(limit)) }
            let elapsed = (clock.now - start) / .seconds(1)
            seconds += elapsed
            let done = StepReport(
                step: step, total: total, loss: result.loss, learningRate: result.rate, gradientNorm: result.norm,
                tokens: batches.rowsPerStep * batches.length, seconds: elapsed, totalSeconds: seconds, limit: limit,
                operations: cost.trainingPerToken * Double(batches.rowsPerStep * batches.length))
            if step % options.integer("log_every") == 0 || step == 1 || step == total { log.step(done) }
            report(.step(done))
            if let profile = takeProfile() { report(.profiled(profile)) }
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

    /// One optimiser step over all its micro-batches. The norm is 0 where the step was left out.
    private func advance(rate: Double) throws -> (loss: Double, norm: Double, rate: Double) {
        let span = OperationSpan("step \(step + 1)", .part)
        defer { span.end() }
        let count = options.integer("micro_batches")
        let parts = try OperationSpan.of("batch", .data) {
            try (0..<count).map { try batches.batch(step: step, microBatch: $0, of: count) }
        }
        let trained = parts.reduce(0) { $0 + $1.trainedTokenCount }
        guard trained > 0 else {
            throw TrainingError(
                .data, "step \(step + 1): no token of \(batches.origin(step: step, row: 0)) is trained on")
        }
        let compute = LossComputation(
            decoder: decoder, smoothing: Float(options.number("label_smoothing")),
            zLoss: Float(options.number("z_loss")))
        var total = 0.0
        let scale = mixed?.scaler?.scale ?? 1
        var dropout = DecoderDropout(
            probability: options.number("dropout"), attentionProbability: options.number("attention_dropout"),
            seed: UInt64(options.integer("seed")), step: step)
        for part in parts {
            let loss = try OperationSpan.of("forward", .part) {
                try compute(part, divisor: trained, dropout: dropout)
            }
            dropout.firstToken += part.inputs.count
            total += try loss.item(as: Double.self)
            try OperationSpan.of("backward", .part) { try loss.backward(gradient: Tensor(Float(scale))) }
        }
        try mixed?.collectGradients()
        let norm = try parameters.gradientNorm() / scale
        if mixed?.scaler != nil, total.isFinite, !norm.isFinite {
            // Not the numbers but the factor was too large: this step is left out.
            try mixed?.scaler?.overflowed(step: step + 1)
            parameters.clearGradients()
            step += 1
            return (total, 0, rate)
        }
        try guardNumbers(loss: total, norm: norm)
        mixed?.scaler?.succeeded()
        let clip = options.number("clip")
        try OperationSpan.of(options.text("optimizer"), .update) {
            try optimizer.step(learningRate: rate, gradientScale: (norm > clip ? clip / norm : 1) / scale)
        }
        parameters.clearGradients()
        try mixed?.roundMasters()
        average?.update()
        step += 1
        return (total, norm, rate)
    }

    /// Stops before a broken step reaches the parameters.
    private func guardNumbers(loss: Double, norm: Double) throws {
        let samples = (0..<min(3, batches.rowsPerStep)).map { batches.origin(step: step, row: $0) }
            .joined(separator: "; ")
        guard loss.isFinite, norm.isFinite else {
            throw TrainingError(
                .numbers,
                "step \(step + 1): the loss is \(loss), the gradient norm \(norm); the step's rows begin with "
                    + "\(samples); lower learning_rate, or look at these rows")
        }
        let usual = recentNorms.sorted()[safe: recentNorms.count / 2] ?? norm
        if recentNorms.count >= 50, norm > options.number("spike_factor") * usual {
            throw TrainingError(
                .numbers,
                "step \(step + 1): the gradient norm leapt to \(norm) from a usual \(usual); the step's rows "
                    + "begin with \(samples)")
        }
        recentNorms.append(norm)
        if recentNorms.count > 100 { recentNorms.removeFirst() }
    }

    /// Runs `body` on the average of the weights, where there is one.
    private func averaged<Result>(_ body: () throws -> Result) throws -> Result {
        guard let average else { return try body() }
        let result = try average.withAverages {
            try mixed?.roundMasters()
            return try body()
        }
        try mixed?.roundMasters()
        return result
    }

    /// - Returns: whether the loss is lower than ever before.
    @discardableResult
    private func evaluate(_ report: (Event) -> Void) throws -> Bool {
        guard !validation.isEmpty else { return false }
        let result = try averaged { try evaluation(validation) }
        log.evaluation(step: step, result)
        report(.evaluated(step: step, result))
        return best.take(result.loss, step: step)
    }

    /// Mean loss over held-out rows, in the proportions of the training rows, and what the model writes now.
    func evaluation(_ all: [HeldOutRows]) throws -> Evaluation {
        try noGrad {
            let compute = LossComputation(decoder: decoder)
            var total = 0.0, tokens = 0, parts: [(folder: String, loss: Double)] = []
            for (held, rows) in zip(all, HeldOutRows.shares(all, of: options.integer("evaluation_rows"))) {
                var partTotal = 0.0, partTokens = 0
                for first in stride(from: 0, to: rows, by: 8) {
                    let batch = try held.set.batch(first..<min(first + 8, rows))
                    let count = batch.trainedTokenCount
                    guard count > 0 else { continue }
                    partTotal += try compute(batch, divisor: 1).item(as: Double.self)
                    partTokens += count
                }
                if partTokens > 0 { parts.append((held.folder, partTotal / Double(partTokens))) }
                total += partTotal
                tokens += partTokens
            }
            guard tokens > 0 else { throw TrainingError(.data, "no validation token is trained on") }
            let shards = all.flatMap(\.set.shards)
            let bytes = shards.reduce(0.0) { $0 + Double($1.sourceByteCount ?? 0) }
            let count = shards.reduce(0.0) { $0 + Double($1.tokenCount) }
            return Evaluation(
                loss: total / Double(tokens), tokens: tokens, bytesPerToken: bytes > 0 ? bytes / count : nil,
                parts: all.count > 1 ? parts : [], sample: try sample(all[0].set))
        }
    }

    /// The beginning of the first validation row, continued.
    private func sample(_ set: SequenceSet) throws -> String {
        let start = Array(try set.batch(0..<1).inputs.prefix(16))
        let session = GenerationSession(decoder: decoder, tokenizer: data.tokenizer, precision: .exact)
        var options = GenerationOptions()
        options.maximumTokens = min(48, max(1, self.options.integer("context_length") - start.count - 1))
        options.sampling.temperature = 0.8
        options.sampling.seed = 1
        var text = try data.tokenizer.decode(start)
        try session.run(start, options, endTokens: data.tokenizer.eosTokens, isCancelled: { false }) { text += $0.text }
        return text
    }
}

extension SequenceLayout {
    /// As the option `layout` names it.
    static func named(_ name: String) -> SequenceLayout { name == "packed" ? .packed(.bestFit) : .contiguous }
}

extension Array {
    fileprivate subscript(safe index: Int) -> Element? { indices.contains(index) ? self[index] : nil }
}
