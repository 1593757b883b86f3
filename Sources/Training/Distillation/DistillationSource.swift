import MartletData
import MartletFormats
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor

/// Sequences on which a student learns what its teacher says; on some steps it writes the replies itself.
final class DistillationSource: TrainingSource {
    let files: ModelFolderFiles
    let looksFirst = true
    var fingerprint: String { data.fingerprint }
    var notes: [String] { data.notes }
    private let data: DistillationData
    private let model: StartingModel
    /// Nil where what the teacher wrote is learnt as it is.
    private let objective: Distillation?
    private let teacher: String
    /// A teacher behind a URL.
    private let remote: RemoteTeaching?
    private let run: RunOptions

    init(
        _ data: DistillationData, _ model: StartingModel, teacher: String, _ objective: Distillation?,
        _ run: RunOptions,
        remote: RemoteTeaching? = nil
    ) {
        self.data = data
        self.remote = remote
        self.model = model
        self.teacher = teacher
        self.objective = objective
        self.run = run
        files = model.files
    }

    var state: [JSONObject.Element] {
        [
            ("from", .string(model.path)), ("teacher", .string(teacher)), ("texts", .string(data.fingerprint)),
        ]
    }

    func demand(_ checkpoint: TrainingCheckpoint) throws {
        try checkpoint.demandSame(state)
    }

    func whyLeftOut(step: Int) -> String { "no token of its sequences is learnt" }

    private func index(_ step: Int, _ place: Int, of count: Int) -> Int {
        let number = step * run.rows.perStep + place, epoch = UInt64(number / count)
        return KeyedPermutation(
            count: count, key: run.general.randomSeed &+ epoch &* 0x9E37_79B9_7F4A_7C15)(number % count)
    }

    /// Whether the student writes the replies of a step.
    private func isOnPolicy(_ step: Int) -> Bool {
        guard run.distillation.onPolicy > 0, !data.trainingPrompts.isEmpty else { return false }
        guard data.trainingCount > 0 else { return true }
        var stream = RandomStream(seed: run.general.randomSeed &+ 0xD157_111, stream: UInt64(step))
        return Double(stream.next() >> 11) / Double(1 << 53) < run.distillation.onPolicy
    }

    /// The sequences of a step that the student has not written, by their numbers.
    private func given(_ step: Int) -> [Int] {
        (0..<run.rows.perStep).map { index(step, $0, of: data.trainingCount) }
    }

    private func sequences(_ step: Int) throws -> [EncodedChat] {
        let count = run.rows.perStep
        guard isOnPolicy(step) else { return given(step).map { data.sequences[$0] } }
        let asked = data.trainingPrompts
        let prompts = (0..<count).map { asked[index(step, $0, of: asked.count)] }
        let options = run.distillation
        return try RolloutEngine(
            decoder: model.decoder, endTokens: model.tokenizer.eosTokens, maximumTokens: options.maximumTokens,
            temperature: options.drawTemperature
        ).replies(
            to: prompts, copies: 1, seed: run.general.randomSeed &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(step)
        ).filter { !$0.reply.isEmpty }.map { EncodedChat($0) }
    }

    func take(_ loop: StepLoop, step: Int, rate: Double) throws -> SourceStep? {
        let all = try sequences(step), count = min(run.compute.microBatches, max(1, all.count))
        let parts = (0..<count).map { Array(all[all.count * $0 / count..<all.count * ($0 + 1) / count]) }
        let outcome =
            if let remote {
                try loop.step(remote.objective, number: step, rate: rate) {
                    let taught =
                        isOnPolicy(step)
                        ? try remote.taught(all, model.tokenizer)
                        : try given(step).map {
                            TaughtSequence(chat: data.sequences[$0], rows: try remote.store.rows($0))
                        }
                    return (0..<count).map {
                        Array(taught[taught.count * $0 / count..<taught.count * ($0 + 1) / count])
                    }
                }
            } else if let objective {
                try loop.step(objective, number: step, rate: rate) { parts }
            } else {
                try loop.step(SequenceLikelihood(model.decoder), number: step, rate: rate) { parts }
            }
        return outcome.map {
            SourceStep(outcome: $0, tokens: all.reduce(0) { $0 + $1.tokens.count - 1 })
        }
    }

