import MartletJSON
import MartletModels
import MartletNN
import MartletRuns
import MartletTensor

/// Rows of pairs and triplets that vectors are trained on. The rows of a step follow from its number and the seed.
final class EmbeddingSource: TrainingSource {
    let files: ModelFolderFiles
    let looksFirst = true
    let notes: [String]
    private let data: EmbeddingData
    private let objective: ContrastiveEmbedding
    private let from: String
    private let rows: StepRows
    private let microBatches: Int, evaluationRows: Int

    init(_ data: EmbeddingData, _ objective: ContrastiveEmbedding, from model: StartingEmbedder, _ options: RunOptions)
    {
        self.data = data
        self.objective = objective
        files = model.files
        from = model.path
        notes = model.notes + data.notes
        rows = StepRows(count: data.trainingCount, perStep: options.rows.perStep, seed: options.general.randomSeed)
        microBatches = options.compute.microBatches
        evaluationRows = options.evaluation.rows
    }

    var fingerprint: String { data.fingerprint }
    var state: [JSONObject.Element] { [("from", .string(from)), ("pairs", .string(data.fingerprint))] }
    func demand(_ checkpoint: TrainingCheckpoint) throws { try checkpoint.demandSame(state) }
    func whyLeftOut(step: Int) -> String { "it has no row" }

    func take(_ loop: StepLoop, step: Int, rate: Double) throws -> SourceStep? {
        let numbers = rows(step), parts = numbers.parts(microBatches).map { $0.map { data.rows[$0] } }
        var metrics: [Metric] = []
        let outcome = try loop.step(
            objective, number: step, rate: rate,
            data: { "the step's rows are \(numbers.prefix(8).map(String.init).joined(separator: ", "))" }
        ) {
            let made = try objective.batches(parts, step: step)
            metrics = made.metrics
            return made.batches
        }
        guard var outcome else { return nil }
        outcome.metrics += metrics
        return SourceStep(outcome: outcome, tokens: numbers.reduce(0) { $0 + data.rows[$1].tokenCount })
    }

    func look() throws -> Look? {
        let held = Array(data.rows[data.trainingCount...].prefix(evaluationRows))
        guard !held.isEmpty else { return nil }
        return try noGrad {
            let vectors = try vectors(of: held)  // [texts, dimension]
            let (loss, count) = try heldOutLoss(vectors, held)
            return .measured(
                HeldOutMeasure(
                    loss: loss, count: count, unit: objective.goal.kind == .triplet ? "triplets" : "rows",
                    metrics: try measures(vectors, held)))
        }
    }

    /// The vectors of all texts, some thousand tokens at a time.
    private func vectors(of held: [EmbeddingData.Row]) throws -> Tensor {
        var parts: [Tensor] = [], next: [EmbeddingData.Row] = [], tokens = 0
        func take() throws {
            guard !next.isEmpty else { return }
            parts.append(try objective.vectors(of: next, StepContext(), dropping: false))
            (next, tokens) = ([], 0)
        }
        for row in held {
            if tokens + row.tokenCount > 4096 { try take() }
            next.append(row)
            tokens += row.tokenCount
        }
        try take()
        return try Tensor.concatenate(parts)
    }

    /// The loss of about as many rows together as a step has: its size depends on how many there are.
    private func heldOutLoss(_ vectors: Tensor, _ held: [EmbeddingData.Row]) throws -> (Double, Int) {
        var sum = 0.0, weights = 0.0, first = 0
        let parts = max(1, (held.count + rows.perStep / 2) / max(1, rows.perStep))
        for part in held.parts(parts) {
            let rows = Array(part), count = rows.reduce(0) { $0 + $1.texts.count }
            let weight = objective.weight(of: ContrastiveEmbedding.Batch(rows))
            if weight > 0 {
                let own = try vectors.narrow(0, from: first, length: count).contiguous()
                sum += try objective.goal(own, objective.layout(rows)).item(as: Double.self) * weight
            }
            weights += weight
            first += count
        }
        return (sum / max(1, weights), Int(weights))
    }

