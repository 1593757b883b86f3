import MartletInference
import MartletJSON
import MartletModels
import MartletRuns

/// Labelled texts that a classifier learns from.
struct ClassificationRows: TextRowGoal {
    let data: LabelledData
    let objective: LabelledTexts

    var rows: [LabelledData.Row] { data.rows }
    var trainingCount: Int { data.trainingCount }
    var fingerprint: String { data.fingerprint }
    var state: [JSONObject.Element] {
        [("labelled", .string(data.fingerprint)), ("task", .string(data.task.rawValue))]
    }
    func tokenCount(of row: LabelledData.Row) -> Int { row.tokens.count }

    func batches(
        _ parts: [[LabelledData.Row]], step: Int
    ) throws -> (batches: [LabelledTexts.Batch], metrics: [Metric]) {
        var first = 0
        let batches = parts.map { part in
            defer { first += part.count }
            return LabelledTexts.Batch(rows: part, firstText: first)
        }
        return (batches, [])
    }

    func measure(_ held: [LabelledData.Row], rowsPerStep: Int) throws -> HeldOutMeasure {
        var told = Told(data), sum = 0.0, weight = 0.0
        for part in held.passes(tokens: \.tokens.count) {
            let batch = LabelledTexts.Batch(rows: Array(part)), logits = try objective.logits(batch)
            sum += try objective.sum(logits, batch.rows).item(as: Double.self)
            weight += objective.weight(of: batch)
            told.add(try logits.toArray(as: Float.self), batch.rows)
        }
        return HeldOutMeasure(
            loss: sum / max(weight, .leastNonzeroMagnitude), count: told.count,
            unit: data.task == .tokens ? "words" : "texts", metrics: told.metrics)
    }

    /// What the model says of held-out texts.
    private struct Told {
        private let task: LabelledData.Task
        private let labels: [String]
        private var classes: ClassificationMeasure, entities: EntityMeasure?
        private var numbers: [Double] = [], wanted: [Double] = [], ranking = PairRanking()

        init(_ data: LabelledData) {
            task = data.task
            labels = data.labels
            classes = ClassificationMeasure(classes: labels.count, countsAll: task == .multi)
            if task == .tokens, labels.contains(where: { $0.hasPrefix("B-") || $0.hasPrefix("I-") }) {
                entities = EntityMeasure()
            }
        }

        var count: Int { task.givesNumber ? numbers.count : classes.count }

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
                case .regression, .score:
                    numbers.append(Double(logits[place]))
                    wanted.append(row.number)
                    if task == .score, let first = row.first {
                        ranking.add(score: logits[place], label: row.number, to: first)
                    }
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
            guard !task.givesNumber else {
                return ranking.metrics + [
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
        let resolved = try ResolvedOptions(
            options, vocabularySize: model.architecture.planned.vocabularySize, model: data.planned(model.architecture),
            longestRow: data.usualLength, rowsPerEpoch: { _, _ in data.trainingCount })
        try model.files.adapter?.demandStored(resolved.run)
        let cost = TrainingCost(model.architecture, length: resolved.rows.length) { source in
            switch model.architecture {
            case .encoder(let spec, _): _ = Encoder(source, spec)
            default: model.architecture.build(source)
            }
        }
        try TrainingCost.demand(
            resolved.memory(cost, adapter: model.files.adapter?.sizes), within: memory, for: "training")
        var objective = LabelledTexts(
            model.model,
            LabelLoss(
                data.task, weights: data.weights, smoothing: resolved.run.classification.labelSmoothing ?? 0))
        (objective.dropout, objective.attentionDropout) = (
            resolved.run.loss.dropout, resolved.run.loss.attentionDropout
        )
        objective.dropsAdapters = (model.files.adapter?.adapter.configuration.dropout ?? 0) > 0
        objective.seed = resolved.run.general.randomSeed
        var decoder: Decoder?
        switch model.model {
        case .encoder(let classifier): classifier.encoder.recomputesLayers = resolved.recomputesLayers
        case .decoder(let own, _):
            try resolved.recompute(own)
            decoder = own
        }
        try self.init(
            run, resolved, decoder, cost, resolved.stepLoop(model.parameters),
            TextRowSource(
                ClassificationRows(data: data, objective: objective), files: model.files, from: model.path,
                notes: data.notes + model.notes, resolved.run))
    }
}