    func look() throws -> Look? {
        let held = data.sequences.suffix(data.heldOutCount).prefix(run.evaluation.rows)
        guard !held.isEmpty else { return nil }
        return try noGrad {
            var loss = 0.0, weights = 0.0, metrics = MetricFold()
            func take<Goal: Objective>(_ goal: Goal, _ part: Goal.Batch) throws {
                let weight = goal.weight(of: part)
                guard weight > 0 else { return }
                let found = try goal.loss(of: part, StepContext(weight: weight))
                loss += try found.value.item(as: Double.self) * weight
                weights += weight
                metrics.add(found.metrics, weight: weight)
            }
            let all = Array(held)
            for start in stride(from: 0, to: all.count, by: 4) {
                let part = Array(all[start..<min(start + 4, all.count)])
                if let remote {
                    let taught = try held.indices.dropFirst(start).prefix(part.count).map {
                        TaughtSequence(chat: data.sequences[$0], rows: try remote.store.rows($0))
                    }
                    try take(remote.objective, taught)
                } else if let objective {
                    try take(objective, part)
                } else {
                    try take(SequenceLikelihood(model.decoder), part)
                }
            }
            guard weights > 0 else { return nil }
            return .measured(
                HeldOutMeasure(loss: loss / weights, count: held.count, unit: "sequences", metrics: metrics.all))
        }
    }
}

/// The mean negative log-likelihood of the learnt tokens of whole sequences, each with its weight.
struct SequenceLikelihood: Objective {
    let decoder: Decoder

    init(_ decoder: Decoder) { self.decoder = decoder }

    func weight(of batch: [EncodedChat]) -> Double { batch.reduce(0) { $0 + $1.trainedWeight } }

    func tokenCount(of batch: [EncodedChat]) -> Int { batch.reduce(0) { $0 + $1.tokens.count - 1 } }

    func loss(of batch: [EncodedChat], _ context: StepContext) throws -> ObjectiveLoss {
        let packed = PackedSequences(batch)
        let hidden = try decoder.hiddenStates(packed.inputs, segments: packed.segments)  // [tokens, hidden]
        let head = try decoder.lossHead
        return ObjectiveLoss(
            try Fused.crossEntropy(
                hidden, head.weight, bias: head.bias, targets: packed.targets, rowWeights: packed.weights,
                divisor: context.weight, CrossEntropyOptions(softCap: decoder.configuration.logitSoftCap)))
    }
}

extension Trainer {
    /// A student that learns from a teacher with the same vocabulary.
    /// - Parameters:
    ///   - options: of `RunCommand.distillation`.
    ///   - teacher: opened as it is stored: a quantised one stays so.
    ///   - progress: prompts that the teacher has answered, and all (`level: sequence`); false ends that.
    /// - Throws: `TrainingError` before anything is computed, where something does not fit; `CancellationError`.
    public convenience init(
        run: String, options: TrainingOptions, student model: StartingModel, teacher: ModelFiles,
        data given: DistillationData, memory: Int? = MachineMemory().total,
        progress: (Int, Int) -> Bool = { _, _ in true }
    ) throws {
        var data = given
        let own = VocabularyIdentity(model.tokenizer), its = VocabularyIdentity(try teacher.tokenizer())
        guard own == its else {
            throw TrainingError(
                .data,
                "the teacher \(teacher.path) has another vocabulary (\(its)) than the student \(model.path) (\(own)): "
                    + "--level sequence with texts of its own is what is left")
        }
        let decoder = try teacher.checkpoint.decoder()
        let sizes = (try decoder.lossHead.weight.shape[0], try model.decoder.lossHead.weight.shape[0])
        guard sizes.0 == sizes.1 else {
            throw TrainingError(.data, "the teacher has \(sizes.0) logits, the student \(sizes.1)")
        }
        let first = try ResolvedOptions(
            options, vocabularySize: model.tokenizer.vocabularySize, model: model.decoder.configuration)
        if first.distillation.level == .sequence {
            try data.write(by: decoder, model, first.run, folder: run, teacher: teacher.path, progress: progress)
        }
        guard data.trainingCount > 0 || first.distillation.onPolicy > 0 && !data.trainingPrompts.isEmpty else {
            throw TrainingError(
                .data,
                "there are prompts and no replies: on_policy above 0 lets the student write them, level sequence the "
                    + "teacher")
        }
        let count = max(data.trainingCount, first.distillation.onPolicy > 0 ? data.trainingPrompts.count : 0)
        let resolved = try ResolvedOptions(
            options, vocabularySize: model.tokenizer.vocabularySize, model: model.decoder.configuration,
            rowsPerEpoch: { _, _ in count })
        let cost = TrainingCost(model.decoder.configuration, length: resolved.rows.length)
        try TrainingCost.demand(
            resolved.memory(cost, adapter: model.files.adapter?.sizes), within: memory, for: "distillation")
        var loss = DistillationLoss(
            weight: resolved.distillation.weight, temperature: resolved.distillation.temperature)
        loss.squaresTemperature = true
        loss.teacherTop = resolved.distillation.top
        var objective = Distillation(model.decoder, teacher: decoder, loss)
        objective.hardWeight = resolved.distillation.hardWeight
        try resolved.recompute(model.decoder)
        try self.init(
            run, resolved, model.decoder, cost, resolved.stepLoop(model.parameters),
            DistillationSource(
                data, model, teacher: teacher.path, first.distillation.level == .sequence ? nil : objective,
                resolved.run))
    }