    /// Whether right texts are found, alike ones are near, and negatives are farther.
    private func measures(_ vectors: Tensor, _ held: [EmbeddingData.Row]) throws -> [Metric] {
        let layout = objective.layout(held)
        var metrics: [Metric] = []
        let sizes = objective.goal.dimensions.map(\.size).filter { $0 < vectors.shape[1] }
        for size in [vectors.shape[1]] + sizes {
            let isWhole = size == vectors.shape[1]
            let unit = try vectors.narrow(1, from: 0, length: size).contiguous().ofLengthOne()
            if data.hasScores {
                let cosines = try
                    (unit.indexSelect(0, Tensor(layout.anchors.map { Int64($0) }))
                    * unit.indexSelect(0, Tensor(layout.positives.map { Int64($0) }))).sum(axes: [1])
                    .toArray(as: Double.self)
                let rank = Correlation.spearman(cosines, layout.scores)
                if isWhole {
                    metrics.append(Metric("spearman", rank))
                    metrics.append(Metric("pearson", Correlation.pearson(cosines, layout.scores)))
                } else {
                    metrics.append(Metric("spearman/" + String(size), rank))
                }
                continue
            }
            let found = try retrieval(unit, held, layout)
            if isWhole {
                metrics.append(Metric("mrr", found.reciprocalRank))
                for depth in [1, 5, 10] { metrics.append(Metric("recall/" + String(depth), found.recall(depth))) }
                if let share = try triplets(unit, layout) { metrics.append(Metric("triplet_accuracy", share)) }
            } else {
                metrics.append(Metric("mrr/" + String(size), found.reciprocalRank))
            }
        }
        return metrics
    }

    /// Each different anchor looks for its positives among the different texts of all rows.
    private func retrieval(
        _ unit: Tensor, _ held: [EmbeddingData.Row], _ layout: EmbeddingLoss.Rows
    ) throws -> RetrievalMeasure {
        var texts: [[Int32]: Int] = [:], textVectors: [Int64] = [], queries: [[Int32]: Int] = [:]
        var queryVectors: [Int64] = [], right: [Set<Int>] = []
        func number(_ text: [Int32], _ vector: Int) -> Int {
            if let known = texts[text] { return known }
            texts[text] = textVectors.count
            textVectors.append(Int64(vector))
            return textVectors.count - 1
        }
        for (index, row) in held.enumerated() {
            let own = number(row.positive, layout.positives[index])
            if let query = queries[row.anchor] {
                right[query].insert(own)
                continue
            }
            queries[row.anchor] = right.count
            queryVectors.append(Int64(layout.anchors[index]))
            right.append([own])
        }
        for negative in layout.negatives {
            let row = held[negative.row], place = negative.vector - layout.anchors[negative.row] - 2
            _ = number(row.negatives[place], negative.vector)
        }
        return try RetrievalMeasure(
            queries: unit.indexSelect(0, Tensor(queryVectors)), texts: unit.indexSelect(0, Tensor(textVectors)),
            right: right
        )
    }

    /// How often the positive is nearer than a given negative; nil without negatives.
    private func triplets(_ unit: Tensor, _ layout: EmbeddingLoss.Rows) throws -> Double? {
        guard !layout.negatives.isEmpty else { return nil }
        func rows(_ indices: [Int]) throws -> Tensor { try unit.indexSelect(0, Tensor(indices.map { Int64($0) })) }
        let anchors = try rows(layout.negatives.map { layout.anchors[$0.row] })
        let near = try (anchors * rows(layout.negatives.map { layout.positives[$0.row] })).sum(axes: [1])
        let far = try (anchors * rows(layout.negatives.map(\.vector))).sum(axes: [1])
        let ahead = zip(try near.toArray(as: Float.self), try far.toArray(as: Float.self)).count { $0 > $1 }
        return Double(ahead) / Double(layout.negatives.count)
    }
}
