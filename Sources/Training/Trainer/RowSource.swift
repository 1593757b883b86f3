import MartletData
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletSystem
import MartletTensor
import MartletTokenizers

/// Rows of tokens, of which a run learns the next ones. The batch of a step follows from its number.
final class RowSource: TrainingSource {
    let data: TrainingData
    let files: ModelFolderFiles
    let batches: BatchStream
    /// What was decided about the data and is not seen from the options, a sentence each.
    private(set) var notes: [String] = []
    let looksFirst = false
    var fingerprint: String { data.fingerprint }
    private let validation: [HeldOutRows]
    private let objective: any RowObjective
    private let options: RunOptions
    /// Whether tokens are measured at the steps that are logged.
    private let measuresTokens: Bool
    private let operationsPerStep: Double
    /// Steps in a row without a token to train on.
    private var stepsWithoutLabels = 0

    init(
        _ data: TrainingData, _ rows: [BatchStream.Source], _ objective: any RowObjective, _ files: ModelFolderFiles,
        _ resolved: ResolvedOptions, _ cost: TrainingCost, base: StartingModel? = nil
    ) throws {
        self.data = data
        self.files = files
        self.options = resolved.run
        let rowOptions = resolved.rows
        if let base, base.adapter != nil, resolved.loss.divergenceWeight > 0, var own = objective as? NextToken {
            own.divergenceWeight = resolved.loss.divergenceWeight
            own.withBase = { try base.withoutAdapter($0) }
            self.objective = own
        } else {
            self.objective = objective
        }
        measuresTokens = resolved.command == .tuning
        let follows = objective is NextToken || objective is PrefixLanguageModel
        if !follows || resolved.loss.predictionWeight > 0,
            let source = data.sources.first(where: { ($0.training + $0.validation).contains(where: \.hasWeights) })
        {
            throw TrainingError(
                .data,
                "\(source.folder) has weights of tokens, which "
                    + (follows ? "mtp_depth" : "objective \(resolved.objective.kind.rawValue)")
                    + " does not follow: pack the data without them")
        }
        let learnsTexts = objective is MaskedTokens || objective is SentencePairs || objective is ReplacedTokens
        if learnsTexts || objective is SpanCorruption,
            let source = data.sources.first(where: { ($0.training + $0.validation).contains(where: \.leavesTokensOut) })
        {
            throw TrainingError(
                .data,
                "\(source.folder) says which tokens are learnt, which objective \(resolved.objective.kind.rawValue) does "
                    + "not follow: pack the data as plain text (--chats text)")
        }
        batches = try BatchStream(
            rows, rowsPerStep: rowOptions.perStep, seed: resolved.general.randomSeed)
        var told = objective is SequenceToSequence ? try data.textsWithoutPrompt() : []
        validation = try data.heldOutRows(
            length: rowOptions.length, layout: rowOptions.sequenceLayout
        ) { told.append($0) }
        if resolved.router.choice == .experts {
            told.append(
                "experts choose their tokens in training, which depends on later tokens: evaluation and the model that is "
                    + "saved are by the tokens' choice")
        }
        notes = told
        // Of a frozen matrix no gradient is computed.
        let perToken = files.adapter == nil ? cost.trainingPerToken : 2 * cost.forwardPerToken
        operationsPerStep = perToken * Double(batches.rowsPerStep * batches.length)
    }

    var state: [JSONObject.Element] {
        (data.proportions.isNull ? [] : [("proportions", data.proportions)])
            + [("vocabulary", .string(data.vocabulary.description))]
    }

    func demand(_ checkpoint: TrainingCheckpoint) throws {
        if let before = checkpoint.state["vocabulary"]?.string, before != data.vocabulary.description {
            throw TrainingError(
                .checkpoint,
                "\(checkpoint.path) was trained with the vocabulary \(before), the data has \(data.vocabulary)")
        }
        let proportions = checkpoint.state["proportions"] ?? .null
        if proportions != data.proportions {
            throw TrainingError(
                .configuration,
                "\(checkpoint.path) was trained on data in the proportions \(proportions.text()), now "
                    + "\(data.proportions.text()); use the same, or another run folder")
        }
    }

    func take(_ loop: StepLoop, step: Int, rate: Double) throws -> SourceStep? {
        let count = options.compute.microBatches
        func origins() -> String {
            let samples = (0..<min(3, batches.rowsPerStep)).map { batches.origin(step: step, row: $0) }
            return "the step's rows begin with " + samples.joined(separator: "; ")
        }
        let objective = self.objective.measuringTokens(measuresTokens && isLogged(step))
        let outcome = try take(objective, loop, step: step, rate: rate, parts: count, origins)
        if let outcome {
            stepsWithoutLabels = 0
            return SourceStep(
                outcome: outcome, tokens: batches.rowsPerStep * batches.length, operations: operationsPerStep,
                loads: objective.routers?.lastLoads)
        }
        stepsWithoutLabels += 1
        guard stepsWithoutLabels < batches.stepsPerEpoch else {
            throw TrainingError(
                .data,
                "step \(step + 1): \(whyLeftOut(step: step)), nor of any row of the \(stepsWithoutLabels) steps up to "
                    + "here, which are all the data")
        }
        return nil
    }