    /// The texts that a run's options name, as its student's tokens.
    public static func distillationData(
        _ options: TrainingOptions, _ model: StartingModel, onBadRecord: @escaping (DataError) -> Void = { _ in }
    ) throws -> DistillationData {
        let resolved = try ResolvedOptions(
            options, vocabularySize: model.tokenizer.vocabularySize, model: model.decoder.configuration)
        return try DistillationData(
            resolved.chat.data, options: resolved.chat.corpus(), tokenizer: model.tokenizer,
            encoder: model.template == nil ? nil : model.chatEncoder(), longest: resolved.rows.length,
            heldOut: resolved.chat.validation, onBadRecord: onBadRecord)
    }
}

extension DistillationData {
    /// Replies of the teacher to the prompts, kept in the run's folder: a run that goes on has the same ones.
    mutating func write(
        by decoder: Decoder, _ model: StartingModel, _ run: RunOptions, folder: String, teacher: String,
        progress: (Int, Int) -> Bool
    ) throws {
        guard !prompts.isEmpty else {
            throw TrainingError(
                .data, "level sequence needs prompts that the teacher replies to; these are texts alone")
        }
        let path = folder + "/teacher.jsonl", before = fingerprint
        let head: JSON = ["texts": .string(before), "teacher": .string(teacher)]
        if let known = try? Self.read(path, head) {
            replace(with: known, heldOut: run.chat.validation)
            return
        }
        var replies: [Rollout] = []
        let engine = RolloutEngine(
            decoder: decoder, endTokens: model.tokenizer.eosTokens, maximumTokens: run.distillation.maximumTokens,
            temperature: run.distillation.drawTemperature)
        for start in stride(from: 0, to: prompts.count, by: 32) {
            guard progress(start, prompts.count) else { throw CancellationError() }
            let part = Array(prompts[start..<min(start + 32, prompts.count)])
            replies += try engine.replies(
                to: part, copies: 1, seed: run.general.randomSeed &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(start))
        }
        try makeFolder(folder)
        let lines =
            [head]
            + replies.map { reply -> JSON in
                [
                    "prompt": .array(reply.prompt.map { .integer(Int64($0)) }),
                    "reply": .array(reply.reply.map { .integer(Int64($0)) }), "finished": .bool(reply.isFinished),
                    "text": .string((try? reply.text(model.tokenizer)) ?? ""),
                ]
            }
        try AtomicFile.write(path, bytes: Array(lines.map { $0.text() + "\n" }.joined().utf8))
        replace(with: replies, heldOut: run.chat.validation)
    }

    private static func read(_ path: String, _ head: JSON) throws -> [Rollout]? {
        let lines = try Folder.read(path, limit: .max).split(separator: UInt8(ascii: "\n"))
        guard let first = lines.first, try JSON(parsing: Array(first)) == head else { return nil }
        return try lines.dropFirst().map { line in
            let json = try JSON(parsing: Array(line))
            func tokens(_ name: String) -> [Int32] {
                (json[name]?.array ?? []).compactMap { $0.integer.flatMap { Int32(exactly: $0) } }
            }
            return Rollout(
                prompt: tokens("prompt"), reply: tokens("reply"), logProbabilities: [],
                isFinished: json["finished"]?.bool ?? false)
        }
    }
}
