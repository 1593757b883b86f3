import MartletData
import MartletInference
import MartletJSON
import MartletModels
import MartletNN
import MartletTensor
import MartletTokenizers

/// Rows of tokens, of which a run learns the next ones. The batch of a step follows from its number.
final class RowSource: TrainingSource {
    let data: TrainingData
    let decoder: Decoder
    let files: ModelFolderFiles
    let batches: BatchStream
    /// What was decided about the data and is not seen from the options, a sentence each.
    private(set) var notes: [String] = []
    let looksFirst = false
    var fingerprint: String { data.fingerprint }
    private let validation: [HeldOutRows]
    private let objective: NextToken
    private let options: RunOptions
    private let operationsPerStep: Double
    /// Steps in a row without a token to train on.
    private var stepsWithoutLabels = 0

    init(
        _ data: TrainingData, _ rows: [BatchStream.Source], _ decoder: Decoder, _ files: ModelFolderFiles,
        _ resolved: ResolvedOptions, _ cost: TrainingCost, base: StartingModel? = nil
    ) throws {
        self.data = data
        self.decoder = decoder
        self.files = files
        self.options = resolved.run
        let rowOptions = resolved.rows
        var objective = resolved.nextToken(decoder)
        if let base, base.adapter != nil, resolved.loss.divergenceWeight > 0 {
            objective.divergenceWeight = resolved.loss.divergenceWeight
            objective.withBase = { try base.withoutAdapter($0) }
        }
        self.objective = objective
        batches = try BatchStream(
            rows, rowsPerStep: rowOptions.perStep, seed: resolved.general.randomSeed)
        var told: [String] = []
        validation = try data.heldOutRows(
            length: rowOptions.length, layout: rowOptions.sequenceLayout
        ) { told.append($0) }
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
        let outcome = try loop.step(objective, number: step, rate: rate, data: origins) {
            try (0..<count).map { try batches.batch(step: step, microBatch: $0, of: count) }
        }
        if let outcome {
            stepsWithoutLabels = 0
            return SourceStep(
                outcome: outcome, tokens: batches.rowsPerStep * batches.length, operations: operationsPerStep)
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
        return try evaluation(validation).map { .loss($0) }
    }

    /// Mean loss over held-out rows, in the proportions of the training rows, and what the model writes now.
    /// - Returns: nil where none of their tokens is trained on.
    private func evaluation(_ all: [HeldOutRows]) throws -> Evaluation? {
        try noGrad {
            let objective = NextToken(decoder)
            var total = 0.0, tokens = 0, bytes = 0.0, parts: [(folder: String, loss: Double)] = []
            let shards = all.flatMap(\.set.shards), hasMask = shards.contains(where: \.hasMask)
            for (held, rows) in zip(all, HeldOutRows.shares(all, of: options.evaluation.rows)) {
                var partTotal = 0.0, partTokens = 0
                let numbers = held.spread(rows)
                for first in stride(from: 0, to: numbers.count, by: 8) {
                    let batch = try held.set.batch(numbers[first..<min(first + 8, numbers.count)])
                    let count = batch.trainedTokenCount
                    guard count > 0 else { continue }
                    if hasMask { bytes += trainedBytes(batch) }
                    partTotal += try objective.loss(of: batch, StepContext()).value.item(as: Double.self)
                    partTokens += count
                }
                if partTokens > 0 { parts.append((held.folder, partTotal / Double(partTokens))) }
                total += partTotal
                tokens += partTokens
            }
            guard tokens > 0 else { return nil }
            // Where every token is trained on, the text itself is known.
            var count = Double(tokens)
            if !hasMask {
                bytes = shards.reduce(0) { $0 + Double($1.sourceByteCount ?? 0) }
                count = shards.reduce(0) { $0 + Double($1.tokenCount) }
            }
            let written = try sample(all[0].set)
            return Evaluation(
                loss: total / Double(tokens), tokens: tokens, bytesPerToken: bytes > 0 ? bytes / count : nil,
                parts: all.count > 1 ? parts : [], prompt: written.prompt, sample: written.reply)
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

    /// What the model writes now: of a conversation a reply to its first prompt, of text the beginning of the first
    /// validation row continued, at most half a context of it.
    private func sample(_ set: SequenceSet) throws -> (prompt: String, reply: String) {
        let context = min(options.rows.length, decoder.configuration.contextLength)
        let row = try set.batch(0..<1)
        let question = row.firstPrompt
        let start = question ?? Array(row.inputs.prefix(max(1, min(16, context / 2))))
        var options = GenerationOptions()
        options.maximumTokens = min(question == nil ? 48 : 96, max(1, context - start.count - 1))
        options.sampling.temperature = 0.8
        options.sampling.seed = 1
        var reply = ""
        let generator = try Generator(
            decoder, data.tokenizer, precision: .exact, endTokens: files.endTokens, .oneAtATime)
        try generator.generate(start, options) { reply += $0.text }
        return (
            try question.map { try data.tokenizer.conversation($0) } ?? data.tokenizer.decode(start), reply
        )
    }
}

extension TrainingBatch {
    /// The tokens before the first reply that is trained on, in the segment it lies in; nil where what is trained on
    /// begins with a segment, as text does.
    fileprivate var firstPrompt: [Int32]? {
        guard let first = targets.firstIndex(where: { $0 != Self.ignoredTarget }),
            let segment = segments.first(where: { $0.row * length + $0.end > first })
        else { return nil }
        let start = segment.row * length + segment.start
        return first > start ? Array(inputs[start...first]) : nil
    }
}

extension Tokenizer {
    /// A prompt of a chat template as people read it: without control tokens, a turn to a line, with its speaker.
    fileprivate func conversation(_ ids: [Int32]) throws -> String {
        let speakers = ["system", "user", "assistant", "model", "human", "tool"]
        return try ids.split { specialTokens.contains($0) }.compactMap { part -> String? in
            let text = try decode(part), lines = text.split(separator: "\n")
            guard let first = lines.first else { return nil }
            guard speakers.contains(first.lowercased()) else { return lines.joined(separator: "\n") }
            // A speaker without words is who is to speak.
            return lines.count > 1 ? "\(first): \(lines.dropFirst().joined(separator: "\n"))" : nil
        }.joined(separator: "\n")
    }
}
