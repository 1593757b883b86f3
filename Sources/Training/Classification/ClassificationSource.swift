import MartletInference
import MartletJSON
import MartletModels
import MartletRuns
import MartletTensor

/// Labelled texts that a classifier learns from. The rows of a step follow from its number and the seed.
final class ClassificationSource: TrainingSource {
    let files: ModelFolderFiles
    let looksFirst = true
    let notes: [String]
    private let data: LabelledData
    private let objective: LabelledTexts
    private let from: String
    private let rows: StepRows
    private let microBatches: Int, evaluationRows: Int

    init(_ data: LabelledData, _ objective: LabelledTexts, from model: StartingClassifier, _ options: RunOptions) {
        self.data = data
        self.objective = objective
        files = model.files
        from = model.path
        notes = data.notes + model.notes
        rows = StepRows(count: data.trainingCount, perStep: options.rows.perStep, seed: options.general.randomSeed)
        microBatches = options.compute.microBatches
        evaluationRows = options.evaluation.rows
    }

    var fingerprint: String { data.fingerprint }
    var state: [JSONObject.Element] {
        [("from", .string(from)), ("labelled", .string(data.fingerprint)), ("task", .string(data.task.rawValue))]
    }
    func demand(_ checkpoint: TrainingCheckpoint) throws { try checkpoint.demandSame(state) }
    func whyLeftOut(step: Int) -> String { "it has no row" }

    func take(_ loop: StepLoop, step: Int, rate: Double) throws -> SourceStep? {
        let numbers = rows(step)
        let outcome = try loop.step(
            objective, number: step, rate: rate,
            data: { "the step's rows are \(numbers.prefix(8).map(String.init).joined(separator: ", "))" }
        ) {
            var first = 0
            return numbers.parts(microBatches).map { part in
                defer { first += part.count }
                return LabelledTexts.Batch(rows: part.map { data.rows[$0] }, firstText: first)
            }
        }
        return outcome.map {
            SourceStep(outcome: $0, tokens: numbers.reduce(0) { $0 + data.rows[$1].tokens.count })
        }
    }

    func look() throws -> Look? {
        let held = Array(data.rows[data.trainingCount...].prefix(evaluationRows))
        guard !held.isEmpty else { return nil }
        return try noGrad {
            var told = Told(data), sum = 0.0, weight = 0.0, part: [LabelledData.Row] = [], tokens = 0
            func take() throws {
                let batch = LabelledTexts.Batch(rows: part)
                let logits = try objective.logits(batch)
                sum += try objective.sum(logits, part).item(as: Double.self)
                weight += objective.weight(of: batch)
                told.add(try logits.toArray(as: Float.self), part)
                (part, tokens) = ([], 0)
            }
            for row in held {
                if tokens + row.tokens.count > 4096, !part.isEmpty { try take() }
                part.append(row)
                tokens += row.tokens.count
            }
            try take()
            return .measured(
                HeldOutMeasure(
                    loss: sum / max(weight, .leastNonzeroMagnitude), count: told.count,
                    unit: data.task == .tokens ? "words" : "texts", metrics: told.metrics))
        }
    }

    /// What the model says of held-out texts.
    private struct Told {
        private let task: LabelledData.Task
        private let labels: [String]
        private var classes: ClassificationMeasure, entities: EntityMeasure?
        private var numbers: [Double] = [], wanted: [Double] = []

        init(_ data: LabelledData) {
            task = data.task
            labels = data.labels
            classes = ClassificationMeasure(classes: labels.count, countsAll: task == .multi)
            if task == .tokens, labels.contains(where: { $0.hasPrefix("B-") || $0.hasPrefix("I-") }) {
                entities = EntityMeasure()
            }
        }

        var count: Int { task == .regression ? numbers.count : classes.count }

        /// - Parameter logits: of all texts or tokens, one after the other.
        mutating func add(_ logits: [Float], _ rows: [LabelledData.Row]) {
            let width = labels.count
            var place = 0
            func best() -> Int {
                let own = logits[place * width..<(place + 1) * width]
                return own.indices.max { own[$0] < own[$1] }.map { $0 - own.startIndex } ?? 0
            }
            for row in rows {
                switch task {
                case .regression:
                    numbers.append(Double(logits[place]))
                    wanted.append(row.number)
                    place += 1
                case .single:
                    classes.add(told: [best()], there: Set(row.targets.map(Int.init)))
                    place += 1
                case .multi:
                    let own = (0..<width).filter { logits[place * width + $0] > 0 }
                    classes.add(told: Set(own), there: Set(row.targets.map(Int.init)))
                    place += 1
                case .tokens:
                    var found: [String] = [], real: [String] = []
                    for target in row.targets {
                        if target >= 0 {
                            let one = best()
                            classes.add(told: [one], there: [Int(target)])
                            found.append(labels[one])
                            real.append(labels[Int(target)])
                        }
                        place += 1
                    }
                    entities?.add(told: found, there: real)
                }
            }
        }

        var metrics: [Metric] {
            guard task != .regression else {
                return [
                    Metric("pearson", Correlation.pearson(numbers, wanted)),
                    Metric("spearman", Correlation.spearman(numbers, wanted)),
                ]
            }
            var metrics = [
                Metric("accuracy", classes.accuracy), Metric("f1_macro", classes.macro),
                Metric("f1_micro", classes.micro),
            ]
            if let entities {
                metrics += [
                    Metric("entities/precision", entities.precision), Metric("entities/recall", entities.recall),
                    Metric("entities/f1", entities.f1),
                ]
            }
            return metrics
        }
    }
}

extension Trainer {
    /// Training of a classifier of texts or words.
    /// - Parameters:
    ///   - options: of `RunCommand.classification`.
    ///   - memory: the limit on the planned memory in bytes; nil for no check.
    /// - Throws: `TrainingError` before anything is computed, where something does not fit.
    public convenience init(
        run: String, options: TrainingOptions, classifier model: StartingClassifier, labelled data: LabelledData,
        memory: Int? = MachineMemory().total
    ) throws {
        let spec = model.model.encoder.configuration
        let resolved = try ResolvedOptions(
            options, vocabularySize: spec.vocabularySize, model: model.architecture.planned,
            longestRow: data.usualLength, rowsPerEpoch: { _, _ in data.trainingCount })
        let cost = TrainingCost(model.architecture, length: resolved.rows.length) { _ = Encoder($0, spec) }
        try TrainingCost.demand(resolved.memory(cost), within: memory, for: "training")
        var objective = LabelledTexts(
            model.model,
            LabelLoss(
                data.task, weights: data.weights, smoothing: resolved.run.classification.labelSmoothing ?? 0))
        (objective.dropout, objective.attentionDropout) = (
            resolved.run.loss.dropout, resolved.run.loss.attentionDropout
        )
        objective.seed = resolved.run.general.randomSeed
        model.model.encoder.recomputesLayers = resolved.recomputesLayers
        try self.init(
            run, resolved, nil, cost, resolved.stepLoop(model.parameters),
            ClassificationSource(data, objective, from: model, resolved.run))
    }
}