    private func take<Goal: RowObjective>(
        _ goal: Goal, _ loop: StepLoop, step: Int, rate: Double, parts: Int, _ origins: () -> String
    ) throws -> StepLoop.Outcome? {
        try loop.step(goal, number: step, rate: rate, data: origins) {
            goal.settled(
                try (0..<parts).map { part in
                    let rows = try batches.batch(step: step, microBatch: part, of: parts)
                    let draw = RowDraw(
                        seed: options.general.randomSeed, step: step, firstRow: batches.rowsPerStep * part / parts)
                    return try goal.batch(of: rows, draw)
                })
        }
    }

    private func isLogged(_ step: Int) -> Bool {
        (step + 1) % options.checkpoints.logEvery == 0 || step == 0 || step + 1 == options.schedule.steps
    }

    func whyLeftOut(step: Int) -> String { "no token of \(batches.origin(step: step, row: 0)) is trained on" }

    /// "sft/data: 3 conversations longer than a row of 256 tokens", for each folder that anything is left out of.
    var leftOutOfRows: [String] {
        zip(data.sources, batches.sources).compactMap { source, rows in
            guard !rows.set.leftOut.isEmpty else { return nil }
            return "\(source.folder): \(rows.set.leftOut.description(length: rows.set.length))"
        }
    }

    // MARK: - Held-out data

    func look() throws -> Look? {
        guard !validation.isEmpty else { return nil }
        return try evaluation(validation, objective).map { .loss($0) }
    }

    /// Mean loss over held-out rows, in the proportions of the training rows, and what the model writes now.
    /// - Returns: nil where none of their tokens is trained on.
    private func evaluation<Goal: RowObjective>(_ all: [HeldOutRows], _ goal: Goal) throws -> Evaluation? {
        try noGrad {
            let objective = goal.plain().measuringTokens(measuresTokens)
            var total = 0.0, weight = 0.0, tokens = 0, bytes = 0.0, metrics = MetricFold()
            var parts: [(folder: String, loss: Double)] = []
            let shards = all.flatMap(\.set.shards), hasMask = shards.contains(where: \.hasMask)
            for (held, rows) in zip(all, HeldOutRows.shares(all, of: options.evaluation.rows)) {
                var partTotal = 0.0, partWeight = 0.0
                let numbers = held.spread(rows)
                for first in stride(from: 0, to: numbers.count, by: 8) {
                    let numbered = numbers[first..<min(first + 8, numbers.count)]
                    let text = try held.set.batch(numbered)
                    let batch = try objective.batch(of: text, .heldOut(row: first))
                    let own = objective.weight(of: batch)
                    guard own > 0 else { continue }
                    if hasMask { bytes += trainedBytes(text) }
                    // The sum: divided by a weight of 1.
                    let found = try objective.loss(of: batch, StepContext())
                    partTotal += try found.value.item(as: Double.self)
                    metrics.add(found.metrics, weight: own)
                    partWeight += own
                    tokens += goal is NextToken ? text.trainedTokenCount : max(1, Int(clamping: own.rounded()))
                }
                if partWeight > 0 { parts.append((held.folder, partTotal / partWeight)) }
                total += partTotal
                weight += partWeight
            }
            guard tokens > 0 else { return nil }
            // Where every token is trained on, the text itself is known.
            var count = Double(tokens)
            if !hasMask {
                bytes = shards.reduce(0) { $0 + Double($1.sourceByteCount ?? 0) }
                count = shards.reduce(0) { $0 + Double($1.tokenCount) }
            }
            let written = try objective.sample(
                of: all[0].set.batch(0..<1), data.tokenizer, endTokens: files.endTokens)
            // Of texts alone that are predicted token by token, bits per byte mean something.
            if !(goal is NextToken) { bytes = 0 }
            return Evaluation(
                loss: total / weight, tokens: tokens, bytesPerToken: bytes > 0 ? bytes / count : nil,
                parts: all.count > 1 ? parts : [], metrics: measuresTokens ? metrics.all : [], prompt: written.prompt,
                sample: written.reply)
        }
    }

    /// Bytes of text that the trained tokens of a batch stand for; control tokens, as one that ends a reply, stand for
    /// none.
    private func trainedBytes(_ batch: TrainingBatch) -> Double {
        let tokenizer = data.tokenizer
        return batch.targets.reduce(0) { total, target in
            guard target != TrainingBatch.ignoredTarget, !tokenizer.specialTokens.contains(target) else { return total }
            return total + Double(tokenizer.bytes(of: target)?.count ?? 0)
        }
    }
}
